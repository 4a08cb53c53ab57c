"""A trained run as a file."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from clip_caer.cli import main
from clip_caer.errors import UserError
from clip_caer.files import write_json
from clip_caer.trained.card import model_card
from clip_caer.trained.file import read_model, write_model
from clip_caer.trained.packed import Packed, digest
from clip_caer.trained.run import open_packed
from clip_caer.trained.settings import read_settings, write_settings
from packed_model import WORDS, detector_weights, zero_shot
from tiny_clip import save_random_clip


@pytest.fixture(scope="module")
def packed(request) -> Packed:
    return zero_shot(detector_weights(request), temperature=1.5)


def test_a_file_holds_what_was_packed(packed, tmp_path):
    write_model(packed, tmp_path / "model.safetensors")
    back = read_model(tmp_path / "model.safetensors")
    assert back.tensors.keys() == packed.tensors.keys()
    assert all(torch.equal(back.tensors[name], tensor) for name, tensor in packed.tensors.items())
    assert packed.about.items() <= back.about.items()
    write_model(packed, tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "model.safetensors").read_bytes()


def test_a_file_with_other_bytes_is_refused(packed, tmp_path):
    path = tmp_path / "model.safetensors"
    write_model(packed, path)
    content = bytearray(path.read_bytes())
    content[-1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="its content has changed"):
        read_model(path)


def test_the_card_tells_classes_scores_and_limits(packed, tmp_path):
    scored = packed._replace(about=packed.about | {"scores": {"test/uar": 0.5, "test/recall/book": None}})
    write_model(scored, tmp_path / "model.safetensors")
    card = (tmp_path / "model.md").read_text()
    assert all(f"**{name}**: {text}" in card for name, text in WORDS.items())
    assert "| test/uar | 50.0 % |" in card and "Not for" in card
    assert "also stand in train" not in card
    assert "also stand in train" in model_card(packed.about | {"scores": {"test/uar": 0.5, "students_shared": True}})
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert json.loads(file.metadata()["header"])["card"] == card


def test_a_named_encoder_must_be_the_same_one(packed, tmp_path):
    write_model(packed, tmp_path / "small.safetensors", with_encoder=False)
    assert digest(read_model(tmp_path / "small.safetensors").part("visual")) == packed.about["encoder"]["sha256"]

    other = packed.about["encoder"] | {"model": save_random_clip(tmp_path / "other")}
    write_model(packed._replace(about=packed.about | {"encoder": other}), tmp_path / "x.safetensors", False)
    with pytest.raises(UserError, match="has other weights here than those it was trained on"):
        read_model(tmp_path / "x.safetensors")
    gone = other | {"model": "local-dir:nowhere"}
    write_model(packed._replace(about=packed.about | {"encoder": gone}), tmp_path / "y.safetensors", False)
    with pytest.raises(UserError, match="holds no image encoder and names local-dir:nowhere"):
        read_model(tmp_path / "y.safetensors")


def test_other_files_are_refused(tmp_path):
    (tmp_path / "text.safetensors").write_text("no tensors")
    save_file({"x": torch.zeros(1)}, tmp_path / "tensors.safetensors")
    for name in ("text", "tensors"):
        with pytest.raises(UserError, match="no model written by clip-caer export"):
            open_packed(tmp_path / f"{name}.safetensors")
    with pytest.raises(UserError, match=r"there is no .*nowhere"):
        open_packed(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"suffix .safetensors"):
        write_model(Packed({}, {}), tmp_path / "model.bin")


def test_a_folder_without_weights_names_the_runs_below_it(tmp_path):
    (tmp_path / "fused/official/seed-1").mkdir(parents=True)
    (tmp_path / "fused/official/seed-1/weights.safetensors").touch()
    with pytest.raises(UserError, match=r"no trained weights in this folder. Its runs are .*/fused/official/seed-1"):
        open_packed(tmp_path / "fused/official")


def test_settings_move_with_the_experiment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("clip/config.json", "weights.onnx", "texts.yaml", "big.pt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    made_with = {
        "encoder": {"model": "local-dir:clip", "pretrained": "big.pt"},
        "settings": {"checkpoint": None},
        "text_file": "texts.yaml",
        "faces": {"weights": "weights.onnx"},
        "dataset": "data",
        "runs": {},
    }
    write_settings(made_with, "results/runs/fused/settings.json")
    released = made_with | {"encoder": {"model": "ViT-B-32-quickgelu", "pretrained": "openai"}}
    write_settings(released, "results/runs/tag/settings.json")
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("results", "clip", "weights.onnx", "texts.yaml", "big.pt"):
        (tmp_path / name).rename(moved / name)
    monkeypatch.chdir("/")

    found = read_settings(moved / "results/runs/fused/official/seed-1")
    assert found["encoder"] == {"model": f"local-dir:{moved}/clip", "pretrained": f"{moved}/big.pt"}
    assert found["dataset"] == f"{moved}/data" and found["text_file"] == f"{moved}/texts.yaml"
    assert len(found["files"]) == 4
    assert read_settings(moved / "results/runs/tag/official/seed-1")["encoder"] == released["encoder"]

    write_json({}, moved / "clip/config.json")
    (moved / "weights.onnx").unlink()
    with pytest.raises(UserError, match=r"(?s)weights.onnx is gone.*has changed|has changed.*weights.onnx is gone"):
        read_settings(moved / "results/runs/fused/official/seed-1")


@pytest.mark.parametrize(
    "uri",
    [
        "http://me:hush%2Fhush@127.0.0.1:9/mlflow",
        "nosuch://me:hush/hush@host/db?password=hush",
        "postgresql+nosuch://me:hush/hush@host/db?password=hush",
        "postgresql://me:hush@127.0.0.1:9/db",  # its driver may not be installed
    ],
)
def test_a_model_that_cannot_be_logged_is_told_without_the_password(packed, tmp_path, uri, monkeypatch, capfd):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    write_model(packed, tmp_path / "model.safetensors")
    assert main(["log-model", str(tmp_path / "model.safetensors"), "--uri", uri]) == 1
    told = "".join(capfd.readouterr())
    assert "cannot be used" in told and "Check --uri" in told
    assert "hush" not in told and "me:" not in told
