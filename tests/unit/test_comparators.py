"""Comparators: each learns, its weights round-trip, and its settings are ones that an ablation may have."""

import subprocess
import sys

import pytest
import torch
import yaml

from clip_caer.caching.crop_store import CropTable, write_crops
from clip_caer.caching.features import FeatureTable
from clip_caer.comparators import COMPARATORS
from clip_caer.comparators.networks.caer_net import CaerNet
from clip_caer.comparators.published import PUBLISHED
from clip_caer.configuration.settings import OVERRIDES, merge
from clip_caer.experiment import load_learned, model_builder
from clip_caer.learning.clips import CropClips, FeatureClips
from clip_caer.learning.model import ClipCaer, learned
from clip_caer.learning.training import predict, train, validate
from tiny_clip import save_random_clip

CLASSES, WIDTH, SIZE = ["neutral", "glad"], 64, 16
CONFIG = {
    "views": ["face", "context"],
    "text": {"kind": "names", "file": None},
    "prompts": {"n_ctx": 2, "class_specific": True, "position": "end"},
    "temporal": {"layers": 1, "heads": 2, "head_width": 8, "mlp_width": 16, "dropout": 0.1, "shared": False},
    "fusion": "concat",
    "adapter": 8,
    "train": {
        "regime": "frozen",
        "segments": 2,
        "sampling": "whole",
        "flip": "together",
        "rotation": 0,
        "epochs": 6,
        "batch": 4,
        "accumulate": 1,
        "prompts_every": 1,
        "encoder_blocks": "all",
        "lora_rank": 0,
        "grad_checkpointing": False,
        "optimizer": "adamw",
        "lr": {"temporal": 5e-3, "fusion": 5e-3, "prompts": 2e-2, "adapter": 5e-3, "encoder": 1e-5},
        "weight_decay": 0.01,
        "schedule": "cosine",
        "loss": {"target": "label", "balance": "none", "logit_adjustment": 0, "label_smoothing": 0},
    },
    "classes": CLASSES,
    "checkpoint": None,
}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return {"model": save_random_clip(tmp_path_factory.mktemp("clip")), "pretrained": None, "normalise": "clip"}


@pytest.fixture(scope="module")
def text_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("texts") / "texts.yaml"
    path.write_text(yaml.safe_dump({name: {"names": name, "face": f"a {name} face"} for name in CLASSES}))
    return str(path)


@pytest.fixture
def builder(encoder, text_file):
    return lambda settings: model_builder(encoder, settings, text_file, "cpu")


def settings_of(name):
    return merge(CONFIG, {"model": name, **COMPARATORS[name].changes})


def feature_clips(views, n, seed):
    """Two clearly different kinds of clips of 2 to 4 frames; the face is found in most."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 2
    length = torch.randint(2, 5, (n,), generator=random)
    direction = torch.randn(2, WIDTH, generator=torch.Generator().manual_seed(9))
    tables = {}
    for view in views:
        frames = direction[labels].repeat_interleave(length, 0)
        frames = frames + 0.5 * torch.randn(frames.shape, generator=random)
        tables[view] = FeatureTable.of(
            [(f"c{i}", "sha", rows) for i, rows in enumerate(length.tolist())],
            torch.stack([frames, frames], 1).half(),
            torch.rand(len(frames), generator=random) > 0.1,
            {},
        )
    return FeatureClips(tables, labels)


@pytest.fixture(scope="module")
def crop_clips(tmp_path_factory):
    """Eight clips of three noisy frames, dark and bright ones."""
    folder, labels = tmp_path_factory.mktemp("crops"), torch.arange(8) % 2

    def load(clip_id):
        random = torch.Generator().manual_seed(int(clip_id))
        noise = torch.randint(0, 100, (3, SIZE, SIZE, 3), generator=random, dtype=torch.uint8)
        return list((noise + 120 * labels[int(clip_id)].to(torch.uint8)).numpy())

    tables = {}
    for view in ("face", "context"):
        path = folder / f"{view}.safetensors"
        write_crops([(str(n), "sha") for n in range(8)], load, SIZE, path, "0123456789", view, {})
        tables[view] = CropTable([path], "0123456789", view)
    return CropClips(tables, labels)


@pytest.mark.parametrize("name", COMPARATORS)
def test_it_changes_what_an_ablation_may_change(name):
    changes = COMPARATORS[name].changes
    assert set(changes) <= {"views", *OVERRIDES}
    assert changes["train"]["regime"] == ("finetuned" if name == "r3d_18" else "frozen")


@pytest.mark.parametrize("name", ["coop", "dfer_clip", "caer_net"])
def test_it_learns_from_features_and_its_weights_round_trip(name, builder):
    settings = settings_of(name)
    roles = [feature_clips(settings["views"], 32, seed) for seed in (0, 1)]
    build = builder(settings)
    trained = train(build, *roles, 2, settings["train"], seed=1)
    assert trained.history[trained.best_epoch - 1]["val/uar"] > 0.8
    again = load_learned(build(), trained.learned)
    assert validate(again, roles[1], settings["train"])["val/uar"] == max(e["val/uar"] for e in trained.history)


@pytest.mark.parametrize(("name", "parts"), [("coop", {"prompts"}), ("dfer_clip", {"prompts", "temporal"})])
def test_only_what_the_publication_trains_learns(name, parts, builder):
    settings = settings_of(name)
    clips = feature_clips(settings["views"], 8, 0)
    build = builder(settings)
    assert isinstance(build(), ClipCaer)
    trained = train(build, clips, clips, 2, merge(settings["train"], {"epochs": 1}), seed=1)
    assert {key for key in trained.history[0] if key.startswith("lr/")} == {f"lr/{part}" for part in parts}
    assert {key.split(".")[0] for key in trained.learned} == parts


def test_coop_has_one_set_of_context_tokens(builder):
    model = builder(settings_of("coop"))()
    assert model.prompts.ctx.shape[0] == 16 and model.prompts.ctx.dim() == 2


def test_a_network_of_its_own_reads_no_weights_of_clip(builder, monkeypatch):
    monkeypatch.setattr("clip_caer.experiment.load_clip", lambda *_: pytest.fail("CLIP was loaded"))
    for name in ("caer_net", "r3d_18"):  # its parts have learning rates
        assert builder(settings_of(name))().parts().keys() <= CONFIG["train"]["lr"].keys()


def test_a_stream_that_saw_nothing_has_no_weight():
    torch.manual_seed(0)
    model = CaerNet(["face", "context"], WIDTH, 2).eval()
    features = {view: torch.randn(3, 4, WIDTH) for view in ("face", "context")}
    found = {"face": torch.tensor([[True] * 4, [False] * 4, [False] * 4]), "context": torch.ones(3, 4, dtype=bool)}
    found["context"][2] = False
    logits = model(features, found)
    changed = features | {"face": torch.randn(3, 4, WIDTH)}
    assert not torch.allclose(model(changed, found)[0], logits[0])
    torch.testing.assert_close(model(changed, found)[1:], logits[1:])
    assert logits.isfinite().all()


@pytest.fixture(scope="module")
def r3d_18_settings():
    return merge(settings_of("r3d_18"), {"views": ["face"], "train": {"epochs": 2}})


def test_r3d_18_learns_from_pixels(builder, r3d_18_settings, crop_clips):
    def build():
        model = builder(r3d_18_settings)()
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm3d):
                module.momentum = 0.5  # few steps are enough for its statistics
        return model

    clips = CropClips({"face": crop_clips.views["face"]}, crop_clips.labels)
    trained = train(build, clips, clips, 2, r3d_18_settings["train"] | {"epochs": 4}, seed=1)
    assert trained.history[trained.best_epoch - 1]["val/uar"] > 0.8


def test_r3d_18_shows_nothing_of_frames_that_are_not_found(builder, r3d_18_settings, crop_clips):
    model = builder(r3d_18_settings)().eval()
    crops, found = crop_clips.centre(torch.arange(2), r3d_18_settings["train"])
    found["face"][:, 1] = False
    other = {"face": crops["face"].clone()}
    other["face"][:, 1] = 255
    torch.testing.assert_close(model(crops, found), model(other, found))


def test_r3d_18_scales_large_crops_down(builder, r3d_18_settings):
    model = builder(r3d_18_settings)().eval()
    large = torch.full((1, 1, 3, 224, 224), 7, dtype=torch.uint8)
    shown = model._video(large, torch.ones(1, 1, dtype=bool))
    assert shown.shape == (1, 3, 1, 112, 112)
    torch.testing.assert_close(shown * model.std[:, None] + model.mean[:, None], torch.full_like(shown, 7))


class Killed(Exception):
    pass


class KilledAt:
    """Clips that stop the run when they are drawn for the n-th time."""

    def __init__(self, clips, draws):
        self.clips, self.labels, self.soft_labels, self.draws = clips, clips.labels, None, draws

    def draw(self, *arguments):
        self.draws -= 1
        if self.draws < 0:
            raise Killed
        return self.clips.draw(*arguments)


def test_r3d_18_killed_and_started_again_ends_with_the_same_weights_and_statistics(
    builder, r3d_18_settings, crop_clips, tmp_path
):
    build, settings = builder(r3d_18_settings), r3d_18_settings["train"] | {"batch": 8}  # one step an epoch
    clips = CropClips({"face": crop_clips.views["face"]}, crop_clips.labels)
    undisturbed = train(build, clips, clips, 2, settings, seed=3)
    keep = tmp_path / "unfinished.safetensors"
    with pytest.raises(Killed):
        train(build, KilledAt(clips, 1), clips, 2, settings, seed=3, keep=keep)
    assert keep.exists()
    resumed = train(build, clips, clips, 2, settings, seed=3, keep=keep)
    assert resumed.history == undisturbed.history
    assert resumed.learned.keys() == undisturbed.learned.keys()
    assert all(torch.equal(resumed.learned[key], tensor) for key, tensor in undisturbed.learned.items())
    statistics = [key for key in undisturbed.learned if "running_" in key]
    assert statistics and any(undisturbed.learned[key].ne(0).any() for key in statistics)
    scores = validate(load_learned(build(), undisturbed.learned), clips, settings)
    assert scores["val/loss"] == undisturbed.history[undisturbed.best_epoch - 1]["val/loss"]


def test_an_image_encoders_batch_norms_are_not_kept():
    encoder = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.BatchNorm2d(2)).requires_grad_(False)
    assert not learned(encoder)


def test_predictions_do_not_depend_on_the_batch(builder, r3d_18_settings, crop_clips):
    clips = CropClips({"face": crop_clips.views["face"]}, crop_clips.labels)
    model = builder(r3d_18_settings)()
    whole, parts = (predict(model, clips, r3d_18_settings["train"] | {"batch": n}) for n in (8, 3))
    torch.testing.assert_close(whole, parts, rtol=1e-4, atol=1e-5)


def test_published_figures_are_shares_and_belong_to_models_that_exist():
    assert len(PUBLISHED) == 8
    assert all(0.4 < quoted.uar < 0.7 for quoted in PUBLISHED.values())
    assert {quoted.model for quoted in PUBLISHED.values()} - {None, "clip_caer"} <= COMPARATORS.keys()


def test_the_configuration_reads_comparators_without_torch():
    code = "import sys, clip_caer.configuration.settings; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
