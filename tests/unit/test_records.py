"""Records: what is written on success and on failure, and how shards and benchmarks come together."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from clip_caer.errors import UserError
from clip_caer.files import read_json
from clip_caer.tracking import records
from clip_caer.tracking.records import read_records, recording


@pytest.fixture
def record(tmp_path):
    """Begin a record in tmp_path/results."""

    def begin(file="train/seed1", **changed):
        coordinates = {"step": "train", "name": "fused · seed 1", "run_key": "train/seed1@f", "fingerprint": "f"}
        path = tmp_path / "results" / f"{file}.run.json"
        return recording(path, failures=tmp_path / "results/failures", **coordinates | changed)

    return begin


def test_a_record_keeps_what_the_caller_fills_in(record, tmp_path):
    with record(parent="ablation@f", params={"seed": 1, "train": {"lr": {"temporal": 1e-3}}}) as run:
        run.counts = {"clips": np.int64(7)}
        run.metrics = {"test/uar": np.float32(0.5)}
        run.history = [{"step": 1, "metrics": {"val/uar": 0.25}}]
        run.artifacts = ["confusion.png", Path("seed1/weights.safetensors"), "../summary/all.png"]
        run.datasets = [{"name": "clips", "digest": "abc", "role": "train"}]
    (found,) = read_records(tmp_path / "results")
    assert (found.run_key, found.parent, found.status, found.error) == ("train/seed1@f", "ablation@f", "FINISHED", None)
    assert found.params == {"seed": 1, "train.lr.temporal": 1e-3}
    assert found.counts == {"clips": 7} and found.metrics == {"test/uar": 0.5}
    assert found.history == [{"step": 1, "metrics": {"val/uar": 0.25}}]
    assert found.artifacts == ["train/confusion.png", "train/seed1/weights.safetensors", "summary/all.png"]
    assert 0 < found.started <= found.ended
    assert {"python", "torch", "open_clip_torch", "numpy", "snakemake", "mlflow"} <= set(found.versions)


def test_an_unknown_number_is_null_and_the_file_is_json(record, tmp_path):
    with record() as run:
        run.metrics = {"test/recall/confusion": float("nan"), "loss": np.float64("inf")}
    text = (tmp_path / "results/train/seed1.run.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail)["metrics"] == {"test/recall/confusion": None, "loss": None}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("loss is nan"), "ValueError: loss is nan"),
        (UserError("The sheet is empty."), "The sheet is empty."),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (SystemExit(1), "SystemExit: 1"),
    ],
)
def test_a_failure_is_recorded_and_goes_on(record, tmp_path, error, expected):
    with pytest.raises(type(error)), record() as run:
        run.history = [{"step": 1, "metrics": {"train/loss": 2.0}}]
        run.artifacts = ["weights.safetensors"]
        raise error
    assert not (tmp_path / "results/train/seed1.run.json").exists()
    (found,) = read_records(tmp_path / "results")
    assert found.status == "FAILED" and found.error == expected
    assert found.history and not found.artifacts


def test_success_removes_the_earlier_failure_of_the_same_shard_only(record, tmp_path):
    for shard in (0, 1):
        with pytest.raises(ValueError), record(f"faces/{shard}", shard=shard):
            raise ValueError("no weights")
    with record("faces/0", shard=0):
        pass
    (found,) = read_records(tmp_path / "results")
    assert found.status == "FAILED" and found.error == "shard 1: ValueError: no weights"
    with record("faces/1", shard=1):
        pass
    (found,) = read_records(tmp_path / "results")
    assert found.status == "FINISHED" and found.error is None


def test_a_failure_that_cannot_be_written_does_not_hide_the_error(record, tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results/failures").write_text("in the way")
    with pytest.raises(ValueError, match="loss is nan"), record():
        raise ValueError("loss is nan")


def test_a_later_failure_counts_more_than_an_older_success(record, tmp_path, monkeypatch):
    with record():
        pass
    now = records._now()
    monkeypatch.setattr(records, "_now", lambda: now + 1000)
    with pytest.raises(ValueError), record():
        raise ValueError
    assert [run.status for run in read_records(tmp_path / "results")] == ["FAILED"]


def test_shards_become_one_record(record, tmp_path, monkeypatch):
    for shard, (clips, start) in enumerate([(3, 5000), (4, 2000), (5, 9000)]):
        monkeypatch.setattr(records, "_now", iter([start, start + 100]).__next__)
        with record(f"faces/{shard}", run_key="faces@f", shard=shard) as run:
            run.counts = {"clips": clips} | ({"damaged": 1} if shard == 1 else {})
            run.artifacts = [f"{shard}.parquet"]
            run.datasets = [{"name": "clips", "digest": "abc", "role": "all"}]
        benchmark = f"s\th:m:s\tmax_rss\tcpu_time\n{shard + 1}.5\t0:00:01\t{[10, 30, 20][shard]}\t2\n"
        (tmp_path / f"results/faces/{shard}.benchmark.tsv").write_text(benchmark)
    (found,) = read_records(tmp_path / "results")
    assert found.shard is None and found.counts == {"clips": 12, "damaged": 1}
    assert found.metrics == {"seconds": 7.5, "peak_mb": 30, "cpu_seconds": 6}
    assert (found.started, found.ended) == (2000, 9100)
    assert found.artifacts == ["faces/0.parquet", "faces/1.parquet", "faces/2.parquet"]
    assert len(found.datasets) == 1


def test_a_shard_has_no_metrics_of_its_own(record):
    with pytest.raises(ValueError, match="do not"), record(shard=0) as run:
        run.metrics = {"face_rate": 0.5}


def test_a_benchmark_without_figures_is_left_out(record, tmp_path):
    with record():
        pass
    (tmp_path / "results/train/seed1.benchmark.tsv").write_text("s\tmax_rss\tcpu_time\n0.02\tNA\tNA\n")
    assert read_records(tmp_path / "results")[0].metrics == {"seconds": 0.02}


@pytest.mark.parametrize("damage", ["", "[]", "null", '{"run_key": "a"', '{"run_key": "a"}', '{"colour": 1}', "\xff"])
def test_a_damaged_record_is_skipped_and_named(record, tmp_path, caplog, damage):
    with record():
        pass
    (tmp_path / "results/broken.run.json").write_bytes(damage.encode("latin-1"))
    assert [run.run_key for run in read_records(tmp_path / "results")] == ["train/seed1@f"]
    assert "broken.run.json" in caplog.text


def test_half_written_files_are_not_read(record, tmp_path, caplog):
    with record():
        pass
    hidden = tmp_path / "results/.seed2.run.json.x1/seed2.run.json"
    hidden.parent.mkdir()
    hidden.write_text('{"run_')
    assert len(read_records(tmp_path / "results")) == 1 and not caplog.records


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A stand-in for the project, not yet a repository, that git is asked about."""
    records._git.cache_clear()
    source = tmp_path / "project/src"
    source.mkdir(parents=True)
    monkeypatch.setattr(records, "__file__", str(source / "records.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    yield source
    records._git.cache_clear()


def test_the_commit_is_that_of_the_project(repository, record, tmp_path):
    def git(*words):
        who = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"]
        return subprocess.run(["git", *who, *words], cwd=repository, check=True, capture_output=True, text=True).stdout

    git("init", "-q")
    (repository / "a.py").write_text("1")
    git("add", "."), git("commit", "-q", "-m", "a")
    with record():
        pass
    first = read_json(tmp_path / "results/train/seed1.run.json")
    assert first["git_commit"] == git("rev-parse", "HEAD").strip() and first["git_dirty"] is False

    records._git.cache_clear()
    (repository / "a.py").write_text("2")
    with record():
        pass
    assert read_json(tmp_path / "results/train/seed1.run.json")["git_dirty"] is True


def test_outside_a_repository_there_is_no_commit(repository, record, tmp_path):
    with record():
        pass
    found = read_json(tmp_path / "results/train/seed1.run.json")
    assert found["git_commit"] is None and found["git_dirty"] is None
