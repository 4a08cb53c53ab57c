"""The demo through a real SLURM, with the shipped profile."""

import re
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from clip_caer.configuration.settings import merge
from cluster import running_cluster, why_not
from experiments import PROJECT, Experiment

pytestmark = pytest.mark.slurm

SLURM = PROJECT / "workflow/profiles/slurm"
QUICK = ["--slurm-init-seconds-before-status-checks", "4"]
PROFILE = ["--workflow-profile", SLURM, *QUICK]
SMALL = {
    "dataset": {"shards": 1},
    "demo": {"students": 6, "clips": 20},
    "train": {"epochs": 2},
    "seeds": [1],
    "controls": ["majority"],
    "statistics": {"bootstrap": 100, "permutations": 100},
}
FEW = {
    "protocols": {"official": {}},
    "ablations": {"face": {"views": ["face"]}, "fused": {"views": ["face", "context"]}},
}
WEIGHTS = "results/runs/fused/official/seed-1/weights.safetensors"


@pytest.fixture(scope="module")
def cluster():
    if reason := why_not():
        pytest.skip(reason)
    with running_cluster():
        yield


@pytest.fixture(scope="module")
def workstation(cluster, tmp_path_factory) -> Experiment:
    """A small demo, run to its end on this machine."""
    experiment = small_demo(tmp_path_factory.mktemp("workstation"))
    experiment.run()
    return experiment


def small_demo(folder: Path) -> Experiment:
    demo = yaml.safe_load((PROJECT / "config.yaml").read_text())
    (folder / "config.yaml").write_text(yaml.safe_dump(merge(demo, SMALL) | FEW))
    return Experiment(folder)


def test_the_comparison_is_the_workstations(workstation, tmp_path):
    on_cluster = small_demo(tmp_path)

    outcome = on_cluster.run(*PROFILE)

    assert "has been submitted with SLURM jobid" in outcome.output
    for name in ("comparison.md", "comparison.parquet"):
        table = (on_cluster.results / "summary" / name).read_bytes()
        assert table == (workstation.results / "summary" / name).read_bytes()


@pytest.fixture
def untrained(workstation, tmp_path) -> Experiment:
    """The finished experiment without its weights."""
    experiment = workstation.copy(tmp_path / "experiment")
    (experiment.folder / WEIGHTS).unlink()
    return experiment


def test_a_job_that_dies_for_want_of_memory_comes_back_with_more(workstation, untrained):
    # less than importing torch takes; on the next try, enough
    outcome = untrained.run(*PROFILE, "--set-resources", "train:mem_mb=350 * attempt ** 3", "--", WEIGHTS)

    assert list(dict.fromkeys(re.findall(r"mem_mb=(\d+)", outcome.output))) == ["350", "2800"]
    assert (untrained.folder / WEIGHTS).read_bytes() == (workstation.folder / WEIGHTS).read_bytes()


def with_gpus(folder: Path) -> Path:
    """The shipped profile as a user changes it for a cluster with GPUs."""
    profile = (SLURM / "config.yaml").read_text()
    profile = re.sub(r"^( +)# (slurm_partition: gpu|gres: .*)", r"\1\2", profile, flags=re.MULTILINE)
    (folder / "config.yaml").write_text(re.sub(r"pictures( +# with GPUs: views)", r"views\1", profile))
    return folder


def test_a_cancelled_job_leaves_nothing_and_a_restart_finishes(workstation, untrained, tmp_path):
    log = untrained.results / "logs/train/fused/official.log"
    log.unlink()
    command = untrained.command(*PROFILE, "--retries", "0", "--", WEIGHTS)

    with subprocess.Popen(command, cwd=untrained.folder) as process:
        until = time.monotonic() + 120
        while not log.exists() and time.monotonic() < until:
            time.sleep(0.1)
        subprocess.run(["scancel", "--user=root"], check=True)
    assert process.returncode == 1
    assert not list((untrained.folder / WEIGHTS).parent.glob("*train*"))
    assert not (untrained.folder / WEIGHTS).exists()

    untrained.run("--workflow-profile", with_gpus(tmp_path), *QUICK, "--", WEIGHTS)
    assert (untrained.folder / WEIGHTS).read_bytes() == (workstation.folder / WEIGHTS).read_bytes()
