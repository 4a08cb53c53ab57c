"""The comparison as tables that read well as plain text."""

from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from clip_caer.comparison.wording import (
    METRICS,
    interval,
    kinds_of,
    known,
    model_names,
    notes,
    p_value,
    percent,
    points,
    protocol_names,
)


def comparison_markdown(comparison: pl.DataFrame, pairs: pl.DataFrame) -> str:
    """A section a protocol: a line a model, then the differences, then what to beware of.

    comparison: with warnings. pairs: what `compare_pairs` gives. Scores in percent, with 95 % intervals over students.
    """
    return "\n".join(
        _section(comparison.filter(protocol=protocol), pairs.filter(protocol=protocol, metric="uar"), protocol, name)
        for protocol, name in protocol_names(comparison).items()
    )


def _section(comparison: pl.DataFrame, pairs: pl.DataFrame, protocol: str, name: str) -> str:
    whole = comparison.filter(metric="uar").row(0, named=True)
    lines = [f"## {name}: {whole['clips']} clips, {whole['subjects']} students", "", *_scores(comparison)]
    if len(pairs):
        lines += ["", "Differences of UAR in points; p by permutation of students, Holm-corrected:", ""]
        lines += _table(["", "difference", "test"], [_pair(row) for row in pairs.iter_rows(named=True)])
    return "\n".join([*lines, "", *(f"- {note}" for note in notes(comparison, protocol)), ""])


def _scores(comparison: pl.DataFrame) -> list[str]:
    known_uars = [name for name in ("ceiling", "quoted") if name in comparison.columns]
    known_uars = [name for name in known_uars if comparison[name].is_not_null().any()]
    others = [metric for metric in comparison["metric"].unique(maintain_order=True) if metric != "uar"]
    titles = [f"{METRICS[metric]} %" if metric in METRICS else metric.removeprefix("recall/") for metric in others]
    rows, names = [], model_names(comparison)
    for model, kind in kinds_of(comparison).items():
        scores = {row["metric"]: row for row in comparison.filter(model=model).iter_rows(named=True)}
        rows.append(
            [
                names[model] + ("" if kind == "ablation" else f" ({kind})"),
                _with_interval(scores["uar"]),
                *(percent(value) if known(value := scores["uar"][name]) else "" for name in known_uars),
                *(_with_interval(scores[m]) if m == "war" else percent(scores[m]["value"]) for m in others),
            ]
        )
    return _table(["", "UAR %", *(f"{name} UAR %" for name in known_uars), *titles], rows)


def _with_interval(row: Mapping) -> str:
    return f"{percent(row['value'])} {interval(row['low'], row['high'])}{'*' if row['few_students'] else ''}"


def _pair(row: Mapping) -> list[str]:
    between = f"[{points(row['low'])}, {points(row['high'])}]"
    return [
        f"{row['a']} − {row['b']}",
        f"{points(row['difference'])} {between}",
        p_value(row["p_holm"]),
    ]


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table, its columns padded."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in [heading, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heading))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]
