"""Kill a running experiment at random moments, start it again, and see whether anything is lost.

    python tests/faults/soak.py --minutes 10            a small experiment, killed again and again
    python tests/faults/soak.py --minutes 60 --demo     the demo

Each time one of these is killed with signal 9: a job, snakemake alone, or the whole group of processes. Then the same
command is started again. When it has come to its end, every artifact must have the same bytes as without interruption.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from experiments import PROJECT, Experiment, draw_clips, set_up, write_sheet

ARTIFACTS = {".parquet", ".safetensors", ".md", ".csv"}  # what must come out byte for byte
NOT_OURS = {"mlflow-artifacts", "logs"}
KINDS = ("job", "snakemake", "group")
LONGEST_WAIT = 20  # seconds before a kill


@dataclass
class Soak:
    """One experiment, its artifacts when nobody disturbs it, and what came of killing it."""

    experiment: Experiment
    random: random.Random
    target: tuple[str, ...] = ()
    seconds: float = 0.0  # that an undisturbed run takes
    expected: dict[str, bytes] = field(default_factory=dict)
    kills: Counter = field(default_factory=Counter)
    finished: int = 0
    killed: frozenset[str] = frozenset()  # rules that were at work at the last kill
    losses: list[str] = field(default_factory=list)

    def undisturbed(self) -> None:
        """Run it to its end once."""
        start = time.monotonic()
        self.experiment.run(*self.target)
        self.seconds = time.monotonic() - start
        self.expected = artifacts(self.experiment.results)
        print(f"undisturbed: {self.seconds:.0f} s, {len(self.expected)} artifacts", flush=True)

    def disturb(self, kills: int) -> None:
        """From the beginning to the end, with up to so many kills in between."""
        shutil.rmtree(self.experiment.results)
        shutil.rmtree(self.experiment.folder / ".snakemake")
        self.killed = frozenset()
        start, before = time.monotonic(), self.kills.total()
        while self._run(disturbed=kills > self.kills.total() - before):
            pass
        if self.kills.total() == before:
            self.seconds = time.monotonic() - start  # other work on this machine has come or gone
        self._compare()

    def _run(self, disturbed: bool) -> bool:
        """One start of the same command; whether it was killed before it came to its end."""
        kind, delay = self.random.choice(KINDS), self.random.uniform(0, min(0.2 * self.seconds, LONGEST_WAIT))
        with open(self.experiment.folder / "output.log", "w") as output:
            run = subprocess.Popen(
                self.experiment.command(*self.target),
                cwd=self.experiment.folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        killed = None
        if disturbed:
            self._let_one_end(run)
            with suppress(subprocess.TimeoutExpired):
                run.wait(delay)
            killed = kill(run, kind, self.random)
        run.wait()
        if killed is not None:
            self.killed = killed
            self.kills[kind] += 1
            at_work = ", ".join(sorted(killed)) or "snakemake itself"
            print(f"kill {self.kills.total()}: {kind} after {delay:.1f} s, at work: {at_work}", flush=True)
        elif run.returncode:
            self._lose(f"a plain restart failed:\n{(self.experiment.folder / 'output.log').read_text()}")
        return killed is not None

    def _let_one_end(self, run: subprocess.Popen) -> None:
        """Wait until a job of what was killed last is through: else a long one would be killed for ever."""
        begun = set()
        while self.killed and run.poll() is None:
            now = {process for process, rule in jobs_of(run.pid) if rule in self.killed}
            if begun - now:
                return
            begun |= now
            time.sleep(0.1)

    def _compare(self) -> None:
        self.finished += 1
        found = artifacts(self.experiment.results)
        wrong = sorted(
            name for name in found.keys() | self.expected.keys() if found.get(name) != self.expected.get(name)
        )
        left = [str(path) for path in self.experiment.results.rglob(".*.unfinished")]
        if wrong or left:
            self._lose(f"differs: {', '.join(wrong)}; left over: {', '.join(left)}")
        print(f"finished {self.finished}: {'differs' if wrong or left else 'same bytes'}", flush=True)

    def _lose(self, what: str) -> None:
        self.losses.append(what)
        print(f"LOSS: {what}", flush=True)

    def report(self) -> str:
        """Tries and losses, in one line and one more for each loss."""
        kinds = ", ".join(f"{self.kills[kind]} {kind}" for kind in KINDS)
        head = f"{self.kills.total()} kills ({kinds}), {self.finished} times finished, {len(self.losses)} losses"
        return "\n".join([head, *self.losses])


def artifacts(results: Path) -> dict[str, bytes]:
    """Path below the results → content, of every artifact that does not tell of times."""
    files = [path for path in results.rglob("*") if path.suffix in ARTIFACTS and path.is_file()]
    names = {path.relative_to(results).as_posix(): path for path in files}
    return {name: path.read_bytes() for name, path in names.items() if name.split("/")[0] not in NOT_OURS}


def kill(run: subprocess.Popen, kind: str, chance: random.Random) -> frozenset[str] | None:
    """Kill something of a run; the rules that were at work. None if it had come to its end."""
    while run.poll() is None:
        jobs = dict(jobs_of(run.pid))
        with suppress(ProcessLookupError):  # it has just ended
            if kind == "group":
                os.killpg(run.pid, signal.SIGKILL)
            elif kind == "snakemake" or jobs:
                os.kill(chance.choice(sorted(jobs)) if kind == "job" else run.pid, signal.SIGKILL)
            if kind != "job" or jobs:
                return frozenset(jobs.values())
        time.sleep(0.05)
    return None


def jobs_of(snakemake: int) -> Iterator[tuple[int, str]]:
    """Process and rule of the jobs that a snakemake has at work."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().split(b"\0")
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        script = next((word.decode() for word in command if b".snakemake/scripts/" in word), None)
        if script and parent == snakemake:
            yield int(process.name), script.split(".")[-2]


def small_experiment(folder: Path, model: Path, weights: Path | None) -> Experiment:
    """An experiment of eight clips, one ablation and one split."""
    rows = [
        {"video": f"{n}.mp4", "label": ["calm", "keen"][n % 2], "subject": f"s{n // 2}", "split": split}
        for n, split in enumerate(["train"] * 6 + ["test"] * 2)
    ]
    draw_clips(folder / "data", rows)
    write_sheet(folder / "data", rows)
    return set_up(
        folder,
        model,
        weights,
        dataset={"reader": "csv", "path": "data/clips.csv", "label_sets": {"fine": ["calm", "keen"]}, "shards": 1},
        protocols={"official": {}},
        ablations={"face": {"views": ["face"]}},
    )


def demo(folder: Path) -> Experiment:
    """The demo, in a folder of its own."""
    shutil.copy(PROJECT / "config.yaml", folder)
    return Experiment(folder)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10, help="how long to go on killing")
    parser.add_argument("--seed", type=int, default=None, help="of the choice of moments and victims")
    parser.add_argument("--demo", action="store_true", help="kill the demo instead of a small experiment")
    options = parser.parse_args()
    seed = random.randrange(10**6) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tiny_clip = PROJECT / "workflow/demo/tiny-clip"
        soak = Soak(demo(folder) if options.demo else small_experiment(folder, tiny_clip, None), random.Random(seed))
        soak.undisturbed()
        until = time.monotonic() + 60 * options.minutes
        while time.monotonic() < until:
            soak.disturb(kills=40 if options.demo else 12)
        print(soak.report())
    return bool(soak.losses)


if __name__ == "__main__":
    sys.exit(main())
