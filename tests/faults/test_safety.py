"""Hostile files, paths and names: nothing of theirs runs, nothing of ours is written elsewhere."""

import ast
import os
import pickle
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import torch

from clip_caer.dataset import read_dataset, write_index
from clip_caer.encoder import load_clip
from clip_caer.errors import UserError
from clip_caer.faces.detector import load_detector
from clip_caer.original.checkpoint import read_tensors
from clip_caer.pictures.frames import extract_shard
from clips import FFMPEG, draw_frames, write_video
from experiments import PROJECT, Experiment
from tiny_clip import save_random_clip

# ---- pickles ----


class Hostile:
    """Unpickled without restriction, it leaves a file."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


def torch_file(hostile: Hostile, path: Path) -> Path:
    torch.save({"state_dict": hostile}, path)
    return path


def plain_pickle(hostile: Hostile, path: Path) -> Path:
    path.write_bytes(pickle.dumps({"state_dict": hostile}))
    return path


def archive(hostile: Hostile, path: Path) -> Path:
    """As the detector's weights are released: one file in a zip; this one's name climbs out."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("../../climbed.pth", pickle.dumps({"state_dict": hostile}))
    return path


def clip_folder(hostile: Hostile, path: Path) -> Path:
    save_random_clip(path)
    (path / "open_clip_model.safetensors").unlink()
    torch_file(hostile, path / "open_clip_pytorch_model.bin")
    return path


def torchscript(hostile: Hostile, path: Path) -> Path:
    """What open_clip takes for OpenAI's own format."""
    with zipfile.ZipFile(path, "w") as file:
        for name in ("constants.pkl", "data.pkl"):
            file.writestr(f"a/{name}", pickle.dumps(hostile))
        file.writestr("a/version", "3")
    return path


DOORS = {
    "encoder.pretrained, torch": (torch_file, "a.pt", lambda path: load_clip("ViT-B-32", str(path))),
    "encoder.pretrained, pickle": (plain_pickle, "a.bin", lambda path: load_clip("ViT-B-32", str(path))),
    "encoder.pretrained, TorchScript": (torchscript, "a.pt", lambda path: load_clip("ViT-B-32-quickgelu", str(path))),
    "encoder.model": (clip_folder, "clip", lambda path: load_clip(f"local-dir:{path}", None)),
    "faces.weights, torch": (torch_file, "a.pth", lambda path: load_detector("resnet50", path, 640, 0.7, 0.4)),
    "faces.weights, pickle": (plain_pickle, "a.pth", lambda path: load_detector("resnet50", path, 640, 0.7, 0.4)),
    "faces.weights, zip": (archive, "a.zip", lambda path: load_detector("resnet50", path, 640, 0.7, 0.4)),
    "checkpoint, torch": (torch_file, "a.pth", read_tensors),
    "checkpoint, pickle": (plain_pickle, "a.pth", read_tensors),
}


@pytest.mark.parametrize("door", DOORS)
def test_a_hostile_pickle_is_refused_at_every_door(tmp_path, door):
    make, name, read = DOORS[door]
    (tmp_path / "given").mkdir()
    trace = tmp_path / "it ran"
    path = make(Hostile(trace), tmp_path / "given" / name)
    with pytest.raises(UserError, match="given"):
        read(path)
    assert not trace.exists() and [entry.name for entry in tmp_path.iterdir()] == ["given"]


UNPICKLERS = {"pickle", "joblib", "dill", "shelve", "marshal", "cloudpickle"}
NAMES_AN_ERROR = {"detector.py"}  # of the module pickle
RUNNERS = {"eval", "exec", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load", "torch.jit.load"}


def misdeeds(path: Path) -> Iterator[str]:
    """What a file of ours does that a hostile input could use."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and path.name not in NAMES_AN_ERROR:
            names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
            yield from (f"imports {name}" for name in names & UNPICKLERS)
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            options = {option.arg: ast.unparse(option.value) for option in node.keywords}
            if (
                name in RUNNERS
                or name.endswith((".extractall", ".extract"))
                or options.get("shell", "False") != "False"
            ):
                yield f"calls {ast.unparse(node)}"
            if name == "torch.load" and options.get("weights_only") != "True":
                yield "loads a file of torch without restriction"


def test_no_code_of_ours_unpickles_evaluates_or_asks_a_shell():
    files = [path for folder in ("src", "workflow") for path in (PROJECT / folder).rglob("*.py")]
    assert len(files) > 50
    assert not [f"{path.name}: {misdeed}" for path in files for misdeed in misdeeds(path)]


# ---- paths ----


def test_videos_outside_of_the_sheets_folder_are_kept_inside_of_the_results(tmp_path):
    outside, data = tmp_path / "outside", tmp_path / "data"
    video = write_video(outside / "b.mp4", draw_frames(2))
    data.mkdir()
    (data / "link.mp4").symlink_to(video)
    videos = ["../outside/b.mp4", str(video.parent / "../outside/c.mp4"), "x/../../outside/d.mp4", "link.mp4"]
    for name in "cd":
        shutil.copy(video, outside / f"{name}.mp4")
    pl.DataFrame({"video": videos, "label": "calm", "subject": "s1"}).write_csv(data / "clips.csv")
    labels = {"labels": "fine", "label_sets": {"fine": ["calm", "keen"]}}
    dataset = read_dataset({"reader": "csv", "path": str(data / "clips.csv"), **labels})
    before = set(tmp_path.rglob("*"))

    results = tmp_path / "results"
    write_index(dataset, 1, results / "index", FFMPEG)
    shard = pl.read_parquet(results / "index/shards/0.parquet")
    table = extract_shard(shard, data, results / "frames/f/0", None, FFMPEG, "f")

    assert table["status"].to_list() == ["ok"] * 4
    assert table["clip_id"].to_list() == ["link", "outside/b", "outside/c", "outside/d"]
    assert all(path.is_relative_to(results) for path in set(tmp_path.rglob("*")) - before)


# ---- names ----


def test_hostile_names_reach_no_shell(undisturbed, tmp_path):
    """Quotes, blanks, signs of the shell and of snakemake in every path that a user chooses."""
    folder = tmp_path / """it's "a" $HOME `touch ran`; touch ran & {x} *? é学 #%"""
    shutil.copytree(undisturbed.folder, folder, symlinks=True, ignore=shutil.ignore_patterns("results", ".snakemake"))
    experiment = Experiment(folder)
    (folder / "data").rename(folder / "data; touch 'ran'")
    (folder / "clip").rename(folder / 'clip "b" $(touch ran)')
    experiment.configure(
        results="results; touch ran & (x) #1",
        dataset={"path": "data; touch 'ran'/clips.csv"},
        encoder={"model": 'local-dir:clip "b" $(touch ran)'},
    )
    experiment.run("results; touch ran & (x) #1/splits/official.parquet")

    made = pl.read_parquet(folder / "results; touch ran & (x) #1/splits/official.parquet")
    assert made.equals(undisturbed.table("splits/official.parquet"))
    assert not list(tmp_path.rglob("ran")) and not (PROJECT / "ran").exists()


def test_mlflow_is_shown_to_this_machine_only():
    told = subprocess.run(["make", "-n", "ui"], cwd=PROJECT, capture_output=True, text=True).stdout
    (command,) = [line for line in told.replace("\\\n", " ").splitlines() if "mlflow ui" in line]
    assert "--host 127.0.0.1 " in command
