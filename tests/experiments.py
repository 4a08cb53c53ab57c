"""Small experiments for tests: a folder with clips and a config, and the real snakemake run in it."""

import csv
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import polars as pl
import yaml

from clip_caer.configuration.settings import merge
from clips import draw_frames, write_video

PROJECT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent

SMALL = {  # a model and a training that take no time
    "device": "cpu",
    "encoder": {"model": "local-dir:clip"},
    "prompts": {"n_ctx": 2},
    "temporal": {"heads": 2, "head_width": 16, "mlp_width": 64},
    "train": {"segments": 4, "epochs": 2},
    "seeds": [1],
    "controls": [],
    "statistics": {"bootstrap": 100, "permutations": 100},
}

CUT, SPOILED = "room 2/cut", "room 2/spoiled"  # two damaged clips
SHEET = [  # every student is calm once and keen once; s1, as in RAER, stands in train and in test
    {"video": f"{name}.mp4", "label": label, "subject": subject, "setting": "library", "split": split}
    for name, label, subject, split in [
        *[(f"room 1/{n}", "calm", f"s{n}", "train" if n < 5 else "test") for n in range(1, 7)],
        *[(f"room 1/{n + 6}", "keen", f"s{n}", "train" if n < 5 else "test") for n in range(1, 7)],
        ("room 2/1", "calm", "s1", "test"),
        ("room 2/2", "keen", "s2", "train"),
        (CUT, "calm", "s3", "train"),
        (SPOILED, "keen", "s4", "train"),
    ]
]


class Job(NamedTuple):
    """One job that snakemake ran, or would run."""

    rule: str
    wildcards: dict[str, str]


@dataclass(frozen=True)
class Outcome:
    """How a run of snakemake ended, and all that the user saw of it."""

    code: int
    output: str = field(repr=False)

    @property
    def jobs(self) -> list[Job]:
        """The jobs it ran or, in a dry run, would run; without `all`, which does nothing."""
        blocks = re.findall(r"^( *)(?:local)?(?:rule|checkpoint) (\w+):\n((?:\1 +.*\n)*)", self.output, re.MULTILINE)
        found = []
        for _, rule, lines in blocks:  # those of a group stand a little to the right
            wildcards = re.search(r"^ +wildcards: (.*)$", lines, re.MULTILINE)
            pairs = wildcards[1].split(", ") if wildcards else []
            found.append(Job(rule, dict(pair.split("=", 1) for pair in pairs)))
        return [job for job in found if job.rule != "all"]

    @property
    def rules(self) -> set[str]:
        """Names of the rules of those jobs."""
        return {job.rule for job in self.jobs}

    def values(self, rule: str, wildcard: str) -> set[str]:
        """What a wildcard stands for in the jobs of a rule."""
        return {job.wildcards[wildcard] for job in self.jobs if job.rule == rule}


@dataclass(frozen=True)
class Experiment:
    """A folder that snakemake runs in. project: where the workflow's own files are."""

    folder: Path
    project: Path = PROJECT

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def command(self, *options: str | Path, config: str = "config.yaml") -> list[str]:
        """What a user would type; with two cores, unless a profile is among the options."""
        cores = [] if "--workflow-profile" in options else ["--cores", "2"]
        command = [BIN / "snakemake", "-s", self.project / "Snakefile", "--configfile", config, *cores, *options]
        return list(map(str, command))

    def snakemake(self, *options: str | Path, config: str = "config.yaml") -> Outcome:
        """Run snakemake and see how it ends."""
        done = subprocess.run(
            self.command(*options, config=config),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return Outcome(done.returncode, done.stdout)

    def run(self, *options: str | Path) -> Outcome:
        """Run snakemake; it must succeed."""
        outcome = self.snakemake(*options)
        assert outcome.code == 0, outcome.output
        return outcome

    def fail(self, *options: str | Path) -> Outcome:
        """Run snakemake; it must fail without a traceback."""
        outcome = self.snakemake(*options)
        assert outcome.code == 1, outcome.output
        assert "Traceback" not in outcome.output, outcome.output
        return outcome

    def plan(self, *options: str | Path, **changes: dict) -> Outcome:
        """What snakemake would do, with a changed config if there are changes; the experiment stays as it is."""
        if changes:
            config = merge(self.config, changes)
            (self.folder / "changed.yaml").write_text(yaml.safe_dump(config))
        outcome = self.snakemake("-n", *options, config="changed.yaml" if changes else "config.yaml")
        assert outcome.code == 0, outcome.output
        return outcome

    @property
    def config(self) -> dict:
        return yaml.safe_load((self.folder / "config.yaml").read_text())

    def configure(self, **changes: dict) -> None:
        """Lay changes over the config."""
        (self.folder / "config.yaml").write_text(yaml.safe_dump(merge(self.config, changes)))

    def copy(self, folder: Path) -> "Experiment":
        """A copy with equal times, so that snakemake sees no change. Its MLflow database is tied to the original."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Experiment(folder, self.project)

    def forget_tracking(self) -> None:
        """Delete the MLflow database."""
        (self.results / "mlflow.db").unlink()
        shutil.rmtree(self.results / "mlflow-artifacts")

    def table(self, path: str) -> pl.DataFrame:
        """A table of the results."""
        return pl.read_parquet(self.results / path)


def set_up(folder: Path, model: Path, weights: Path | None, **config: dict) -> Experiment:
    """A folder with the small model, the detector's weights and a config; the clips are the caller's to bring.

    weights: None for the released ones, that the workflow fetches.
    """
    (folder / "clip").symlink_to(model)
    config = merge({"faces": {"weights": str(weights) if weights else None}}, config)
    (folder / "config.yaml").write_text(yaml.safe_dump(merge(SMALL, config)))
    return Experiment(folder)


def write_sheet(folder: Path, rows: Sequence[dict[str, str]]) -> Path:
    """clips.csv in `folder`, with these rows."""
    with open(folder / "clips.csv", "w", newline="") as stream:
        sheet = csv.DictWriter(stream, list(rows[0]))
        sheet.writeheader()
        sheet.writerows(rows)
    return folder / "clips.csv"


def draw_clips(folder: Path, rows: Sequence[dict[str, str]]) -> None:
    """A video for every row of a sheet: flat colours in several sizes and lengths, no face anywhere."""
    sizes = [(64, 48), (160, 120), (96, 128)]
    for number, row in enumerate(rows):
        width, height = sizes[number % len(sizes)]
        write_video(folder / row["video"], draw_frames(4 + number % 6, width, height, seed=number))


def cut_short(video: Path) -> None:
    """Damage a video so that it cannot even be opened: only its first half is left."""
    content = video.read_bytes()
    video.write_bytes(content[: len(content) // 2])
