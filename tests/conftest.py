"""What tests share: a tiny CLIP, the detector's weights, and one finished experiment."""

import json
import os

import pytest

from clips import spoil
from experiments import CUT, SHEET, SPOILED, Experiment, cut_short, draw_clips, set_up, write_sheet

# Two jobs of two threads on two cores are slower than one after the other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

TOWER = {"layers": 1, "width": 32}
MODEL = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "patch_size": 16, "head_width": 16, **TOWER},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "heads": 2, **TOWER},
}
PREPROCESS = {"mean": [0.48, 0.46, 0.41], "std": [0.27, 0.26, 0.28]}


@pytest.hookimpl(tryfirst=True)  # before workers read the groups
def pytest_collection_modifyitems(items):
    """What shares an experiment goes to one worker; what mostly waits, for SLURM, begins."""
    for item in items:
        shared = [name for name in ("finished", "undisturbed") if name in item.fixturenames]
        item.add_marker(pytest.mark.xdist_group(shared[0] if shared else item.path.stem))
    items.sort(key=lambda item: (item.get_closest_marker("slurm") is None, "finished" not in item.fixturenames))


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A folder with a CLIP of random weights."""
    import torch
    from safetensors.torch import save_file

    from clip_caer import torchvision_on_cpu  # noqa: F401  (before open_clip)

    import open_clip  # isort: skip

    folder = tmp_path_factory.mktemp("clip")
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": MODEL, "preprocess_cfg": PREPROCESS}))
    torch.manual_seed(0)
    tensors = {name: tensor.contiguous() for name, tensor in open_clip.CLIP(**MODEL).state_dict().items()}
    save_file(tensors, folder / "open_clip_model.safetensors")
    return folder


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """The face detector's released weights."""
    from clip_caer.faces.weights import fetch_weights

    path = tmp_path_factory.mktemp("weights") / "mobile0.25.onnx"
    fetch_weights("mobile0.25", path)
    return path


@pytest.fixture(scope="session")
def finished(tmp_path_factory, model, weights) -> Experiment:
    """An experiment that has run to its end, two damaged clips and all. Its folder is for looking and for dry runs."""
    folder = tmp_path_factory.mktemp("finished")
    draw_clips(folder / "data", SHEET)
    cut_short(folder / "data" / f"{CUT}.mp4")
    spoil(folder / "data" / f"{SPOILED}.mp4")
    write_sheet(folder / "data", SHEET)
    experiment = set_up(
        folder,
        model,
        weights,
        experiment="does it run?",
        dataset={
            "reader": "csv",
            "path": "data/clips.csv",
            "label_sets": {"fine": ["calm", "keen"]},
            "max_damaged": 0.2,
            "shards": 2,
        },
        protocols={"official": {}, "subject_kfold": {"folds": 2}},
        ablations={"face": {"views": ["face"]}, "fused": {"views": ["face", "context"]}},
        controls=["majority", "student_id", "setting_id", "zero_shot", "linear_probe", "shuffled_labels"],
        comparators=["coop"],
    )
    experiment.run()
    return experiment


@pytest.fixture
def experiment(finished, tmp_path) -> Experiment:
    """A copy of the finished experiment, to change and run again."""
    return finished.copy(tmp_path / "experiment")
