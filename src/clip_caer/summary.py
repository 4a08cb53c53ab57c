"""The comparison: every model under every protocol as one table, and the same in words."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product

import numpy as np
import polars as pl

from clip_caer.splits import protocol_of, repeat_of
from clip_caer.statistics import interval_table, student_confusions

ROUGH = 0.01  # where one clip moves UAR by more, the text says so


def pool(runs: Iterable[tuple[str, str, int, pl.DataFrame]], kinds: Mapping[str, str]) -> pl.DataFrame:
    """The test predictions of all runs in one table, from (model, split, seed, predictions) of each.

    It has, before the columns of predictions: protocol, model, kind, split, repeat, seed.
    kinds: model → ablation | comparator | control.
    """
    return pl.concat(
        table.filter(role="test").select(
            pl.lit(protocol_of(split)).alias("protocol"),
            pl.lit(model).alias("model"),
            pl.lit(kinds[model]).alias("kind"),
            pl.lit(split).alias("split"),
            pl.lit(repeat_of(split), pl.Int64).alias("repeat"),
            pl.lit(seed, pl.Int64).alias("seed"),
            pl.all().exclude("selected_on"),
        )
        for model, split, seed, table in runs
    )


def by_model(predictions: pl.DataFrame) -> dict[tuple[str, str], pl.DataFrame]:
    """(protocol, model) → its predictions, protocols first; what the functions of `clip_caer.statistics` take."""
    protocols, models = (predictions[name].unique(maintain_order=True) for name in ("protocol", "model"))
    parts = predictions.partition_by("protocol", "model", as_dict=True)
    return {key: parts[key] for key in product(protocols, models) if key in parts}


def confusions(
    pooled: Mapping[tuple[str, str], pl.DataFrame], classes: Sequence[str]
) -> dict[tuple[str, str], np.ndarray]:
    """(protocol, model) → clips [K, K], the mean over seeds and repeats."""
    return {key: student_confusions(table, classes).sum(1).mean(0) for key, table in pooled.items()}


def compare(
    pooled: Mapping[tuple[str, str], pl.DataFrame], classes: Sequence[str], resamples: int, seed: int
) -> pl.DataFrame:
    """The comparison table, values in 0–1: protocol, model, kind, and what `interval_table` gives for each score."""
    return pl.concat(
        interval_table(table, classes, resamples, seed).select(
            pl.lit(protocol).alias("protocol"),
            pl.lit(model).alias("model"),
            pl.lit(table["kind"][0]).alias("kind"),
            pl.all(),
        )
        for (protocol, model), table in pooled.items()
    )


def sharing(leakage: pl.DataFrame) -> dict[str, bool]:
    """Protocol → whether a test student also stands in train, in any of its splits."""
    rows = leakage.filter(roles="train-test").select("split", pl.col("students") > 0).iter_rows()
    shared: dict[str, bool] = {}
    for split, students in rows:
        shared[protocol_of(split)] = shared.get(protocol_of(split), False) or students
    return shared


def face_counts(faces: pl.DataFrame) -> pl.DataFrame:
    """clip_id, frames and found (frames with a face) of every clip, from the tables of faces."""
    return faces.group_by("clip_id", maintain_order=True).agg(frames=pl.len(), found=pl.col("found").sum())


def add_ceilings(comparison: pl.DataFrame, ceilings: Mapping[str, float], views: Mapping[str, Sequence[str]]):
    """Put the best UAR that the demo's generator allows beside the measured one, in a column `ceiling`.

    ceilings: "context+face" → UAR in 0–1, by sorted view names. views: model → its views, of those that have any.
    """
    of_model = {model: ceilings.get("+".join(sorted(seen))) for model, seen in views.items()}
    return _add_to_uar(comparison, "ceiling", of_model)


def add_quoted(comparison: pl.DataFrame, published: Mapping[str, float]) -> pl.DataFrame:
    """Put a publication's UAR on RAER beside the measured one, in a column `quoted`. published: model → UAR in 0–1."""
    return _add_to_uar(comparison, "quoted", published)


def _add_to_uar(comparison: pl.DataFrame, column: str, of_model: Mapping[str, float | None]) -> pl.DataFrame:
    value = pl.col("model").replace_strict(of_model, default=None, return_dtype=pl.Float64)
    return comparison.with_columns(pl.when(pl.col("metric") == "uar").then(value).alias(column))


def add_warnings(
    comparison: pl.DataFrame, selected_on: Mapping[str, str], students_shared: Mapping[str, bool]
) -> pl.DataFrame:
    """Say of every row where its model's epoch was chosen, and whether test students also stand in train.

    selected_on: model → role; controls choose none, or on `val`. students_shared: protocol → whether.
    """
    return comparison.with_columns(
        selected_on=pl.col("model").replace_strict(selected_on, default="val"),
        students_shared=pl.col("protocol").replace_strict(students_shared),
    )


def stamped(name: str, selected_on: str) -> str:
    """A model's name as it stands on pictures: with a warning, unless its epoch was chosen on `val`."""
    return name if selected_on == "val" else f"{name} (selected on {selected_on})"


def with_sharing(protocol: str, students_shared: bool) -> str:
    """The name of a protocol or split as it stands beside its numbers."""
    return f"{protocol} (students shared)" if students_shared else protocol


def notes(comparison: pl.DataFrame, protocol: str) -> list[str]:
    """What a reader must know before believing the numbers of a protocol, a sentence each."""
    table = comparison.filter(protocol=protocol)
    said = []
    if table["students_shared"].any():
        said.append("Test students also stand in train: these numbers do not tell how new students are recognised.")
    recalls = table.filter(pl.col("metric").str.starts_with("recall/"))
    rarest = recalls.sort("clips").row(0, named=True)
    step = 1 / (recalls["metric"].n_unique() * rarest["clips"])
    said.append(
        f"The rarest class, {rarest['metric'].removeprefix('recall/')}, has {rarest['clips']} clips of "
        f"{rarest['subjects']} students; one clip of it moves UAR by {100 * step:.1f} points."
        + (" Smaller differences mean nothing." if step > ROUGH else "")
    )
    if table["few_students"].any():
        said.append("* Too few students have a class: the true coverage of this interval may be below 95 %.")
    for role in table.filter(pl.col("selected_on") != "val")["selected_on"].unique().sort():
        names = table.filter(selected_on=role)["model"].unique(maintain_order=True)
        said.append(f"The epoch of {', '.join(names)} was selected on {role}: an optimistic number.")
    return said


def as_markdown(comparison: pl.DataFrame, pairs: pl.DataFrame) -> str:
    """The comparison for people, a section a protocol: a line a model, then the differences, then what to beware of.

    comparison: with warnings. Scores in percent with one decimal, their 95 % intervals over students in brackets.
    """
    return "\n".join(
        _section(comparison, pairs.filter(protocol=protocol, metric="uar"), protocol)
        for protocol in comparison["protocol"].unique(maintain_order=True)
    )


def _section(comparison: pl.DataFrame, pairs: pl.DataFrame, protocol: str) -> str:
    table = comparison.filter(protocol=protocol)
    whole = table.filter(metric="uar").row(0, named=True)
    heading = with_sharing(protocol, whole["students_shared"])
    lines = [f"## {heading}: {whole['clips']} clips, {whole['subjects']} students", ""]
    extra = [name for name in ("ceiling", "quoted") if name in table.columns and table[name].is_not_null().any()]
    metrics = table["metric"].unique(maintain_order=True)
    lines += _table(
        ["", "UAR %", *(f"{name} UAR %" for name in extra), *(_title(metric) for metric in metrics if metric != "uar")],
        [
            [
                model + ("" if kind == "ablation" else f" ({kind})"),
                _cell(of_model["uar"], interval=True),
                *(_percent(of_model["uar"][name]) for name in extra),
                *(_cell(of_model[metric], interval=metric == "war") for metric in metrics if metric != "uar"),
            ]
            for (model, kind), of_model in _scores_of_models(table)
        ],
    )
    if len(pairs):
        lines += ["", "Differences of UAR in points; p by permutation of students, Holm-corrected:", ""]
        lines += _table(
            ["", "difference", "p"],
            [
                [
                    f"{row['a']} − {row['b']}",
                    f"{_points(row['difference'])} [{_points(row['low'])}, {_points(row['high'])}]",
                    f"{row['p_holm']:.3f}",
                ]
                for row in pairs.iter_rows(named=True)
            ],
        )
    return "\n".join([*lines, "", *(f"- {note}" for note in notes(comparison, protocol)), ""])


def _scores_of_models(table: pl.DataFrame) -> Iterable[tuple[tuple[str, str], dict[str, dict]]]:
    for coordinates, rows in table.group_by("model", "kind", maintain_order=True):
        yield coordinates, {row["metric"]: row for row in rows.iter_rows(named=True)}


def _title(metric: str) -> str:
    return {"war": "WAR %", "macro_f1": "macro F1 %"}.get(metric, metric.removeprefix("recall/"))


def _percent(value: float | None) -> str:
    return "" if value is None or value != value else f"{100 * value:.1f}"


def _points(difference: float) -> str:
    return f"{round(100 * difference, 1) + 0:+.1f}"  # + 0: there is no -0.0


def _cell(row: Mapping, interval: bool) -> str:
    between = f" [{_percent(row['low'])}, {_percent(row['high'])}]{'*' if row['few_students'] else ''}"
    return _percent(row["value"]) + (between if interval else "")


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table, its columns padded so that it reads well as plain text too."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in [heading, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heading))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]
