"""Scores of predictions. All are functions of the confusion matrix, so they can be resampled cheaply."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from clip_caer.errors import UserError
from clip_caer.protocol.votes import vote_shares


def confusion_matrix(true: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts float64 [K, K], rows true, columns predicted, from class numbers [N]."""
    return np.bincount(true * classes + predicted, minlength=classes * classes).reshape(classes, classes).astype(float)


def recall(confusion: np.ndarray) -> np.ndarray:
    """Recall of each class in 0–1, [..., K] from [..., K, K]; NaN for a class without clips."""
    clips = confusion.sum(-1)
    return np.divide(confusion.diagonal(0, -2, -1), clips, out=np.full(clips.shape, np.nan), where=clips > 0)


def uar(confusion: np.ndarray) -> np.ndarray:
    """Unweighted average recall in 0–1, [...]: the mean over the classes that have clips."""
    of_class = recall(confusion)
    return np.nansum(of_class, -1) / np.maximum((~np.isnan(of_class)).sum(-1), 1)


def war(confusion: np.ndarray) -> np.ndarray:
    """Weighted average recall in 0–1, [...]: the accuracy."""
    return confusion.diagonal(0, -2, -1).sum(-1) / confusion.sum((-2, -1))


def macro_f1(confusion: np.ndarray) -> np.ndarray:
    """Mean F1 in 0–1, [...], over the classes that have clips, as of `uar`: one stray guess makes no further class."""
    clips = confusion.sum(-1)
    f1 = np.divide(
        2 * confusion.diagonal(0, -2, -1), clips + confusion.sum(-2), out=np.zeros(clips.shape), where=clips > 0
    )
    return f1.sum(-1) / np.maximum((clips > 0).sum(-1), 1)


def scores(confusion: np.ndarray, classes: Sequence[str]) -> dict[str, np.ndarray]:
    """Every reported score by name, each [...] from [..., K, K]: uar, war, macro_f1, recall/{class}."""
    of_class = recall(confusion)
    return {
        "uar": uar(confusion),
        "war": war(confusion),
        "macro_f1": macro_f1(confusion),
        **{f"recall/{name}": of_class[..., k] for k, name in enumerate(classes)},
    }


def prediction_table(clips: pl.DataFrame, logits: np.ndarray, classes: Sequence[str]) -> pl.DataFrame:
    """One row a clip: clip_id, subject, setting, role, label, predicted, and over the classes: probability, votes.

    clips: rows of the index with their role; logits float [clips, K] in the same order. votes: as shares, or null.
    Raises UserError for logits that are not finite: their largest would be taken for the first class.
    """
    if not (finite := np.isfinite(logits).all(axis=1)).all():
        clip_id = clips["clip_id"][int(finite.argmin())]
        raise UserError(f"the prediction for clip {clip_id!r} is not finite. Look at its features, or lower train.lr.")
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    probability = shifted / shifted.sum(axis=1, keepdims=True)
    return clips.select("clip_id", "subject", "setting", "role", "label").with_columns(
        pl.Series("predicted", [classes[k] for k in logits.argmax(axis=1)], dtype=pl.String),
        pl.Series("probability", probability.tolist(), dtype=pl.List(pl.Float64)),
        vote_shares(clips),
    )


def confusion_of(predictions: pl.DataFrame, classes: Sequence[str]) -> np.ndarray:
    """Confusion matrix [K, K] of a prediction table."""
    number = {name: k for k, name in enumerate(classes)}
    true, predicted = (
        predictions[column].replace_strict(number, return_dtype=pl.Int64).to_numpy()
        for column in ("label", "predicted")
    )
    return confusion_matrix(true, predicted, len(classes))
