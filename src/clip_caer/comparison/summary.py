"""The comparison: every model under every protocol as one table."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product

import numpy as np
import polars as pl

from clip_caer.protocol.splits import protocol_of, repeat_of
from clip_caer.statistics import interval_table, student_confusions


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
