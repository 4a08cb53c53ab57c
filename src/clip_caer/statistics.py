"""Intervals for scores, as pure functions over prediction tables."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from clip_caer.evaluation import confusion_of, scores


def student_confusions(predictions: pl.DataFrame, classes: Sequence[str]) -> np.ndarray:
    """Confusion counts [seeds, students, K, K] of a prediction table with a column `seed`."""
    students = predictions["subject"].unique().sort()
    return np.stack(
        [
            [confusion_of(of_seed.filter(pl.col("subject") == student), classes) for student in students]
            for _, of_seed in predictions.sort("seed").group_by("seed", maintain_order=True)
        ]
    )


def bootstrap_scores(
    predictions: pl.DataFrame, classes: Sequence[str], resamples: int, seed: int, level: float = 0.95
) -> pl.DataFrame:
    """Every score with its percentile interval, resampling students: metric, value, low, high, clips, subjects, seeds.

    The clips of one student are alike, so students, not clips, are what could have been otherwise. A score is the mean
    over the seeds; all seeds see the same resample. clips and subjects count what the score is measured on: for a
    recall, those of its class. Values in 0–1.
    """
    confusions = student_confusions(predictions, classes)
    seeds, students = confusions.shape[:2]
    drawn = np.random.default_rng(seed).multinomial(students, np.full(students, 1 / students), size=resamples)
    resampled = np.einsum("rn,snij->srij", drawn.astype(float), confusions)
    value = scores(confusions.sum(1), classes)
    rows = []
    for metric, repeats in scores(resampled, classes).items():
        edges = np.nanpercentile(repeats.mean(0), [50 * (1 - level), 50 * (1 + level)])
        measured = (
            predictions.filter(pl.col("label") == metric.removeprefix("recall/")) if "/" in metric else predictions
        )
        rows.append(
            {
                "metric": metric,
                "value": float(value[metric].mean()),
                "low": float(edges[0]),
                "high": float(edges[1]),
                "clips": measured["clip_id"].n_unique(),
                "subjects": measured["subject"].n_unique(),
                "seeds": seeds,
            }
        )
    return pl.DataFrame(rows)
