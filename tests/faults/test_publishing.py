"""MLflow while things go wrong: many publishers, a database that is lost, a server that is away."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mlflow import MlflowClient
from test_interruptions import running

from clip_caer.tracking.records import recording
from experiments import BIN

EIGHT = """
import os, sys
from clip_caer.tracking.publish import publish
for _ in range(8):
    if not os.fork():
        print(*publish(sys.argv[1], "q"), flush=True)
        os._exit(0)
for _ in range(8):
    os.wait()
"""


def keys_of(uri: str, experiment: str) -> list[str]:
    """Sorted run keys of all runs of an experiment."""
    client = MlflowClient(uri)
    runs = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    return sorted(run.data.tags["run_key"] for run in runs)


def eight_at_once(results: Path) -> tuple[Counter, str]:
    """How many times eight publishers said (new, kept, replaced), and what they complained of."""
    done = subprocess.run(
        [sys.executable, "-c", EIGHT, results], capture_output=True, text=True, check=True, timeout=120
    )
    return Counter(done.stdout.split("\n")[:-1]), done.stderr


def test_eight_publish_at_once_and_again_after_the_database_is_lost(tmp_path):
    """Each record is one run, whoever comes first; deleted or damaged in between, the database is made anew."""
    for seed in range(5):
        path = tmp_path / f"runs/{seed}.run.json"
        about = {"step": "train", "name": f"{seed}", "run_key": f"train/seed {seed}@f", "fingerprint": "f"}
        with recording(path, failures=tmp_path / "failures", **about) as record:
            record.metrics = {"test/uar": 0.5}
    database = tmp_path / "mlflow.db"
    once = Counter({"5 0 0": 1, "0 5 0": 7})

    assert eight_at_once(tmp_path) == (once, "")
    database.unlink()
    assert eight_at_once(tmp_path) == (once, "")
    database.write_bytes(database.read_bytes()[:30_000] + bytes(30_000))
    said, complaint = eight_at_once(tmp_path)
    assert said == once and complaint.count("made anew from the records") == 1

    assert keys_of(f"sqlite:///{database}", "q") == [f"train/seed {seed}@f" for seed in range(5)]
    assert database.with_name("mlflow.db.damaged").exists()


def test_a_database_that_is_deleted_in_the_middle_of_a_run_comes_back(undisturbed, small):
    experiment = small.config.get("experiment", "clip-caer")
    small.forget_tracking()
    with running(small, "publish", "--forcerun", "page", "publish") as run:
        until = time.monotonic() + 60
        while not (small.results / "mlflow.db").exists() and time.monotonic() < until:
            time.sleep(0.02)
        (small.results / "mlflow.db").unlink()
        assert run.wait() == 0
    small.run("results/mlflow.db")
    found, expected = (keys_of(f"sqlite:///{e.results}/mlflow.db", experiment) for e in (small, undisturbed))
    assert found == expected


@contextmanager
def server(folder: Path, port: int) -> Iterator[None]:
    """A tracking server of MLflow on this port."""
    folder.mkdir()
    store = ("--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", folder / "artifacts")
    log = open(folder / "log", "w")  # noqa: SIM115
    process = subprocess.Popen(
        [BIN / "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1", *store],
        env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"},
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        until = time.monotonic() + 90
        while time.monotonic() < until:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.2)
        yield
    finally:
        process.terminate()
        process.wait(30)


def test_a_server_that_is_away_stops_no_run_and_its_password_is_kept_nowhere(undisturbed, small, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("SECRET", "hush-hush")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    small.configure(tracking={"uri": f"http://me:${{SECRET}}@127.0.0.1:{port}"})
    stage = ("results/summary/comparison.parquet", "results/tracking/summary.json")

    away = small.fail(*stage, "--forcerun", "summary")
    assert f"MLflow at http://127.0.0.1:{port} cannot be used" in away.output
    assert "summary" in away.rules, "the run goes on"
    comparison = "summary/comparison.parquet"
    assert (small.results / comparison).read_bytes() == (undisturbed.results / comparison).read_bytes()

    with server(tmp_path / "server", port):
        back = small.run(*stage)
        assert back.rules == {"publish"}, "only what had failed"
        found = keys_of(f"http://127.0.0.1:{port}", small.config.get("experiment", "clip-caer"))
    assert found == keys_of(f"sqlite:///{undisturbed.results}/mlflow.db", "clip-caer")

    assert "hush" not in away.output + back.output
    files = [path for path in [*small.folder.rglob("*"), *tmp_path.rglob("*")] if path.is_file()]
    assert len(files) > 50 and not [path for path in files if b"hush" in path.read_bytes()]


def test_a_stage_that_is_published_elsewhere_is_published_anew(small):
    """What was published to a database of its own is not taken for published to a server."""
    plan = small.plan("results/tracking/summary.json", tracking={"uri": "http://127.0.0.1:9"})
    assert "publish" in plan.rules
    assert not small.plan("results/tracking/summary.json").rules


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://me:hush@host:5000/a", "http://host:5000/a"),
        ("http://me:hu@sh@host", "http://host"),
        ("postgresql://me:hush@host/db?password=hush", "postgresql://host/db"),
        ("sqlite:////folder/mlflow.db", "sqlite:////folder/mlflow.db"),
    ],
)
def test_an_address_is_shown_without_its_secrets(uri, shown):
    from clip_caer.tracking.address import without_secrets

    assert without_secrets(uri) == shown
