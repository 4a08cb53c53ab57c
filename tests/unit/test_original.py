"""The original: our model computes what it computes, and reads its checkpoints without running code from them."""

import json
import math
import os
import pickle
from itertools import count
from pathlib import Path
from runpy import run_path

import numpy as np
import pytest
import torch

from clip_caer.errors import UserError
from clip_caer.original import load_checkpoint
from original_checkpoints import TEXTS, TOKENIZER, complete, random_state, save, shapes

REFERENCE = Path(__file__).parents[3] / "shared" / "official"
ARRAYS = ("face_frames", "context_frames", "face_video", "context_video", "video", "text", "logits")


# ---- The published description once more, in plain torch and float64, with the original's names


def restated(t: dict, texts: list[str], n_ctx: int, face: torch.Tensor, context: torch.Tensor) -> dict:
    """Every array of the reference, from a state_dict in float64."""
    frames = {"face_frames": image_tower(t, face), "context_frames": image_tower(t, context)}
    face_video = temporal_net(t, "temporal_net.", frames["face_frames"])
    context_video = temporal_net(t, "temporal_net_body.", frames["context_frames"])
    video = unit(linear(t, "project_fc", torch.cat([face_video, context_video], dim=-1)))
    text = unit(text_tower(t, texts, n_ctx))
    outputs = {"face_video": face_video, "context_video": context_video, "video": video, "text": text}
    return frames | outputs | {"logits": video @ text.T / 0.01}


def image_tower(t, pixels):
    kernel = t["clip_model_.visual.conv1.weight"]
    patches = torch.conv2d(pixels.flatten(0, 1), kernel, stride=kernel.shape[-1]).flatten(2).mT
    first = t["clip_model_.visual.class_embedding"].expand(len(patches), 1, -1)
    x = torch.cat([first, patches], dim=1) + t["clip_model_.visual.positional_embedding"]
    x = blocks(t, "clip_model_.visual.", norm(t, "clip_model_.visual.ln_pre", x))[:, 0]
    return (norm(t, "clip_model_.visual.ln_post", x) @ t["clip_model_.visual.proj"]).unflatten(0, pixels.shape[:2])


def text_tower(t, texts, n_ctx):
    end = [1 + n_ctx + len(TOKENIZER.encode(text)) for text in texts]
    ctx = t["prompt_learner.ctx"].expand(len(texts), -1, -1)
    x = torch.cat([t["prompt_learner.token_prefix"], ctx, t["prompt_learner.token_suffix"]], dim=1)
    later = torch.full((x.shape[1], x.shape[1]), -math.inf, dtype=x.dtype).triu(1)
    x = blocks(t, "clip_model_.", x + t["clip_model_.positional_embedding"], later)
    return norm(t, "clip_model_.ln_final", x)[torch.arange(len(x)), end] @ t["clip_model_.text_projection"]


def blocks(t, tower, x, mask=0):
    for block in count():
        name = f"{tower}transformer.resblocks.{block}."
        if name + "ln_1.weight" not in t:
            return x
        y = norm(t, name + "ln_1", x) @ t[name + "attn.in_proj_weight"].T + t[name + "attn.in_proj_bias"]
        x = x + linear(t, name + "attn.out_proj", attention(y, mask))
        y = linear(t, name + "mlp.c_fc", norm(t, name + "ln_2", x))
        x = x + linear(t, name + "mlp.c_proj", y * torch.sigmoid(1.702 * y))


def temporal_net(t, net, frames):
    x = torch.cat([t[net + "cls_token"].expand(len(frames), -1, -1), frames], dim=1) + t[net + "pos_embedding"]
    for layer in count():
        name = f"{net}temporal_transformer.layers.{layer}."
        if name + "0.fn.norm.weight" not in t:
            return x[:, 0]
        y = linear(t, name + "0.fn.fn.to_qkv", norm(t, name + "0.fn.norm", x))
        x = x + linear(t, name + "0.fn.fn.to_out.0", attention(y))
        y = linear(t, name + "1.fn.fn.net.0", norm(t, name + "1.fn.norm", x))
        y = 0.5 * y * (1 + torch.tanh(math.sqrt(2 / math.pi) * (y + 0.044715 * y**3)))
        x = x + linear(t, name + "1.fn.fn.net.3", y)


def attention(qkv, mask=0):
    q, k, v = (part.unflatten(-1, (-1, 64)).transpose(1, 2) for part in qkv.chunk(3, dim=-1))
    return ((q @ k.mT / 8 + mask).softmax(-1) @ v).transpose(1, 2).flatten(2)


def linear(t, name, x):
    return x @ t[name + ".weight"].T + t.get(name + ".bias", 0)


def norm(t, name, x):
    x = x - x.mean(-1, keepdim=True)
    x = x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    return x * t[name + ".weight"] + t[name + ".bias"]


def unit(x):
    return x / x.norm(dim=-1, keepdim=True)


def pixels(seed: int, segments: int = 16) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(2, segments, 3, 32, 32, generator=generator) for _ in ("face", "context")]


def computed(model, face, context) -> dict:
    """Every array of the reference, from our model."""
    features = {"face": model.frames(face), "context": model.frames(context)}
    found = {view: torch.ones(face.shape[:2], dtype=torch.bool) for view in features}
    seen = {view: model.caer.temporal[view](features[view], found[view]) for view in features}
    return {
        "face_frames": features["face"],
        "context_frames": features["context"],
        "face_video": seen["face"],
        "context_video": seen["context"],
        "video": model.caer.video(features, found),
        "text": model.caer.prompts(),
        "logits": model(face, context),
    }


def assert_same(ours: dict, reference: dict) -> None:
    errors = {name: float((ours[name] - reference[name]).abs().max() / reference[name].abs().max()) for name in ARRAYS}
    assert {name: tuple(ours[name].shape) for name in ARRAYS} == {name: tuple(reference[name].shape) for name in ARRAYS}
    assert max(errors.values()) < 1e-5, errors


# ---- The same function


@pytest.fixture(scope="module")
def golden(tmp_path_factory):
    """Description, state_dict, inputs and outputs of the reference, and a checkpoint file of it."""
    if not REFERENCE.is_dir():
        pytest.skip("reference values of the original are not on this machine (../shared/official)")
    about = json.loads((REFERENCE / "golden.json").read_text())
    tensor = run_path(str(REFERENCE / "recipe.py"))["tensor"]

    def made(name, shape):
        return torch.from_numpy(np.asarray(tensor(name, tuple(shape), about["seed"])))

    ours = shapes(len(about["texts"]), embedding=about["clip"]["embed_dim"])
    state = complete({name: made(name, shape) for name, shape in ours.items()}, about["texts"], about["n_ctx"])
    inputs = [made(f"input.{view}", (2, 16, 3, 32, 32)) for view in ("face", "context")]
    outputs = {name: torch.from_numpy(array) for name, array in np.load(REFERENCE / "golden.npz").items()}
    return about, state, inputs, outputs, save(tmp_path_factory.mktemp("golden") / "model_best.pth", state)


def test_the_layout_made_here_is_the_originals(golden):
    about, state, *_ = golden
    assert {name: list(tensor.shape) for name, tensor in state.items()} == about["state_dict"]


def test_a_checkpoint_computes_the_reference_values(golden):
    about, _, inputs, outputs, path = golden
    model = load_checkpoint(path)
    assert_same(computed(model, *inputs), outputs)
    assert model.texts == about["texts"]


def test_the_restatement_computes_the_reference_values(golden):
    about, state, inputs, outputs, _ = golden
    state, inputs = {name: tensor.double() for name, tensor in state.items()}, [x.double() for x in inputs]
    assert_same(restated(state, about["texts"], about["n_ctx"], *inputs), outputs)


@pytest.mark.parametrize(
    "sizes",
    [
        {"depth": 2},
        {"depth": 3, "n_ctx": 16},
        {"shared": True, "n_ctx": 4},
        {"embedding": 128, "vision": 128, "patch": 8, "layers": 3, "segments": 5},
    ],
    ids=str,
)
def test_other_sizes_agree_with_the_restatement(sizes, tmp_path):
    state, inputs = random_state(3, **sizes), pixels(4, sizes.get("segments", 16))
    model = load_checkpoint(save(tmp_path / "model.pth", state))
    state = {name: tensor.double() for name, tensor in state.items()}
    expected = restated(state, TEXTS, sizes.get("n_ctx", 8), *(x.double() for x in inputs))
    assert_same(computed(model, *inputs), expected)


# ---- Reading the file


@pytest.fixture(scope="module")
def state():
    return random_state(1)


@pytest.fixture(scope="module")
def logits(state, tmp_path_factory):
    return load_checkpoint(save(tmp_path_factory.mktemp("plain") / "model.pth", state))(*pixels(2))


def test_the_model_is_ready_for_evaluation(state, tmp_path):
    model = load_checkpoint(save(tmp_path / "model.pth", state))
    assert not model.training and not any(parameter.requires_grad for parameter in model.parameters())


def test_class_texts_are_recovered(state, tmp_path):
    model = load_checkpoint(save(tmp_path / "model.pth", state))
    assert model.texts[:2] == TEXTS[:2]
    assert TOKENIZER.encode(model.texts[2]) == TOKENIZER.encode(TEXTS[2])  # brackets lose their places


@pytest.mark.parametrize("best_acc", [torch.tensor(68.0), np.float64(68)], ids=["tensor", "numpy"])
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_both_file_formats_load(state, logits, best_acc, zipped, tmp_path):
    path = save(tmp_path / "model.pth", state, best_acc, _use_new_zipfile_serialization=zipped)
    assert torch.equal(load_checkpoint(path)(*pixels(2)), logits)


def test_arrays_of_numpy_1_load(state, logits, tmp_path):
    path = save(tmp_path / "model.pth", state, np.float64(68), _use_new_zipfile_serialization=False)
    new = path.read_bytes()
    old = new.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
    assert old != new
    path.write_bytes(old)
    assert torch.equal(load_checkpoint(path)(*pixels(2)), logits)


def test_names_of_data_parallel_load(state, logits, tmp_path):
    path = save(tmp_path / "model.pth", {"module." + name: tensor for name, tensor in state.items()})
    assert torch.equal(load_checkpoint(path)(*pixels(2)), logits)


class Hostile:
    """Calls something when it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("how", ["pickle 2", "pickle 4", "zip", "legacy", "in the recorder"])
@pytest.mark.parametrize("function", ["open", "system"])
def test_a_hostile_file_is_refused_and_nothing_of_it_runs(function, how, state, tmp_path):
    trap, path = tmp_path / "trap", tmp_path / "model.pth"
    call = {"open": Hostile(open, str(trap), "w"), "system": Hostile(os.system, f"touch '{trap}'")}[function]
    pickle.loads(pickle.dumps(call))
    assert trap.exists()  # the trap works
    trap.unlink()
    if how.startswith("pickle"):
        path.write_bytes(pickle.dumps({"state_dict": {}, "epoch": call}, protocol=int(how[-1])))
    elif how == "in the recorder":
        save(path, state, best_acc=[call])
    else:
        save(path, state | {"epoch": call}, _use_new_zipfile_serialization=how == "zip")
    with pytest.raises(UserError, match=r"model\.pth") as refused:
        load_checkpoint(path)
    assert not trap.exists()
    assert function in str(refused.value) or how == "pickle 4"  # which torch does not read so far


def test_reading_leaves_no_name_allowed_behind(state, tmp_path):
    before = set(map(str, torch.serialization.get_safe_globals()))  # torch keeps them in no order
    load_checkpoint(save(tmp_path / "model.pth", state))
    assert set(map(str, torch.serialization.get_safe_globals())) == before


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", bytes(range(256)) * 9], ids=["empty", "text", "bytes"])
def test_a_file_of_something_else_is_refused(content, tmp_path):
    (tmp_path / "model.pth").write_bytes(content)
    with pytest.raises(UserError, match=r"model\.pth: is not a checkpoint"):
        load_checkpoint(tmp_path / "model.pth")


def test_a_cut_file_is_refused(state, tmp_path):
    path = save(tmp_path / "model.pth", state)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(UserError, match="damaged"):
        load_checkpoint(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        load_checkpoint(tmp_path / "nowhere.pth")


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {"state_dict": [1]}], ids=str)
def test_a_file_without_a_state_dict_is_refused(content, tmp_path):
    torch.save(content, tmp_path / "model.pth")
    with pytest.raises(UserError, match="holds no state_dict"):
        load_checkpoint(tmp_path / "model.pth")


SUFFIX = "prompt_learner.token_suffix"


def without(*names):
    return lambda state: {name: tensor for name, tensor in state.items() if name not in names}


def with_shape(name, *shape):
    return lambda state: state | {name: torch.ones(shape)}


def with_end_removed(state):
    suffix = state[SUFFIX].clone()
    suffix[1] = suffix[1, 0]
    return state | {SUFFIX: suffix}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (without("clip_model_.text_projection"), ["clip_model_.text_projection is missing"]),
        (without("project_fc.bias", "temporal_net_body.cls_token"), ["project_fc.bias is", "temporal_net_body.cls_"]),
        (with_shape("project_fc.weight", 64, 100), ["project_fc.weight", "(64, 100)", "(64, 128)"]),
        (with_shape("prompt_learner.ctx", 3), ["prompt_learner.ctx", "(3,)"]),
        (with_shape("prompt_learner.ctx", 4, 8, 64), ["prompt_learner.ctx", "(4, 8, 64)", "(3, 8, 64)"]),
        (with_shape("temporal_net.pos_embedding", 1, 17, 32), ["temporal_net.pos_embedding", "(1, 17, 64)"]),
        (with_shape("clip_model_.visual.positional_embedding", 1, 64), ["visual.positional_embedding", "(1, 64)"]),
        (with_shape("clip_model_.token_embedding.weight", 300, 64), ["token_embedding.weight", "(49408, 64)"]),
        (with_shape("gate.weight", 2), ["gate.weight is unknown"]),
        (lambda state: state | {"project_fc.bias": "text"}, ["project_fc.bias"]),
        (with_shape("image_encoder.proj", 64, 64), ["image_encoder.proj", "clip_model_.visual.proj", "differ"]),
        (lambda state: state | {SUFFIX: state[SUFFIX] + 1e-3}, ["class 1", "class 3", SUFFIX.split(".")[1]]),
        (with_end_removed, ["class 2", "ends"]),
    ],
)
def test_tensors_that_do_not_make_the_model_are_named(change, named, state, tmp_path):
    path = save(tmp_path / "model.pth", change(state))
    with pytest.raises(UserError, match=r"model\.pth") as refused:
        load_checkpoint(path)
    assert all(name in str(refused.value) for name in named), str(refused.value)
