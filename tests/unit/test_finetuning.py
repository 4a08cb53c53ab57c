"""The regime `finetuned`: crops as they were, an encoder that learns, and a run that survives being killed."""

import copy

import numpy as np
import pytest
import torch

from clip_caer.caching.crop_store import CropTable, write_crops
from clip_caer.encoder import ImageEncoder, image_size, load_clip, load_tokenizer
from clip_caer.errors import UserError
from clip_caer.learning.clips import CropClips
from clip_caer.learning.finetuning import EndToEnd, unfreeze
from clip_caer.learning.model import ClipCaer, learned
from clip_caer.learning.prompts import PromptLearner
from clip_caer.learning.training import train
from clip_caer.pictures.video import Damaged
from tiny_clip import save_random_clip

SIZE, CLASSES = 64, 2
SETTINGS = {
    "segments": 3,
    "sampling": "whole",
    "flip": "together",
    "rotation": 10,
    "epochs": 3,
    "batch": 4,
    "accumulate": 1,
    "prompts_every": 1,
    "optimizer": "sgd",
    "lr": {"temporal": 1e-2, "fusion": 1e-3, "prompts": 1e-3, "encoder": 1e-3},
    "weight_decay": 1e-4,
    "schedule": "steps",
    "loss": {"target": "label", "balance": "none", "logit_adjustment": 0, "label_smoothing": 0},
}
TEMPORAL = {"segments": 3, "layers": 1, "heads": 2, "head_width": 8, "mlp_width": 16, "dropout": 0.1}


@pytest.fixture(scope="module")
def name(tmp_path_factory):
    return save_random_clip(tmp_path_factory.mktemp("clip"))


def picture(clip, frame):
    return np.random.default_rng([clip, frame]).integers(0, 256, (SIZE, SIZE, 3), np.uint8)


def load(clip_id):
    if clip_id == "broken":
        raise Damaged("cut short")
    number = int(clip_id)
    return [None if frame == 1 else picture(number, frame) for frame in range(3 + number % 3)]


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder, files = tmp_path_factory.mktemp("crops"), {}
    for view in ("face", "context"):
        files[view] = [folder / f"{view}-{shard}.safetensors" for shard in (0, 1)]
        for path, ids in zip(files[view], (["0", "1", "broken", "2", "3"], ["4", "5", "6", "7"]), strict=True):
            clips = [(clip_id, "sha") for clip_id in ids]
            write_crops(clips, load, SIZE, path, "0123456789", view, {"gone": "missing"})
    return files


@pytest.fixture(scope="module")
def clips(stores):
    views = {view: CropTable(paths, "0123456789", view) for view, paths in stores.items()}
    return CropClips(views, torch.tensor([0, 1] * 4))


def builder(name, blocks="all", rank=0):
    clip, tokenizer = load_clip(name, None), load_tokenizer(name)

    def build():
        visual = copy.deepcopy(clip.visual)
        unfreeze(visual, blocks, rank)
        prompts = PromptLearner(clip, tokenizer, ["a face", "a book"], 2, True, "end")
        caer = ClipCaer(["face", "context"], 64, prompts, TEMPORAL)
        return EndToEnd(visual, caer, clip.visual.image_mean, clip.visual.image_std)

    return build


def test_crops_come_back_as_they_were_written(stores, clips):
    table = clips.views["face"]
    assert table.clip_ids == [str(n) for n in range(8)]
    assert table.length.tolist() == [3, 4, 5, 3, 4, 5, 3, 4]
    crops, found = table.select(["5", "0"]).read([0, 1], torch.tensor([[4, 1, 0], [0, 0, 0]]))
    assert found[0].tolist() == [True, False, True]
    assert (crops[0, 0].numpy() == picture(5, 4)).all() and (crops[0, 2].numpy() == picture(5, 0)).all()
    assert not crops[0, 1].any()
    assert found[1].all() and all((crop.numpy() == picture(0, 0)).all() for crop in crops[1])
    with pytest.raises(UserError, match="face-0"):
        CropTable(stores["face"], "9999999999", "face")


def test_the_whole_model_gives_what_its_parts_give(name, clips):
    model, clip = builder(name)().eval(), load_clip(name, None)
    chosen = torch.arange(4)
    crops, found = clips.centre(chosen, SETTINGS)
    features = {}
    for view, pixels in crops.items():
        encoded = ImageEncoder(clip)(pixels.flatten(0, 1).permute(0, 2, 3, 1).contiguous().numpy())
        features[view] = encoded.unflatten(0, (4, 3)) * found[view][..., None]
    torch.testing.assert_close(model(crops, found), model.caer(features, found), rtol=1e-3, atol=1e-3)


def test_a_batch_without_any_face_is_possible(name, clips):
    model = builder(name)().eval()
    crops, found = clips.centre(torch.arange(2), SETTINGS)
    found["face"][:] = False
    assert model(crops, found).isfinite().all()


def test_both_views_are_turned_alike(clips):
    same = CropClips({"a": clips.views["face"], "b": clips.views["face"]}, clips.labels)
    chosen = torch.arange(8)
    shown, _ = same.draw(chosen, SETTINGS, torch.Generator().manual_seed(1))
    assert torch.equal(shown["a"], shown["b"])
    shown, _ = same.draw(chosen, SETTINGS | {"flip": "apart"}, torch.Generator().manual_seed(1))
    assert not torch.equal(shown["a"], shown["b"])
    still, _ = same.draw(chosen, SETTINGS | {"flip": "off", "rotation": 0}, torch.Generator().manual_seed(1))
    assert any((frame.permute(1, 2, 0).numpy() == picture(0, 0)).all() for frame in still["a"][0])


@pytest.mark.parametrize(("blocks", "rank"), [("all", 0), (1, 0), ("all", 2), (1, 2)])
def test_what_is_meant_to_learn_learns_and_nothing_else(name, clips, blocks, rank):
    build = builder(name, blocks, rank)
    torch.manual_seed(0)
    before = {key: tensor.clone() for key, tensor in build().state_dict().items()}
    trained = train(build, clips, clips, CLASSES, SETTINGS | {"epochs": 1}, seed=1)
    visual = {key for key in trained.learned if key.startswith("visual.")}
    assert visual and all(("resblocks.1." in key) for key in visual) == (blocks == 1)
    assert all(("parametrizations" in key) for key in visual) == bool(rank)
    assert not any("text_encoder" in key for key in trained.learned)
    if not rank:
        assert any(not torch.equal(trained.learned[key], before[key]) for key in visual)


class Killed(Exception):
    pass


class KilledAt:
    """Clips that stop the run when they are drawn for the n-th time."""

    def __init__(self, clips, draws):
        self.clips, self.labels, self.draws = clips, clips.labels, draws

    def draw(self, *arguments):
        self.draws -= 1
        if self.draws < 0:
            raise Killed
        return self.clips.draw(*arguments)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("draws", [0, 1, 2, 3, 5])
def test_killed_at_any_step_and_started_again_it_ends_with_the_same_weights(name, clips, tmp_path, draws, optimizer):
    build, settings = builder(name), SETTINGS | {"optimizer": optimizer}
    undisturbed = train(build, clips, clips, CLASSES, settings, seed=3)
    keep = tmp_path / "unfinished.safetensors"
    with pytest.raises(Killed):
        train(build, KilledAt(clips, draws), clips, CLASSES, settings, seed=3, keep=keep)
    assert keep.exists() == (draws >= 2)  # two steps an epoch
    resumed = train(build, clips, clips, CLASSES, settings, seed=3, keep=keep)
    assert [list(epoch.items()) for epoch in resumed.history] == [list(epoch.items()) for epoch in undisturbed.history]
    assert all(torch.equal(resumed.learned[key], tensor) for key, tensor in undisturbed.learned.items())
    again = train(build, KilledAt(clips, 0), clips, CLASSES, settings, seed=3, keep=keep)  # nothing is left to do
    assert again.history == undisturbed.history
    assert all(torch.equal(again.learned[key], tensor) for key, tensor in undisturbed.learned.items())


def test_a_state_of_other_settings_is_not_taken_up(name, clips, tmp_path):
    build, keep = builder(name), tmp_path / "unfinished.safetensors"
    with pytest.raises(Killed):
        train(build, KilledAt(clips, 3), clips, CLASSES, SETTINGS, seed=3, keep=keep)
    other = SETTINGS | {"weight_decay": 0.1}
    resumed = train(build, clips, clips, CLASSES, other, seed=3, keep=keep)
    assert resumed.history == train(build, clips, clips, CLASSES, other, seed=3).history
    keep.write_bytes(b"cut short")
    assert len(train(build, clips, clips, CLASSES, other, seed=3, keep=keep).history) == 3


def test_a_batch_in_parts_is_the_same_step(name, clips):
    settings = SETTINGS | {"epochs": 1, "flip": "off", "rotation": 0}
    build = builder(name)

    def without_dropout():
        model = build()
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        return model

    whole, parts = (train(without_dropout, clips, clips, CLASSES, settings | {"accumulate": n}, 1) for n in (1, 3))
    for key, tensor in whole.learned.items():
        torch.testing.assert_close(parts.learned[key], tensor, rtol=1e-3, atol=1e-5)


def test_a_convolutional_encoder_learns_whole_or_not_at_all():
    with pytest.raises(UserError, match="no transformer"):
        unfreeze(torch.nn.Conv2d(3, 3, 1), 2)


def test_gradient_checkpointing_changes_nothing(name, clips):
    def checkpointed():
        model = build()
        model.visual.set_grad_checkpointing(True)
        return model

    build, settings = builder(name), SETTINGS | {"epochs": 1}
    plain, twice = (train(make, clips, clips, CLASSES, settings, seed=1) for make in (build, checkpointed))
    assert all(torch.allclose(twice.learned[key], tensor, atol=1e-6) for key, tensor in plain.learned.items())


def test_the_size_of_crops_is_known_without_the_weights(name):
    assert image_size(name) == 64
    assert image_size("ViT-B-32-quickgelu") == 224
    assert learned(torch.nn.Linear(2, 2)).keys() == {"weight", "bias"}
