"""What every step of the experiment leaves behind: one JSON file beside the artifact it tells of.

A record says what was run, on what, by which code, and what came of it. Jobs write records and nothing else; MLflow is
filled from them afterwards (see `publish`). `{name}.run.json` is the record, `{name}.benchmark.tsv` beside it is
Snakemake's benchmark of the job, where there is one. A failed job's outputs are deleted, so its record goes to a folder
of failures instead.
"""

import csv
import functools
import importlib.metadata
import logging
import math
import os
import platform
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from clip_caer.errors import UserError
from clip_caer.files import read_json, write_json

log = logging.getLogger(__name__)

SUFFIX = ".run.json"
_PACKAGES = ("torch", "open_clip_torch", "numpy", "snakemake", "mlflow")
_BENCHMARK = {"s": "seconds", "max_rss": "peak_mb", "cpu_time": "cpu_seconds"}  # Snakemake's column → our metric


@dataclass
class Record:
    """One run of one step, or of one shard of it. Times are milliseconds since 1970, UTC.

    run_key is the identity: `train/fused/official/seed1@0123456789`; the shards of a step share one.
    counts add up over shards; metrics do not, so a shard has none of its own.
    A number that is not finite is stored as null: a recall without clips is unknown, not zero.
    """

    run_key: str
    step: str  # the rule; of a model or control under a protocol, its kind
    name: str  # readable coordinates
    fingerprint: str
    parent: str | None = None  # run_key
    shard: int | None = None
    status: str = "FINISHED"  # FINISHED | FAILED
    error: str | None = None
    started: int = 0
    ended: int = 0
    git_commit: str | None = None  # null outside a repository
    git_dirty: bool | None = None
    versions: dict[str, str] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, float] = field(default_factory=dict)
    metrics: dict[str, float | None] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)  # {"step": epoch, "metrics": {name: value}}
    artifacts: list[str] = field(default_factory=list)  # files, relative to the record's folder
    datasets: list[dict[str, str]] = field(default_factory=list)  # {"name", "digest", "role"}
    tags: dict[str, str] = field(default_factory=dict)


@contextmanager
def recording(
    path: str | Path,
    *,
    failures: str | Path,
    step: str,
    name: str,
    run_key: str,
    fingerprint: str,
    parent: str | None = None,
    shard: int | None = None,
    params: dict[str, Any] | None = None,
) -> Iterator[Record]:
    """Record the block: the caller fills in counts, metrics, history, artifacts and datasets; the rest is seen to.

    path: where the record goes, `….run.json` beside the artifact.
    failures: the folder for the record of a block that raises, interrupts included; the exception goes on. The next
    success of the same run_key and shard removes it.
    params: may be nested, as the config is; stored flat with dotted names.
    """
    path = Path(path)
    failure = Path(failures, f"{run_key}{'' if shard is None else f'.{shard}'}{SUFFIX}")
    commit, dirty = _git()
    record = Record(
        run_key=run_key,
        step=step,
        name=name,
        fingerprint=fingerprint,
        parent=parent,
        shard=shard,
        started=_now(),
        git_commit=commit,
        git_dirty=dirty,
        versions=_versions(),
        params=_flat(params or {}),
    )
    try:
        yield record
        if shard is not None and (record.metrics or record.history):
            raise ValueError(f"{run_key}: a shard has counts, which add up; metrics and history do not.")
    except BaseException as error:
        record.status, record.error = "FAILED", _message(error)
        record.artifacts = []  # deleted with the outputs of the job
        with suppress(OSError, UserError):  # a full disk must not hide the error itself
            _write(record, failure)
        raise
    _write(record, path)
    failure.unlink(missing_ok=True)


def read_records(results: str | Path) -> list[Record]:
    """All records below `results`, failures included, sorted by run_key; the shards of one run_key merged into one.

    Counts and seconds are summed, peak memory is the largest, and the run has failed if a shard has. Benchmarks become
    the metrics `seconds`, `peak_mb` (MB of resident memory) and `cpu_seconds`. Artifacts are relative to `results`.
    Of two records of one run_key and shard the one that began later counts. A damaged file is skipped with a warning.
    """
    results = Path(results)
    shards: dict[str, dict[int, Record]] = {}
    for path in _record_files(results):
        try:
            record = Record(**read_json(path))
        except (UserError, TypeError) as error:
            log.warning("Skipped the damaged record %s: %s", path, str(error).removeprefix(f"{path}: "))
            continue
        record.artifacts = [os.path.relpath(path.parent / artifact, results) for artifact in record.artifacts]
        record.metrics |= _benchmark(path)
        same, number = shards.setdefault(record.run_key, {}), -1 if record.shard is None else record.shard
        if number not in same or same[number].started < record.started:
            same[number] = record
    return [_merged([same[number] for number in sorted(same)]) for _, same in sorted(shards.items())]


def _merged(parts: list[Record]) -> Record:
    if len(parts) == 1:
        return parts[0]
    failed = [part for part in parts if part.status == "FAILED"]
    latest = max(parts, key=lambda part: part.ended)
    return replace(
        latest,
        shard=None,
        status="FAILED" if failed else "FINISHED",
        error="\n".join(f"shard {part.shard}: {part.error}" for part in failed) or None,
        started=min(part.started for part in parts),
        counts=_combined([part.counts for part in parts]),
        metrics=_combined([part.metrics for part in parts]),
        artifacts=[artifact for part in parts for artifact in part.artifacts],
        datasets=list({str(dataset): dataset for part in parts for dataset in part.datasets}.values()),
    )


def _combined(tables: list[dict[str, float]]) -> dict[str, float]:
    """Numbers of several shards as one: added up, but for peak memory, of which the largest counts."""
    columns: dict[str, list[float]] = {}
    for name, value in (item for table in tables for item in table.items()):
        columns.setdefault(name, []).append(value)
    return {name: max(values) if name == "peak_mb" else sum(values) for name, values in columns.items()}


def _record_files(results: Path) -> Iterator[Path]:
    for folder, below, files in os.walk(results):
        below[:] = sorted(name for name in below if not name.startswith("."))  # files are being written in hidden ones
        yield from (Path(folder, name) for name in sorted(files) if name.endswith(SUFFIX))


def _benchmark(path: Path) -> dict[str, float]:
    """Figures of the benchmark of a record's job; those that Snakemake could not take ("NA") are left out.

    It stands beside the record, or one folder up where a job made several runs.
    """
    name = path.name.removesuffix(SUFFIX) + ".benchmark.tsv"
    places = [folder / name for folder in (path.parent, path.parent.parent) if (folder / name).is_file()]
    if not places:
        return {}
    with open(places[0], encoding="utf-8", newline="") as stream:
        row = next(csv.DictReader(stream, delimiter="\t"), {})
    figures = {}
    for column, metric in _BENCHMARK.items():
        with suppress(KeyError, ValueError, TypeError):
            figures[metric] = float(row[column])
    return figures


def _write(record: Record, path: Path) -> None:
    record.ended = _now()
    write_json(_plain(asdict(record)), path)


def _plain(value: Any) -> Any:
    """JSON's own types: NumPy's scalars become Python's, what is not finite None, anything else its text."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, str | int | float) else str(value)


def _flat(section: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for key, value in section.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _message(error: BaseException) -> str:
    if isinstance(error, UserError):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _now() -> int:
    return time.time_ns() // 1_000_000


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return versions


@functools.cache
def _git() -> tuple[str | None, bool | None]:
    """Commit of the project, and whether a tracked file differs from it; (None, None) outside a repository."""
    ask = ["git", "--no-optional-locks", "status", "--porcelain=v2", "--branch", "--untracked-files=no"]
    try:
        answer = subprocess.run(
            ask, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10, check=True
        ).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return None, None
    commit = next((line.split()[-1] for line in answer if line.startswith("# branch.oid ")), "(initial)")
    return None if commit == "(initial)" else commit, any(not line.startswith("#") for line in answer)
