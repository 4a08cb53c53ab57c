"""Does a model know how sure it may be? Proper scores, calibration error, and one temperature fitted on validation.

Probabilities are [N, K], targets are class numbers [N] or distributions [N, K] (the votes of annotators). A probability
of 0 counts as `LEAST`, so that one sure mistake does not make a score infinite.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl
from scipy.optimize import minimize_scalar

LEAST = 1e-12
HOTTEST = 20.0  # temperatures are sought in 1/20–20
BINS = 15


def nll(probability: np.ndarray, target: np.ndarray) -> float:
    """Mean negative log-likelihood in nats; of a distribution as target, the cross-entropy."""
    return float(-(_distribution(target, probability) * np.log(np.maximum(probability, LEAST))).sum(1).mean())


def brier(probability: np.ndarray, target: np.ndarray) -> float:
    """Mean squared distance to the target in 0–2, summed over the classes (Brier 1950)."""
    return float(((probability - _distribution(target, probability)) ** 2).sum(1).mean())


def ece(probability: np.ndarray, label: np.ndarray) -> float:
    """Expected calibration error in 0–1: the mean of |accuracy − confidence| over 15 equal bins of confidence."""
    table = reliability(probability, label)
    gap = (table["accuracy"] - table["confidence"]).abs().fill_nan(0.0)
    return float((gap * table["clips"]).sum() / table["clips"].sum())


def reliability(probability: np.ndarray, label: np.ndarray) -> pl.DataFrame:
    """15 equal bins of confidence: low, high (edges), confidence and accuracy (means; NaN if empty), clips."""
    confidence, right = probability.max(1), probability.argmax(1) == label
    bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    clips = np.bincount(bins, minlength=BINS)
    means = {
        name: np.divide(np.bincount(bins, values, BINS), clips, out=np.full(BINS, np.nan), where=clips > 0)
        for name, values in (("confidence", confidence), ("accuracy", right))
    }
    edges = np.arange(BINS + 1) / BINS
    return pl.DataFrame({"low": edges[:-1], "high": edges[1:], **means, "clips": clips.astype(float)})


def fit_temperature(probability: np.ndarray, label: np.ndarray) -> float:
    """The temperature in 1/20–20 by which the logits must be divided for the smallest NLL; 1 where none is smaller.

    Guo et al., On Calibration of Modern Neural Networks, ICML 2017. label: class numbers [N]. Where every clip is right
    (or there is none) the likelihood has no best temperature, only ever colder ones: then 1 too.
    """
    if (probability.argmax(1) == label).all():
        return 1.0

    def loss(log: float) -> float:
        return nll(apply_temperature(probability, np.exp(log)), label)

    reach = np.log(HOTTEST)
    found = minimize_scalar(loss, bounds=(-reach, reach), method="bounded")
    return float(np.exp(found.x)) if found.fun < loss(0) - 1e-9 else 1.0


def apply_temperature(probability: np.ndarray, temperature: float | np.ndarray) -> np.ndarray:
    """Probabilities [N, K] of the logits divided by `temperature`: one, or one a row."""
    logits = np.log(np.maximum(probability, LEAST)) / np.reshape(temperature, (-1, 1))
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    return shifted / shifted.sum(1, keepdims=True)


def add_temperature(predictions: pl.DataFrame, classes: Sequence[str]) -> pl.DataFrame:
    """The predictions of one run with a column `temperature`, fitted on its clips of role val."""
    val = predictions.filter(role="val")
    return predictions.with_columns(
        temperature=pl.lit(fit_temperature(_probability(val, classes), _label(val, classes)))
    )


def calibration_table(pooled: Mapping[tuple[str, str], pl.DataFrame], classes: Sequence[str]) -> pl.DataFrame:
    """Calibration of each model on test clips, before and after each run's own temperature.

    pooled: (protocol, model) → prediction table. Columns: protocol, model, temperature (mean), and for state before and
    after: nll_, brier_, ece_ against labels, soft_nll_, soft_brier_ against votes, over the clips that have some (null
    where none has). Each is computed in every replicate and averaged.
    """
    rows = []
    for (protocol, model), predictions in pooled.items():
        keys = [key for key in ("repeat", "seed") if key in predictions.columns]
        replicates = [_scores(of, classes) for _, of in predictions.group_by(keys, maintain_order=True)]
        mean = pl.DataFrame(replicates, schema=dict.fromkeys(replicates[0], pl.Float64)).mean()
        rows.append(
            mean.select(
                pl.lit(protocol).alias("protocol"),
                pl.lit(model).alias("model"),
                pl.lit(predictions["temperature"].mean()).alias("temperature"),
                pl.all(),
            )
        )
    return pl.concat(rows)


def _scores(predictions: pl.DataFrame, classes: Sequence[str]) -> dict[str, float | None]:
    label = _label(predictions, classes)
    voted = predictions["votes"].is_not_null().to_numpy()
    votes = np.array(predictions["votes"].drop_nulls().to_list())
    return {
        f"{name}_{state}": value
        for state, probability in _states(predictions, classes)
        for name, value in {
            "nll": nll(probability, label),
            "brier": brier(probability, label),
            "ece": ece(probability, label),
            "soft_nll": nll(probability[voted], votes) if voted.any() else None,
            "soft_brier": brier(probability[voted], votes) if voted.any() else None,
        }.items()
    }


def reliability_table(pooled: Mapping[tuple[str, str], pl.DataFrame], classes: Sequence[str]) -> pl.DataFrame:
    """`reliability` of each model on test clips: protocol, model, state (before | after its temperature), its columns.

    All replicates together; clips is the mean number in one of them. Bins without clips are left out.
    """
    parts = []
    for (protocol, model), predictions in pooled.items():
        replicates = len(predictions) / predictions["clip_id"].n_unique()
        for state, probability in _states(predictions, classes):
            of_state = reliability(probability, _label(predictions, classes)).filter(pl.col("clips") > 0)
            named = (
                pl.lit(value).alias(name)
                for name, value in (("protocol", protocol), ("model", model), ("state", state))
            )
            parts.append(of_state.select(*named, pl.all().exclude("clips"), pl.col("clips") / replicates))
    return pl.concat(parts)


def _states(predictions: pl.DataFrame, classes: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
    probability = _probability(predictions, classes)
    yield "before", probability
    yield "after", apply_temperature(probability, predictions["temperature"].to_numpy())


def _probability(predictions: pl.DataFrame, classes: Sequence[str]) -> np.ndarray:
    return predictions["probability"].list.to_array(len(classes)).to_numpy()


def _label(predictions: pl.DataFrame, classes: Sequence[str]) -> np.ndarray:
    return (
        predictions["label"]
        .replace_strict({name: k for k, name in enumerate(classes)}, return_dtype=pl.Int64)
        .to_numpy()
    )


def _distribution(target: np.ndarray, probability: np.ndarray) -> np.ndarray:
    return target if target.ndim == 2 else np.eye(probability.shape[1])[target]
