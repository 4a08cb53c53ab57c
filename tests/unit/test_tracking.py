"""Publishing: one MLflow run a record, whatever happened before."""

import shutil
import subprocess
import sys

import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType

from clip_caer.errors import UserError
from clip_caer.tracking.publish import Published, publish
from clip_caer.tracking.records import recording

QUESTION = "what do face and context tell?"


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """MLflow takes seconds to make its tables; the tests copy these."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def results(tmp_path, empty_database):
    folder = tmp_path / "results"
    folder.mkdir()
    shutil.copy(empty_database, folder / "mlflow.db")
    return folder


@pytest.fixture
def record(results):
    """Write one record; keywords are its fields."""

    def write(run_key="train/seed1@f", error=None, parent=None, shard=None, params=None, **fields):
        path = results / "runs" / f"{run_key}.run.json"
        try:
            with recording(
                path,
                failures=results / "failures",
                step=run_key.split("/")[0],
                name=f"name of {run_key}",
                run_key=run_key,
                fingerprint="f",
                parent=parent,
                shard=shard,
                params=params,
            ) as run:
                for field, value in fields.items():
                    setattr(run, field, value)
                if error:
                    raise error
        except ValueError:
            assert error

    return write


def client(results):
    return MlflowClient(f"sqlite:///{results / 'mlflow.db'}")


def runs(results):
    """The runs to be seen in MLflow, by run_key; no key has two."""
    mlflow = client(results)
    experiment = mlflow.get_experiment_by_name(QUESTION)
    found = mlflow.search_runs([experiment.experiment_id])
    ours = [run for run in found if "run_key" in run.data.tags]
    by_key = {run.data.tags["run_key"]: run for run in ours}
    assert len(by_key) == len(ours)
    return by_key


def start_publish(results):
    code = "import sys; from clip_caer.tracking.publish import publish; print(publish(*sys.argv[1:]))"
    command = [sys.executable, "-c", code, str(results), QUESTION]
    return subprocess.Popen(command, cwd=results, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def run_publish(results):
    out, err = start_publish(results).communicate(timeout=120)
    assert not err
    return out


def test_everything_of_a_record_is_in_its_run(results, record):
    folder = results / "runs/train"
    (folder / "seed1").mkdir(parents=True)
    (folder / "confusion.png").write_bytes(b"picture")
    (folder / "seed1/predictions.parquet").write_bytes(b"table")
    record(
        params={"train": {"lr": 1e-3, "class_specific": True, "weights": None}, "text": "x" * 9000},
        counts={"clips": 12},
        metrics={"test/uar": 0.6, "val/uar": 0.7, "test/recall/very bored?": None, "test/recall/a,b": 0.5},
        history=[{"step": step, "metrics": {"val/uar": step / 10, "train/loss": None}} for step in range(1, 4)],
        artifacts=["confusion.png", "seed1/predictions.parquet", "gone.txt"],
        datasets=[{"name": "clips", "digest": "d" * 64, "role": role} for role in ("train", "test")],
        tags={"ablation": "fused"},
        git_commit="c0ffee",
        started=1_700_000_000_000,
    )
    assert publish(results, QUESTION) == Published(new=1, kept=0, replaced=0)
    run = runs(results)["train/seed1@f"]
    assert run.info.status == "FINISHED" and run.info.run_name == "name of train/seed1@f"
    assert run.info.start_time == 1_700_000_000_000 and run.info.end_time > run.info.start_time
    assert run.data.params == {
        "train.lr": "0.001",
        "train.class_specific": "true",
        "train.weights": "null",
        "text": "x" * 5000,
    }
    assert run.data.metrics == {"clips": 12, "test/uar": 0.6, "val/uar": 0.7, "test/recall/a_b": 0.5}
    expected = {"step": "train", "fingerprint": "f", "ablation": "fused", "mlflow.source.git.commit": "c0ffee"}
    assert expected.items() <= run.data.tags.items() and "version/torch" in run.data.tags
    mlflow = client(results)
    curve = [(point.step, point.value) for point in mlflow.get_metric_history(run.info.run_id, "val/uar")]
    assert curve == [(1, 0.1), (2, 0.2), (3, 0.3), (3, 0.7)]
    assert [file.path for file in mlflow.list_artifacts(run.info.run_id)] == ["confusion.png", "seed1"]
    assert run.info.artifact_uri.startswith((results / "mlflow-artifacts").as_uri())
    (dataset,) = run.inputs.dataset_inputs
    assert (dataset.dataset.name, dataset.dataset.digest) == ("clips", "d" * 36)
    assert [tag.value for tag in dataset.tags] == ["train, test"]


def test_publishing_again_keeps_what_is_unchanged_and_replaces_the_rest(results, record):
    for seed in (1, 2, 3):
        record(f"train/seed{seed}@f", metrics={"test/uar": 0.5})
    assert publish(results, QUESTION) == Published(3, 0, 0)
    before = {key: run.info.run_id for key, run in runs(results).items()}
    record("train/seed2@f", metrics={"test/uar": 0.9})
    record("train/seed4@f")
    assert publish(results, QUESTION) == Published(new=1, kept=2, replaced=1)
    after = runs(results)
    assert after["train/seed2@f"].data.metrics == {"test/uar": 0.9}
    assert [key for key, run_id in before.items() if after[key].info.run_id != run_id] == ["train/seed2@f"]


def test_half_published_and_doubled_runs_are_replaced(results, record):
    record()
    publish(results, QUESTION)
    mlflow, finished = client(results), runs(results)["train/seed1@f"]
    experiment = finished.info.experiment_id
    mlflow.create_run(experiment, tags=dict(finished.data.tags))  # still running: its publisher was killed
    mlflow.create_run(experiment, run_name="somebody's own")
    assert publish(results, QUESTION) == Published(new=0, kept=1, replaced=0)
    mlflow.update_run(finished.info.run_id, status="RUNNING")
    assert publish(results, QUESTION) == Published(new=0, kept=0, replaced=1)
    names = {run.info.run_name for run in mlflow.search_runs([experiment])}
    assert names == {"name of train/seed1@f", "somebody's own"}
    assert runs(results)["train/seed1@f"].info.status == "FINISHED"


def test_a_failure_shows_its_error_until_it_is_mended(results, record):
    record(error=ValueError("the loss is not finite"))
    publish(results, QUESTION)
    run = runs(results)["train/seed1@f"]
    assert run.info.status == "FAILED"
    assert run.data.tags["mlflow.note.content"] == "ValueError: the loss is not finite"
    assert publish(results, QUESTION) == Published(0, 1, 0)
    record(metrics={"test/uar": 0.5})
    assert publish(results, QUESTION) == Published(0, 0, 1)
    assert runs(results)["train/seed1@f"].info.status == "FINISHED"


def test_children_follow_their_parent(results, record):
    def parent_of(key):
        return runs(results)[key].data.tags.get("mlflow.parentRunId")

    record("train/seed1@f", parent="ablation/fused@f")
    publish(results, QUESTION)
    child = runs(results)["train/seed1@f"].info.run_id
    assert parent_of("train/seed1@f") is None
    record("ablation/fused@f")
    assert publish(results, QUESTION) == Published(new=1, kept=1, replaced=0)
    assert parent_of("train/seed1@f") == runs(results)["ablation/fused@f"].info.run_id
    record("ablation/fused@f", metrics={"test/uar": 0.5})
    record("train/seed2@f", parent="ablation/fused@f")
    assert publish(results, QUESTION) == Published(new=1, kept=1, replaced=1)
    assert parent_of("train/seed1@f") == parent_of("train/seed2@f") == runs(results)["ablation/fused@f"].info.run_id
    assert runs(results)["train/seed1@f"].info.run_id == child


def test_the_database_can_be_deleted(results, record):
    record("train/seed1@f", metrics={"test/uar": 0.5}, parent="ablation/fused@f")
    record("ablation/fused@f")
    (results / "mlflow.db").unlink()
    run_publish(results)
    (results / "mlflow.db").unlink()
    assert run_publish(results) == "Published(new=2, kept=0, replaced=0)\n"


def test_four_processes_at_once_make_one_run_a_record_and_no_noise(results, record):
    for seed in range(10):
        record(f"train/seed{seed}@f", history=[{"step": 1, "metrics": {"val/uar": 0.5}}])
    (results / "mlflow.db").unlink()
    publishers = [start_publish(results) for _ in range(4)]
    answers = [publisher.communicate(timeout=120) for publisher in publishers]
    assert sorted(out for out, _ in answers) == [
        "Published(new=0, kept=10, replaced=0)\n",
        "Published(new=0, kept=10, replaced=0)\n",
        "Published(new=0, kept=10, replaced=0)\n",
        "Published(new=10, kept=0, replaced=0)\n",
    ]
    assert [err for _, err in answers] == [""] * 4
    assert len(runs(results)) == 10
    everything = client(results).search_runs(
        [client(results).get_experiment_by_name(QUESTION).experiment_id], run_view_type=ViewType.ALL
    )
    assert len(everything) == 10


def test_more_numbers_than_mlflow_takes_at_once(results, record):
    record(
        params={f"p{number}": number for number in range(250)},
        history=[{"step": step, "metrics": {f"m{metric}": step for metric in range(5)}} for step in range(450)],
    )
    publish(results, QUESTION)
    run = runs(results)["train/seed1@f"]
    assert len(run.data.params) == 250 and run.data.metrics == {f"m{metric}": 449 for metric in range(5)}


def test_a_deleted_experiment_comes_back(results, record):
    record()
    publish(results, QUESTION)
    mlflow = client(results)
    mlflow.delete_experiment(runs(results)["train/seed1@f"].info.experiment_id)
    publish(results, QUESTION)
    assert list(runs(results)) == ["train/seed1@f"]


def test_a_moved_folder_is_told(results, record, tmp_path):
    record()
    publish(results, QUESTION)
    shutil.copytree(results, tmp_path / "copy")
    with pytest.raises(UserError, match=r"moved or copied. Delete mlflow\.db"):
        publish(tmp_path / "copy", QUESTION)


@pytest.mark.parametrize(
    "damage", [lambda content: b"not a database" * 1000, lambda content: content[: len(content) // 2]]
)
def test_a_damaged_database_is_set_aside_and_made_anew(results, record, damage, caplog):
    record()
    run_publish(results)
    (results / "mlflow.db").write_bytes(damage((results / "mlflow.db").read_bytes()))
    assert publish(results, QUESTION) == Published(new=1, kept=0, replaced=0)
    assert list(runs(results)) == ["train/seed1@f"]
    assert (results / "mlflow.db.damaged").exists() and "made anew from the records" in caplog.text


def test_no_results_yet(tmp_path):
    with pytest.raises(UserError, match="is not a folder"):
        publish(tmp_path / "none", QUESTION)


@pytest.mark.parametrize(
    "uri",
    [
        "http://me:hush%2Fhush@127.0.0.1:9/mlflow",
        "nosuch://me:hush/hush@host/db?password=hush",
        "postgresql+nosuch://me:hush/hush@host/db?password=hush",
    ],
)
def test_an_unusable_server_is_told_without_the_password(results, record, uri, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    record()
    with pytest.raises(UserError, match="cannot be used") as caught:
        publish(results, QUESTION, uri)
    assert "hush" not in str(caught.value) and "me:" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_nothing_is_left_in_the_working_folder(results, record, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record()
    publish(results, QUESTION)
    assert [path.name for path in tmp_path.iterdir()] == ["results"]
