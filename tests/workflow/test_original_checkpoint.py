"""A checkpoint of the original, evaluated on a folder in RAER's layout with the original's own behaviour."""

import json

import mlflow
import numpy as np
import polars as pl
import pytest
import torch
import yaml
from PIL import Image

from clip_caer.explaining.clips import cases_of_run
from clip_caer.explaining.explain import explain
from clip_caer.original import load_checkpoint
from clip_caer.pictures.crops import context_view
from clip_caer.pictures.video import find_ffmpeg
from clip_caer.predicting.predict import predict_video
from clip_caer.predicting.source import open_source
from clip_caer.trained.file import write_model
from clip_caer.trained.run import open_packed, open_run
from clips import RaerClip, write_raer
from experiments import PROJECT, set_up
from original_checkpoints import random_state, save

TEXTS = ["a calm face", "a bright smile", "knitted brows", "heavy eyelids", "a glance at the phone"]
BOX, BODY = [10, 5, 40, 38], [4, 2, 60, 47]
CLIPS = [
    RaerClip("Class/Classroom/Class001/P001/1", "train", 1, 4),
    RaerClip("Class/Classroom/Class001/P002/1", "train", 2, 4),
    RaerClip("Class/Classroom/Class001/P003/1", "train", 3, 4),
    RaerClip("Class/Classroom/Class001/P001/2", "test", 1, 31, {n: BOX for n in range(1, 32) if n % 5}, BODY),
    RaerClip("Class/Library/P002/2", "test", 5, 12, {n: BOX for n in range(1, 13)}, BODY),
    RaerClip("Class/Library/P003/2", "test", 4, 17, {}, BODY),
]


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory, model, weights):
    folder = tmp_path_factory.mktemp("original")
    write_raer(folder, CLIPS)
    save(folder / "model.pth", random_state(5, TEXTS))
    preset = yaml.safe_load((PROJECT / "workflow/presets/raer-original-checkpoint.yaml").read_text())
    preset["dataset"] |= {"path": "RAER", "shards": 1}
    preset["ablations"]["original"]["checkpoint"] = "model.pth"
    experiment = set_up(folder, model, weights, **preset)
    experiment.run()
    return experiment


def original_input(folder, clip):
    """Frames as the original shows them, [1, 16, 3, 32, 32] in 0-1 for both views; written from its description."""
    names = sorted(f"{n}.jpg" for n in range(1, clip.n_frames + 1))  # as text
    if clip.n_frames > 16:
        tick = clip.n_frames / 16
        chosen = [int(tick / 2 + tick * x) for x in range(16)]
    else:
        chosen = [min(x, clip.n_frames - 1) for x in range(16)]
    views = {"face": [], "context": []}
    for name in (names[i] for i in chosen):
        picture = Image.open(folder / "RAER/images" / clip.path / name).convert("RGB")
        box = (clip.face or {}).get(int(name.removesuffix(".jpg")))
        face = picture
        if box:
            grown = box[0] - 20, box[1] - 20, box[2] + 20, box[3] + 20
            face = picture.crop((max(grown[0], 0), max(grown[1], 0), *map(min, grown[2:], picture.size)))
        views["face"].append(np.asarray(face.resize((32, 32), Image.Resampling.BILINEAR)))
        views["context"].append(context_view(np.asarray(picture), tuple(BODY), 32, "letterbox", resample="bilinear"))
    return [torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)[None] / 255 for frames in views.values()]


def test_it_gives_what_the_original_gives(evaluated):
    predictions = evaluated.table("runs/original/official/seed-42/predictions.parquet").filter(role="test")
    model = load_checkpoint(evaluated.folder / "model.pth")
    assert len(predictions) == 3
    for clip in (clip for clip in CLIPS if clip.role == "test"):
        expected = model(*original_input(evaluated.folder, clip)).softmax(-1)[0]
        found = predictions.filter(clip_id=clip.path)["probability"][0].to_numpy()
        np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)


def test_it_is_exported_and_explained_with_the_boxes_of_its_dataset(evaluated, tmp_path):
    run = evaluated.results / "runs/original/official/seed-42"
    predictions = evaluated.table("runs/original/official/seed-42/predictions.parquet").filter(role="test")
    write_model(open_packed(run), tmp_path / "original.safetensors")
    trained = open_run(tmp_path / "original.safetensors")
    assert trained.about["texts"] == TEXTS
    for case in cases_of_run(run, predictions["clip_id"].to_list()):
        told = explain(case, trained, trained.load_detector())
        row = predictions.row(by_predicate=pl.col("clip_id") == case.name, named=True)
        assert (told.label, told.predicted) == (row["label"], row["predicted"])
        calibrated = np.array(row["probability"]) ** (1 / row["temperature"])
        assert told.probability == pytest.approx(calibrated.max() / calibrated.sum(), abs=1e-5)
        assert set(told.heat) == {"face", "context"} and len(told.heat["context"]) == 4


def test_how_its_epoch_was_chosen_is_not_known_and_this_is_said(evaluated):
    run = evaluated.results / "runs/original/official/seed-42"
    assert json.loads((run / "metrics.json").read_text())["selected_on"] == "unknown"
    comparison = evaluated.table("summary/comparison.parquet").filter(kind="ablation")
    assert set(comparison["selected_on"]) == {"unknown"}
    runs = mlflow_runs(evaluated, "evaluate", "official")
    assert [run.data.tags["selected_on"] for run in runs] == ["unknown"]


def mlflow_runs(experiment, step, split):
    mlflow.set_tracking_uri(f"sqlite:///{experiment.results / 'mlflow.db'}")
    query = f"tags.step = '{step}' and tags.split = '{split}'"
    return mlflow.search_runs(search_all_experiments=True, filter_string=query, output_format="list")


def test_a_checkpoint_of_other_classes_is_refused(evaluated, tmp_path):
    other = evaluated.copy(tmp_path / "other")
    save(other.folder / "model.pth", random_state(5, TEXTS[:3]))
    outcome = other.fail("results/runs/original/official/seed-42/predictions.parquet")
    assert "tells 3 classes apart; the label set has 5" in outcome.output


def test_a_checkpoint_of_other_segments_is_refused(evaluated, tmp_path):
    other = evaluated.copy(tmp_path / "other")
    other.configure(train={"segments": 8})
    outcome = other.fail("results/runs/original/official/seed-42/predictions.parquet")
    assert "model.pth: shows 16 segments; train.segments is 8" in outcome.output


def test_what_the_config_says_of_other_models_does_not_touch_a_checkpoint(evaluated, tmp_path):
    other = evaluated.copy(tmp_path / "other")
    original = other.config["ablations"]["original"] | {"views": ["context", "face"], "fusion": "sum", "adapter": 8}
    other.configure(ablations={"original": original | {"temporal": {"shared": True}}})
    run = "results/runs/original/official/seed-42"
    other.run(f"{run}/predictions.parquet", "results/runs/original/settings.json")
    for experiment in (evaluated, other):
        write_model(open_packed(experiment.folder / run), tmp_path / f"{experiment.folder.name}.safetensors")
    clip = evaluated.folder / "RAER/images" / CLIPS[3].path
    tables = []
    for experiment in (evaluated, other):
        trained = open_run(tmp_path / f"{experiment.folder.name}.safetensors")
        source = open_source(clip, find_ffmpeg("bundled"))
        table = predict_video(source, trained, trained.load_detector()).table
        tables.append(table.select(f"probability_{name}" for name in trained.classes).to_numpy())
    np.testing.assert_allclose(*tables, atol=1e-6)


def test_selection_on_test_stands_on_everything(experiment):
    experiment.forget_tracking()
    experiment.configure(ablations={"fused": {"train": {"select_on": "test"}}})
    experiment.run()
    table = experiment.table("summary/comparison.parquet")
    chosen = dict(table.select("model", "selected_on").unique().iter_rows())
    assert (chosen["face"], chosen["fused"], chosen["majority"]) == ("val", "test", "val")
    told = (experiment.results / "summary/comparison.md").read_text()
    assert "The epoch of fused and shuffled_labels was selected on test" in told
    assert "(selected on test)" in (experiment.results / "summary/figures/comparison.svg").read_text()
    predictions = experiment.table("runs/fused/official/seed-1/predictions.parquet")
    assert set(predictions["selected_on"]) == {"test"}
    runs = mlflow_runs(experiment, "train", "official")[::-1]  # what was trained last counts
    train = {run.data.tags["model"]: run for run in runs}
    assert "test/uar" in train["fused"].data.metrics and "val/uar" not in train["fused"].data.metrics
    assert "val/uar" in train["face"].data.metrics
