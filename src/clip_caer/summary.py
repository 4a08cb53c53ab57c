"""The comparison: every ablation under every protocol, with intervals, as one table."""

from collections.abc import Mapping, Sequence

import polars as pl

from clip_caer.statistics import bootstrap_scores

COLUMNS = ("protocol", "ablation", "metric", "value", "low", "high", "clips", "subjects", "seeds")


def compare(
    predictions: Mapping[tuple[str, str], pl.DataFrame], classes: Sequence[str], resamples: int, seed: int
) -> pl.DataFrame:
    """The comparison table, values in 0–1.

    predictions: (protocol, ablation) → test predictions of all its splits and seeds, pooled, with a column `seed`.
    """
    parts = [
        bootstrap_scores(table, classes, resamples, seed).select(
            pl.lit(protocol).alias("protocol"), pl.lit(ablation).alias("ablation"), pl.all()
        )
        for (protocol, ablation), table in predictions.items()
    ]
    return pl.concat(parts).select(COLUMNS)


def stamped(name: str, selected_on: str) -> str:
    """An ablation's name as it stands on pictures: with a warning, unless its epoch was chosen on `val`."""
    return name if selected_on == "val" else f"{name} (selected on {selected_on})"


def add_selection(comparison: pl.DataFrame, selected_on: Mapping[str, str]) -> pl.DataFrame:
    """Where any ablation's epoch was not chosen on `val`, say in a column `selected_on` where each one's was.

    selected_on: ablation → role.
    """
    if set(selected_on.values()) == {"val"}:
        return comparison
    return comparison.with_columns(selected_on=pl.col("ablation").replace_strict(selected_on))


def add_ceilings(comparison: pl.DataFrame, ceilings: Mapping[str, float], views: Mapping[str, Sequence[str]]):
    """Put the best UAR that the demo's generator allows beside the measured one, in a column `ceiling`.

    ceilings: "context+face" → UAR in 0–1, by sorted view names. views: ablation → its views.
    """
    of_ablation = {ablation: ceilings.get("+".join(sorted(seen))) for ablation, seen in views.items()}
    ceiling = pl.col("ablation").replace_strict(of_ablation, default=None, return_dtype=pl.Float64)
    return comparison.with_columns(pl.when(pl.col("metric") == "uar").then(ceiling).alias("ceiling"))


def as_markdown(comparison: pl.DataFrame) -> str:
    """The table for people: scores in percent with one decimal, one line a score."""
    percent = [name for name in ("value", "low", "high", "ceiling") if name in comparison.columns]
    shown = comparison.with_columns(
        pl.when(pl.col(name).is_null())
        .then(pl.lit(""))
        .otherwise((pl.col(name) * 100).round(1).cast(pl.String))
        .alias(name)
        for name in percent
    )
    lines = ["| " + " | ".join(shown.columns) + " |", "|" + " --- |" * len(shown.columns)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in shown.iter_rows()]
    return "\n".join(lines) + "\n"
