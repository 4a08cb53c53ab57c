"""Planning: how long Snakemake takes to see what is to be done, and that nothing is."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from clip_caer.configuration.settings import merge
from measuring import time_alone, versions

ROOT = Path(__file__).parents[1]
GOALS = {"plan": 4, "nothing": 6}  # seconds
SMALL = {"demo": {"students": 8, "clips": 30}, "train": {"epochs": 1}, "seeds": [1], "statistics": {"bootstrap": 100}}


def packages() -> dict[str, str]:
    return versions("snakemake")


def measure(work: Path, quick: bool, device: str) -> Iterator[dict[str, Any]]:
    repeats = 1 if quick else 5
    for folder in ("data/raer-sized/RAER", "data/raer-sized/clip"):  # empty: they are not looked into before the index
        (work / folder).mkdir(parents=True)
    for config in ("config.yaml", "workflow/presets/raer-sized.yaml"):
        yield time_alone(f"planning {config}", _snakemake(work, config, "-n"), repeats, goal_seconds=GOALS["plan"])
    if quick:
        return
    demo = merge(yaml.safe_load((ROOT / "config.yaml").read_text()), SMALL)
    (work / "small.yaml").write_text(yaml.safe_dump(demo))
    run = _snakemake(work, str(work / "small.yaml"))
    run()
    yield time_alone("nothing to do, a small demo", run, repeats, goal_seconds=GOALS["nothing"])


def _snakemake(folder: Path, config: str, *options: str):
    command = [Path(sys.executable).with_name("snakemake"), "-s", ROOT / "Snakefile", "--configfile", ROOT / config]
    return lambda: subprocess.run([*command, "--cores", "all", *options], cwd=folder, capture_output=True, check=True)
