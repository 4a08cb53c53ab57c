"""Runs that are killed, kept out, or refused by the disk: a plain start afterwards goes on, and nothing is lost."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from soak import Soak, artifacts, jobs_of

from clip_caer.errors import UserError, refused
from clip_caer.files import atomic, write_text
from clips import FFMPEG
from experiments import Experiment

INDEX = "results/index/clips.parquet"
USABLE = "results/index/usable.parquet"  # the last file before training
PAGE = "summary/comparison.md"  # comes after
COMPARISON = "results/summary/comparison.parquet"


# ---- killed ----


def test_killed_at_random_moments_it_ends_as_if_it_had_not_been(undisturbed, small):
    """The soak, for a few kills. `make soak` goes on for as long as asked."""
    soak = Soak(small, random.Random(1), (COMPARISON,), seconds=30)
    soak.expected = {name: content for name, content in artifacts(undisturbed.results).items() if name != PAGE}
    soak.disturb(kills=6)
    assert soak.kills.total() >= 3 and not soak.losses, soak.report()


@contextmanager
def running(experiment: Experiment, rule: str, *options: str) -> Iterator[subprocess.Popen]:
    """A run, from the moment that a job of `rule` is at work; whatever is left of it is killed in the end."""
    run = subprocess.Popen(
        experiment.command(*options),
        cwd=experiment.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    until = time.monotonic() + 120
    while rule not in dict(jobs_of(run.pid)).values() and time.monotonic() < until:
        assert run.poll() is None, f"it came to its end before {rule}"
        time.sleep(0.02)
    try:
        yield run
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
        run.wait()


def alive(process: int) -> bool:
    try:
        return "(zombie)" not in Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return False


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Whether it comes true in time."""
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.05)
    return condition()


def test_two_runs_keep_out_of_each_others_way_and_a_killed_one_keeps_nobody_out(small):
    small.forget_tracking()
    with running(small, "train", COMPARISON, "--forcerun", "train") as run:
        (job,) = [process for process, rule in jobs_of(run.pid) if rule == "train"]
        assert within(60, lambda: os.readlink(f"/proc/{job}/fd/1").endswith(".log")), "it writes into its log"
        os.kill(job, signal.SIGSTOP)  # else it may be done before the second run has started

        second = small.fail(COMPARISON, "--forcerun", "summary")
        assert f"Another run is at work in {small.results}: process {run.pid}" in second.output
        assert "Wait for its end, stop it" in second.output and not second.rules & {"summary"}
        assert run.poll() is None and alive(job), "the first goes on"

        os.kill(job, signal.SIGCONT)
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        assert within(5, lambda: not alive(job)), "a job does not outlive its run"
    left = small.results / "runs/.half.unfinished"
    left.mkdir()
    (left / "half").write_text("half")

    small.run()  # without unlocking

    assert not left.exists(), "what a killed run left half-written is cleared"
    assert (small.results / "runs/face/official/seed-1/weights.safetensors").exists(), "what it took away is back"


def test_a_job_that_has_lost_its_run_before_it_began_ends_at_once():
    gone = subprocess.Popen(["true"])
    gone.wait()
    code = "import sys; from clip_caer.interruptions import end_with; end_with(int(sys.argv[1])); print('goes on')"
    job = subprocess.run([sys.executable, "-c", code, str(gone.pid)], capture_output=True, text=True)
    assert job.returncode == 1 and "is gone" in job.stderr and not job.stdout


def test_a_killed_job_takes_its_workers_with_it(tmp_path):
    """Else they wait for work for ever, with all their memory."""
    code = (
        "import sys; from pathlib import Path; from clip_caer.demo.dataset import make_demo; "
        "make_demo(Path(sys.argv[1]), students=30, clips=600, ffmpeg=sys.argv[2], workers=2)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path), FFMPEG]) as job:
        assert within(60, lambda: len(list(tmp_path.rglob("*.mp4"))) > 2)
        workers = [int(child) for child in Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()]
        job.kill()
    try:
        assert len(workers) == 2 and within(5, lambda: not any(map(alive, workers)))
    finally:
        for worker in filter(alive, workers):
            os.kill(worker, signal.SIGKILL)


def test_what_is_written_is_there_whole_or_not_at_all(tmp_path):
    (tmp_path / "table").write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic(tmp_path / "table") as temporary:
        temporary.write_text("half of the n")
        raise KeyboardInterrupt
    assert (tmp_path / "table").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_a_file_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    """So that after a power failure no short file stands under its name. A folder just gets its name."""
    done = []
    monkeypatch.setattr(os, "fsync", lambda file: done.append(f"{os.fstat(file).st_size} bytes on the disk"))
    monkeypatch.setattr(os, "replace", lambda temporary, path: done.append(f"{path.name} named"))
    write_text("content", tmp_path / "file")
    with atomic(tmp_path / "folder") as temporary:
        temporary.mkdir()
    assert done == ["7 bytes on the disk", "file named", "folder named"]


# ---- refused by the disk ----


@contextmanager
def disk(folder: Path, kilobytes: int) -> Iterator[None]:
    """A disk of its own at `folder`, so small; skips the test where nobody may mount one."""
    folder.mkdir(exist_ok=True)
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder], capture_output=True, text=True
    )
    if mount.returncode:
        pytest.skip(f"no disk can be mounted here: {mount.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def remount(folder: Path, *options: str) -> None:
    subprocess.run(["mount", "-o", ",".join(["remount", *options]), folder], check=True)


@pytest.fixture
def fresh(small) -> Experiment:
    """The small experiment, before it has run."""
    small.results.rename(small.folder / "before")
    (small.folder / ".snakemake").rename(small.folder / "snakemake before")
    return small


def test_a_full_disk_is_told_and_nothing_half_written(undisturbed, fresh):
    """Once there is more room, a plain start goes on."""
    with disk(fresh.results, 80):
        outcome = fresh.fail(USABLE)

        told = [line for line in outcome.output.splitlines() if line.startswith("frames: ffmpeg was stopped")]
        assert told and "No space left on device. Make room where results are kept, and start again" in told[0]
        assert not list(fresh.results.rglob("*.unfinished"))
        assert artifacts(fresh.results).items() <= artifacts(undisturbed.results).items()

        remount(fresh.results, "size=100m")
        fresh.run(USABLE)
        made = artifacts(fresh.results)
        assert "index/usable.parquet" in made and made.items() <= artifacts(undisturbed.results).items()


def test_a_results_folder_that_is_read_only_is_told_before_any_work(fresh):
    with disk(fresh.results, 100):
        remount(fresh.results, "ro")
        outcome = fresh.fail(COMPARISON)
        assert "results/run.lock: Read-only file system. Make it writable, and start again" in outcome.output
        assert not outcome.rules & {"index", "frames"}


def test_a_vanished_video_is_named_and_its_return_is_enough(undisturbed, fresh):
    fresh.run(INDEX)
    video = fresh.folder / "data/3.mp4"
    video.rename(fresh.folder / "away.mp4")

    assert "clips.csv line 5: no such file: 3.mp4" in fresh.fail(INDEX).output

    (fresh.folder / "away.mp4").rename(video)
    fresh.run(INDEX)
    made = artifacts(fresh.results)
    assert "index/clips.parquet" in made and made.items() <= artifacts(undisturbed.results).items()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            FileNotFoundError(2, "No such file or directory", "data/3.mp4"),
            "data/3.mp4: No such file or directory. Bring",
        ),
        (OSError(28, "No space left on device"), "place: No space left on device. Make room there"),
        (OSError(122, "Disk quota exceeded"), "place: Disk quota exceeded. Make room there"),
        (OSError(30, "Read-only file system"), "place: Read-only file system. Make it writable"),
        (PermissionError(13, "Permission denied", "x"), "x: Permission denied. Give yourself the permission"),
        (OSError(5, "Input/output error"), "place: Input/output error. Look after the disk"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "place: No space left on device. Make room"),
    ],
)
def test_what_the_system_refuses_is_told_with_place_and_cure(tmp_path, error, told):
    assert str(refused(error, "place")).startswith(told)
    assert refused(ValueError("a bug"), "place") is None
    place = str(tmp_path / "table")
    with pytest.raises(UserError, match="start again") as raised, atomic(place):
        raise error
    assert str(raised.value).startswith(told.replace("place", place, 1))
