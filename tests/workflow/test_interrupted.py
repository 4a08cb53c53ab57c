"""A fine-tuning that is killed goes on where it was, and ends as if nothing had happened."""

import os
import signal
import subprocess
import time

import polars as pl

from clips import draw_frames, write_video
from experiments import BIN

FIRST, SECOND = (f"results/runs/tuned/official/seed-{seed}" for seed in (1, 2))


def test_killed_in_the_middle_and_started_again_it_ends_with_the_same_weights(experiment, tmp_path):
    """Also the seed that was done loses nothing, although snakemake deletes all outputs of the job that died."""
    tuned = {"views": ["face", "context"], "train": {"regime": "finetuned", "epochs": 30, "batch": 2}}
    experiment.configure(ablations={"tuned": tuned}, seeds=[1, 2])
    experiment.run("results/splits/official.parquet")
    undisturbed = experiment.copy(tmp_path / "undisturbed")
    undisturbed.run(f"{FIRST}/weights.safetensors")

    command = [BIN / "snakemake", "-s", experiment.project / "Snakefile", "--configfile", "config.yaml", "--cores", "2"]
    killed = subprocess.Popen(
        [*command, f"{FIRST}/weights.safetensors"],
        cwd=experiment.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    done, unfinished = (experiment.folder / run / "unfinished.safetensors" for run in (FIRST, SECOND))
    until = time.monotonic() + 120
    while not unfinished.exists() and time.monotonic() < until:
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert done.exists() and unfinished.exists()
    assert not (experiment.folder / SECOND / "weights.safetensors").exists()
    changed = experiment.copy(tmp_path / "changed")

    experiment.run("--unlock")
    experiment.run(f"{FIRST}/weights.safetensors")
    for run in (FIRST, SECOND):
        for name in ("weights.safetensors", "history.parquet"):
            assert (experiment.folder / run / name).read_bytes() == (undisturbed.folder / run / name).read_bytes()
    assert not done.exists() and not unfinished.exists()

    # What was kept of other pixels is not gone on with.
    write_video(changed.folder / "data/room 1/1.mp4", draw_frames(9, seed=99))
    changed.run("--unlock")
    changed.run(f"{FIRST}/weights.safetensors")
    for run in (FIRST, SECOND):
        anew, before = (pl.read_parquet(of.folder / run / "history.parquet").row(0) for of in (changed, undisturbed))
        assert anew != before

    # Models whose crops are the same share them, whatever else their encoders do.
    plain = tuned | {"encoder": {"normalise": "none"}}
    experiment.configure(ablations={"tuned": tuned, "plain": plain})
    assert experiment.plan(f"{FIRST}/weights.safetensors").rules == set()
