"""The report's tables as text, cell by cell."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import polars as pl

from clip_caer.comparison.wording import (
    METRICS,
    count,
    interval,
    kinds_of,
    known,
    model_names,
    p_value,
    percent,
    points,
)
from clip_caer.protocol.splits import ROLES, protocol_of
from clip_caer.statistics.calibration import HOTTEST

LOSSES = {"nll": "NLL", "brier": "Brier", "soft_nll": "NLL to votes", "soft_brier": "Brier to votes"}
STRATA = {"class": "class", "setting": "setting", "face_rate": "frames with a found face", "frames": "frames"}

MOST_PAIRS = 50  # of nearly the same clips, that are listed


class Table(NamedTuple):
    """Heads, and rows of as many cells; the first cell of a row is its name."""

    caption: str
    heads: list[str]
    rows: list[list[str]]


def facts(clips: pl.DataFrame) -> dict[str, str]:
    """What the data are: counts of clips, students and settings, and lengths."""
    usable = clips.filter(status="ok")
    damaged = len(clips) - len(usable)
    settings = usable.group_by("setting").len().drop_nulls().sort("len", "setting", descending=[True, False])
    return {
        "clips": f"{len(usable):,}" + f", and {damaged:,} damaged, left out" * bool(damaged),
        "students": f"{usable['subject'].n_unique():,}",
        "settings": ", ".join(f"{name} ({number:,})" for name, number in settings.iter_rows()) or "not given",
        "clips a student": _spread(usable.group_by("subject").len()["len"]),
        "frames a clip": _spread(usable["n_frames"]),
    }


def roles_table(clips: pl.DataFrame, roles: pl.DataFrame, classes: Sequence[str], names: Mapping[str, str]) -> Table:
    """Clips and, in brackets, students of every class by role; lowest–highest over the splits of a protocol.

    clips: clip_id, subject, label. roles: split, clip_id, role. names: protocol → name as shown.
    """
    placed = roles.join(clips.select("clip_id", "subject", "label"), on="clip_id").with_columns(
        protocol=pl.col("split").map_elements(protocol_of, pl.String)
    )
    rows = []
    for protocol, name in names.items():
        splits = [rows for _, rows in placed.filter(protocol=protocol).group_by("split", maintain_order=True)]
        for role in ROLES:
            of_role = [rows.filter(role=role) for rows in splits]
            parts = [of_role, *([rows.filter(label=label) for rows in of_role] for label in classes)]
            rows.append([f"{name}, {role}", *map(_clips_and_students, parts)])
    return Table("Clips (students) by role", ["", "all", *classes], rows)


def leakage_table(leakage: pl.DataFrame) -> Table:
    heads = ["split", "roles", "students", "settings", "near-duplicate clips", "identical files"]
    rows = [
        [split, roles, *("–" if number is None else f"{number:,}" for number in numbers)]
        for split, roles, *numbers in leakage.select(
            "split", "roles", "students", "settings", "clips", "same_files"
        ).iter_rows()
    ]
    return Table("What two roles of a split share", heads, rows)


def near_duplicates_table(pairs: pl.DataFrame) -> Table:
    """The most similar pairs first, at most `MOST_PAIRS`."""
    shown = pairs.sort("same_file", "similarity", "clip_a", descending=[True, True, False]).head(MOST_PAIRS)
    rows = [
        [row["split"], row["roles"], row["clip_a"], row["clip_b"], f"{row['similarity']:.4f}", "yes" * row["same_file"]]
        for row in shown.iter_rows(named=True)
    ]
    caption = f"Near-duplicate clips: {len(rows):,} of {len(pairs):,}"
    return Table(caption, ["split", "roles", "clip", "clip", "similarity", "identical file"], rows)


def comparison_table(comparison: pl.DataFrame, name: str) -> Table:
    """Every score of every model of one protocol, in percent. comparison: rows of the protocol; name: as shown."""
    names, first = model_names(comparison), comparison.filter(model=comparison["model"][0])
    extra = [key for key in ("ceiling", "quoted") if key in comparison.columns and comparison[key].is_not_null().any()]
    titles = {"ceiling": "UAR, best to be expected", "quoted": "UAR, quoted from a publication"}
    metrics = [metric for metric in first["metric"] if metric != "uar"]
    rows = []
    for model, kind in kinds_of(comparison).items():
        scores = {row["metric"]: row for row in comparison.filter(model=model).iter_rows(named=True)}
        added = [percent(scores["uar"][key]) if known(scores["uar"][key]) else "" for key in extra]
        rows.append(
            [f"{names[model]}\n{kind}", _score(scores["uar"]), *added, *(_score(scores[metric]) for metric in metrics)]
        )
    measured = {row["metric"]: row for row in first.iter_rows(named=True)}
    heads = [_title(measured[metric]) for metric in metrics]
    caption = f"{name}: scores in percent, 95 % intervals over students, ± standard deviation over seeds"
    return Table(caption, ["model", "UAR", *(titles[key] for key in extra), *heads], rows)


def pairs_table(pairs: pl.DataFrame, name: str) -> Table:
    """Paired differences of one protocol in points. pairs: rows of the protocol; name: as shown."""
    rows = [
        [
            f"{row['a']} − {row['b']}",
            row["metric"].upper(),
            f"{points(row['difference'])} {interval(row['low'], row['high'])}",
            *(p_value(row[key]).removeprefix("p = ").removeprefix("p ") for key in ("p", "p_holm", "mcnemar_p")),
        ]
        for row in pairs.iter_rows(named=True)
    ]
    heads = [
        "pair",
        "metric",
        "difference (points)",
        "p, permutation",
        "p, Holm-corrected",
        "p, McNemar (first seed, clips as independent)",
    ]
    return Table(f"{name}: paired differences, each with its own 95 % interval over students and seeds", heads, rows)


def calibration_table(calibration: pl.DataFrame, names: Mapping[str, str], name: str) -> Table:
    """Losses before → after temperature scaling. calibration: rows of one protocol; names: model → as shown."""
    losses = {key: title for key, title in LOSSES.items() if calibration[f"{key}_before"].is_not_null().any()}
    rows = [
        [
            names[row["model"]],
            _temperature(row["temperature"]),
            f"{percent(row['ece_before'])} → {percent(row['ece_after'])}",
            *(f"{_number(row[f'{key}_before'])} → {_number(row[f'{key}_after'])}" for key in losses),
        ]
        for row in calibration.iter_rows(named=True)
    ]
    caption = f"{name}: calibration before → after temperature scaling, fitted on the val clips that chose the epoch"
    return Table(caption, ["model", "temperature", "ECE (%)", *losses.values()], rows)


def strata_table(strata: pl.DataFrame, names: Mapping[str, str], name: str) -> Table:
    """UAR / WAR of models within parts of the data; students are in the picture. strata: rows of one protocol."""
    models = [model for model in names if model in strata["model"]]
    rows = []
    parts = strata.filter(pl.col("stratum").is_in(list(STRATA)))
    for (stratum, level), of_level in parts.group_by("stratum", "level", maintain_order=True):
        scores = {row["model"]: row for row in of_level.iter_rows(named=True)}
        about = scores[next(iter(scores))]
        unit = "frame" if stratum == "frames" else "clip"
        size = f"{count(about['clips'], unit)}, {count(about['subjects'], 'student')}"
        cells = [f"{percent(scores[m]['uar'])} / {percent(scores[m]['war'])}" if m in scores else "" for m in models]
        rows.append([f"{STRATA[stratum]}: {level}", size, *cells])
    return Table(f"{name}: UAR / WAR in percent", ["part", "measured on", *(names[model] for model in models)], rows)


def _score(row: Mapping) -> str:
    spread = f" ± {percent(row['sd'])}" if known(row["sd"]) else ""
    return f"{percent(row['value'])}{spread}\n{interval(row['low'], row['high'])}{'*' if row['few_students'] else ''}"


def _title(row: Mapping) -> str:
    metric, _, label = row["metric"].partition("/")
    if not label:
        return METRICS[metric]
    return f"{label}: recall, {count(row['clips'], 'clip')}, {count(row['subjects'], 'student')}"


def _clips_and_students(splits: Iterable[pl.DataFrame]) -> str:
    splits = list(splits)
    clips = _range([len(rows) for rows in splits])
    return f"{clips} ({_range([rows['subject'].n_unique() for rows in splits])})"


def _range(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def _spread(numbers: pl.Series) -> str:
    return f"median {numbers.median():g}, from {numbers.min():,} to {numbers.max():,}"


def _temperature(value: float) -> str:
    """An end of the range that was searched is no fit."""
    if 1.01 / HOTTEST < value < HOTTEST / 1.01:
        return f"{value:.2f}"
    return f"≥ {HOTTEST:g}" if value > 1 else f"≤ {1 / HOTTEST:g}"


def _number(value: float | None) -> str:
    return f"{value:.3f}" if known(value) else "–"
