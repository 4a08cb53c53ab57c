"""What the user sees when something is wrong: what, where, and what to do, and no traceback."""

import shutil

import pytest
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run

from clip_caer.tracking.records import read_records
from clips import draw_frames, write_video
from experiments import Experiment, set_up, write_sheet


def test_all_problems_of_a_sheet_are_told_at_once_before_any_work(tmp_path, model, weights):
    write_video(tmp_path / "data/good.mp4", draw_frames())
    rows = [
        {"video": "good.mp4", "label": "calm", "subject": "s1"},
        {"video": "gone.mp4", "label": "calm", "subject": "s1"},
        {"video": "good.mp4", "label": "calm", "subject": "s1"},
        {"video": "good.mp4", "label": "kern", "subject": "s2"},
        {"video": "good.mp4", "label": "calm", "subject": ""},
    ]
    write_sheet(tmp_path / "data", rows)
    dataset = {"reader": "csv", "path": "data/clips.csv", "label_sets": {"fine": ["calm", "keen"]}, "shards": 2}
    experiment = set_up(tmp_path, model, weights, dataset=dataset)

    outcome = experiment.fail()

    assert "line 3: no such file: gone.mp4" in outcome.output
    assert "line 4: duplicate" in outcome.output
    assert "line 5: unknown label 'kern'" in outcome.output and "did you mean 'keen'?" in outcome.output
    assert "line 6: the subject is empty" in outcome.output
    assert outcome.rules - {"database", "settings"} == {"index"}
    assert not (experiment.results / "frames").exists()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"trian": {"epochs": 3}, "train": {"epochs": "3"}}, ["mean 'train'?", "epochs: the text '3'", "integer"]),
        ({"ablations": {"face": {"prompts": {"positoin": "end"}}}}, ["ablations.face", "did you mean 'position'?"]),
        ({"ablations": {"face": {"encoder": {"batch": 8}}}}, ["ablations.face.encoder.batch", "set encoder.batch"]),
        ({"ablations": {"face": {"checkpoint": "model.pth"}}}, ["ablations.face.views", "expected [face, context]"]),
        ({"ablations": {"majority": {"views": ["face"]}}}, ["ablations.majority", "choose another"]),
        ({"dataset": {"labels": "coarse"}}, ["dataset.labels: 'coarse'", "fine"]),
        ({"dataset": {"path": "data/clip.csv"}}, ["dataset.path", "data/clip.csv"]),
        ({"encoder": {"model": "local-dir:cilp"}}, ["encoder.model", "local-dir:cilp"]),
        ({"faces": {"weights": "mobile.onnx"}}, ["faces.weights", "mobile.onnx"]),
        ({"text": {"file": "texts.yaml"}}, ["text.file", "texts.yaml"]),
        ({"protocols": {"subject_kfold": {"folds": 7}}}, ["6 student(s)", "7 folds", "protocols.subject_kfold.folds"]),
    ],
    ids=[
        "key and type",
        "ablation",
        "batch",
        "views of a checkpoint",
        "name of a control",
        "label set",
        "dataset",
        "encoder",
        "weights",
        "texts",
        "folds",
    ],
)
def test_a_wrong_config_is_told_with_its_key(experiment, changes, told):
    experiment.configure(**changes)

    outcome = experiment.fail("results/summary/comparison.md")

    assert all(words in outcome.output for words in told), outcome.output
    assert not outcome.rules & {"frames", "faces", "features", "train"}


def test_a_config_without_an_encoder_is_told(experiment):
    config = experiment.config
    del config["encoder"]
    (experiment.folder / "config.yaml").write_text(yaml.safe_dump(config))
    assert "'encoder' is missing" in experiment.fail().output


def test_clips_that_cannot_be_dealt_are_told_before_any_work(tmp_path, model, weights):
    labels = ["calm", "keen"] * 2
    rows = [{"video": f"{n}.mp4", "label": label, "subject": f"s{n % 2}"} for n, label in enumerate(labels)]
    for row in rows:
        write_video(tmp_path / "data" / row["video"], draw_frames())
    write_sheet(tmp_path / "data", rows)
    dataset = {"reader": "csv", "path": "data/clips.csv", "label_sets": {"fine": ["calm", "keen"]}, "shards": 2}
    experiment = set_up(tmp_path, model, weights, dataset=dataset, protocols={"subject_kfold": {"folds": 3}})

    outcome = experiment.fail()

    assert "2 student(s) cannot be dealt into 3 folds without sharing one. Bring more students." in outcome.output
    assert outcome.rules - {"database", "settings"} == {"index"}


def test_results_without_snakemakes_notes_are_not_taken_for_up_to_date(experiment):
    (experiment.folder / ".snakemake").rename(experiment.folder / "elsewhere")
    assert "has no notes" in experiment.fail().output
    shutil.rmtree(experiment.folder / ".snakemake")
    (experiment.folder / "elsewhere").rename(experiment.folder / ".snakemake")
    experiment.plan("results/summary/comparison.md")


def test_a_model_that_explodes_is_told_and_recorded(experiment):
    experiment.forget_tracking()
    experiment.configure(train={"lr": {"temporal": 1e30}, "epochs": 1})

    outcome = experiment.fail("results/runs/face/official/seed-1/metrics.json")

    assert "training stopped" in outcome.output and "Lower train.lr" in outcome.output
    (record,) = [record for record in read_records(experiment.results) if record.status == "FAILED"]
    assert record.step == "train" and "training stopped" in record.error
    (run,) = failed_runs(experiment)
    assert run.data.tags["run_key"] == record.run_key and "training stopped" in run.data.tags["mlflow.note.content"]


def failed_runs(experiment: Experiment) -> list[Run]:
    client = MlflowClient(f"sqlite:///{experiment.results}/mlflow.db")
    experiments = [found.experiment_id for found in client.search_experiments()]
    return client.search_runs(experiments, "attributes.status = 'FAILED'")
