"""A fine-tuning that is killed goes on where it was, and ends as if nothing had happened."""

import os
import signal
import subprocess
import time

from experiments import BIN

RUN = "results/runs/tuned/official/seed-1"


def test_killed_in_the_middle_and_started_again_it_ends_with_the_same_weights(experiment, tmp_path):
    tuned = {"views": ["face", "context"], "train": {"regime": "finetuned", "epochs": 30, "batch": 2}}
    experiment.configure(ablations={"tuned": tuned})
    experiment.run("results/splits/official.parquet")
    undisturbed = experiment.copy(tmp_path / "undisturbed")
    undisturbed.run(f"{RUN}/weights.safetensors")

    command = [BIN / "snakemake", "-s", experiment.project / "Snakefile", "--configfile", "config.yaml", "--cores", "2"]
    killed = subprocess.Popen(
        [*command, f"{RUN}/weights.safetensors"],
        cwd=experiment.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    unfinished = experiment.folder / RUN / "unfinished.safetensors"
    until = time.monotonic() + 120
    while not unfinished.exists() and time.monotonic() < until:
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert unfinished.exists()
    assert not (experiment.folder / RUN / "weights.safetensors").exists()

    experiment.run("--unlock")
    experiment.run(f"{RUN}/weights.safetensors")
    for name in ("weights.safetensors", "history.parquet"):
        assert (experiment.folder / RUN / name).read_bytes() == (undisturbed.folder / RUN / name).read_bytes()
    assert not unfinished.exists()
