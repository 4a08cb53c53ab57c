"""Prediction tables as numbers: replicates and the confusion counts of their students."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from clip_caer.errors import reject


def number(predictions: pl.DataFrame, classes: Sequence[str]) -> pl.DataFrame:
    """The table with replicate, student, true and guess: numbers from 0. Sorted by replicate and clip.

    Replicates are numbered in the order of (repeat, seed), students in that of their names, and classes as given; a
    table without the column `repeat` has one. Raises UserError where a class is unknown, or where a replicate does not
    hold every clip once.
    """
    if "repeat" not in predictions.columns:
        predictions = predictions.with_columns(repeat=pl.lit(1, pl.Int64))
    _check(predictions, classes)
    of_class = {name: k for k, name in enumerate(classes)}
    return predictions.with_columns(
        replicate=pl.struct("repeat", "seed").rank("dense").cast(pl.Int64) - 1,
        student=pl.col("subject").rank("dense").cast(pl.Int64) - 1,
        true=pl.col("label").replace_strict(of_class, return_dtype=pl.Int64),
        guess=pl.col("predicted").replace_strict(of_class, return_dtype=pl.Int64),
    ).sort("replicate", "clip_id")


def _check(predictions: pl.DataFrame, classes: Sequence[str]) -> None:
    named = pl.concat([predictions["label"], predictions["predicted"]]).unique().sort()
    problems = [f"{name!r} is not one of the classes {', '.join(classes)}" for name in named if name not in classes]
    clips = predictions["clip_id"].n_unique()
    held = predictions.group_by("repeat", "seed").agg(rows=pl.len(), clips=pl.col("clip_id").n_unique())
    problems += [
        f"repeat {row['repeat']}, seed {row['seed']}: {row['rows']} rows of {row['clips']} clips, expected each of "
        f"{clips} clips once; pool the test predictions of all folds of a repeat"
        for row in held.sort("repeat", "seed").iter_rows(named=True)
        if not row["rows"] == row["clips"] == clips
    ]
    reject(problems, "The prediction table cannot be scored")


def student_confusions(predictions: pl.DataFrame, classes: Sequence[str]) -> np.ndarray:
    """Confusion counts float64 [replicates, students, K, K] (rows true, columns predicted) of a prediction table.

    Students stand in the order of their names. Raises UserError as `number`.
    """
    return count(number(predictions, classes), len(classes))


def count(numbered: pl.DataFrame, classes: int) -> np.ndarray:
    """Confusion counts [replicates, students, K, K] of a table of `number`."""
    shape = (numbered["replicate"].max() + 1, numbered["student"].max() + 1, classes, classes)
    columns = [numbered[name].to_numpy() for name in ("replicate", "student", "true", "guess")]
    cells = np.ravel_multi_index(columns, shape)
    return np.bincount(cells, minlength=np.prod(shape)).reshape(shape).astype(float)
