"""MLflow after a run: a view of the records, that can be made anew."""

import json
from collections import Counter

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

STEPS = {"index": 1, "frames": 1, "faces": 1, "features": 2, "train": 12, "evaluate": 12, "controls": 3}
KINDS = {"ablation": 4, "comparator": 2, "control": 12}
RUNS = STEPS | KINDS | {"summary": 1, "page": 1}


def runs_of(experiment) -> dict[str, Run]:
    """Run key → run, of all runs in the experiment's database."""
    client = MlflowClient(f"sqlite:///{experiment.results}/mlflow.db")
    (found,) = [found for found in client.search_experiments() if found.name == experiment.config["experiment"]]
    runs = client.search_runs([found.experiment_id])
    by_key = {run.data.tags["run_key"]: run for run in runs}
    assert len(by_key) == len(runs), "each key once"
    return by_key


@pytest.fixture(scope="module")
def runs(finished):
    return runs_of(finished)


def test_every_step_is_tracked(runs):
    assert Counter(run.data.tags["step"] for run in runs.values()) == RUNS
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    for run in runs.values():
        assert run.data.tags["step"] in KINDS or run.data.metrics["seconds"] > 0


def test_models_and_controls_can_be_compared_by_uar(finished, runs):
    table = finished.table("summary/comparison.parquet").filter(metric="uar")
    expected = {(row["protocol"], row["model"]): row["value"] for row in table.rows(named=True)}

    models = [run for run in runs.values() if run.data.tags["step"] in KINDS]

    measured = {(run.data.tags["protocol"], run.data.tags["model"]): run.data.metrics["test/uar"] for run in models}
    assert measured == expected


def test_runs_of_a_split_are_children_of_their_model(runs):
    by_id = {run.info.run_id: run for run in runs.values()}
    for run in runs.values():
        if run.data.tags["step"] in ("train", "evaluate"):
            parent = by_id[run.data.tags["mlflow.parentRunId"]].data.tags
            assert parent["step"] in KINDS and parent["model"] == run.data.tags["model"]
            assert run.data.tags["split"].startswith(parent["protocol"])


def test_trainings_have_curves_and_evaluations_their_artifacts(finished, runs):
    client = MlflowClient(f"sqlite:///{finished.results}/mlflow.db")
    train, evaluate = (
        next(run for run in runs.values() if run.data.tags["step"] == step) for step in ("train", "evaluate")
    )

    assert {point.step for point in client.get_metric_history(train.info.run_id, "val/uar")} == {1, 2}
    assert train.data.params["train.epochs"] == "2"
    files = {file.path for file in client.list_artifacts(evaluate.info.run_id)}
    assert {"confusion.png", "predictions.parquet", "metrics.json"} <= files
    assert "test/recall/calm" in evaluate.data.metrics


def test_a_lost_database_is_made_anew_and_never_doubled(runs, experiment):
    experiment.forget_tracking()
    experiment.run()
    assert set(runs_of(experiment)) == set(runs)

    experiment.run("results/tracking/summary.json", "--forcerun", "publish")
    published = json.loads((experiment.results / "tracking/summary.json").read_text())
    assert published == {"new": 0, "kept": len(runs), "replaced": 0}
    assert set(runs_of(experiment)) == set(runs)
