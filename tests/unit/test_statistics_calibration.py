"""Temperatures, proper scores, calibration error, and their tables."""

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import log_loss

from clip_caer.statistics import (
    add_temperature,
    apply_temperature,
    brier,
    calibration_table,
    ece,
    fit_temperature,
    nll,
    reliability_table,
)

CLASSES = ["a", "b", "c"]


def softmax(logits):
    odds = np.exp(logits)
    return odds / odds.sum(1, keepdims=True)


@pytest.fixture
def honest():
    """Probabilities [3000, 3] and labels drawn from them."""
    random = np.random.default_rng(0)
    probability = softmax(random.normal(size=(3000, 3)))
    return probability, np.array([random.choice(3, p=of_clip) for of_clip in probability])


def table_of(probability, label, role="test", seed=0, votes=None, temperature=1.0):
    return pl.DataFrame(
        {
            "clip_id": [f"{number}" for number in range(len(label))],
            "subject": "s",
            "role": role,
            "label": [CLASSES[k] for k in label],
            "predicted": [CLASSES[k] for k in probability.argmax(1)],
            "probability": probability.tolist(),
            "votes": pl.Series(votes or [None] * len(label), dtype=pl.List(pl.Float64)),
            "temperature": temperature,
            "seed": seed,
        }
    )


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_of_made_up_confidence_is_found(honest, temperature):
    probability, label = honest
    bold = apply_temperature(probability, 1 / temperature)
    assert fit_temperature(bold, label) == pytest.approx(temperature, rel=0.06)
    np.testing.assert_allclose(apply_temperature(bold, temperature), probability, atol=1e-9)


def test_probabilities_of_zero_are_borne():
    sure = np.eye(3)[[0, 1, 2, 0, 1]]
    label = np.array([0, 1, 2, 0, 2])
    temperature = fit_temperature(sure, label)
    assert 1 < temperature <= 20
    assert nll(apply_temperature(sure, temperature), label) < nll(sure, label) < np.inf


@pytest.mark.parametrize(
    ("probability", "label"),
    [
        (np.full((4, 3), 1 / 3), np.array([0, 1, 2, 0])),  # nothing to gain
        (np.array([[0.6, 0.3, 0.1]] * 3), np.zeros(3, int)),  # always right: colder for ever
        (np.empty((0, 3)), np.empty(0, int)),
    ],
)
def test_where_no_temperature_is_best_it_is_1(probability, label):
    assert fit_temperature(probability, label) == 1


def test_a_temperature_a_row_is_applied_to_its_row():
    probability = np.array([[0.7, 0.2, 0.1]] * 2)
    found = apply_temperature(probability, np.array([1.0, 2.0]))
    np.testing.assert_allclose(found[0], probability[0])
    np.testing.assert_allclose(found[1], np.sqrt(probability[1]) / np.sqrt(probability[1]).sum())


def test_scores_by_hand():
    probability, label = np.array([[0.8, 0.2, 0.0], [0.3, 0.6, 0.1]]), np.array([0, 0])
    assert nll(probability, label) == pytest.approx(log_loss(label, probability, labels=[0, 1, 2]))
    assert brier(probability, label) == pytest.approx((0.04 + 0.04 + 0.49 + 0.36 + 0.01) / 2)
    assert ece(probability, label) == pytest.approx((0.2 + 0.6) / 2)
    votes = np.array([[0.5, 0.5, 0], [0, 1, 0]])
    assert nll(probability, votes) == pytest.approx(-(0.5 * np.log(0.8 * 0.2) + np.log(0.6)) / 2)
    assert brier(probability, votes) == pytest.approx((0.09 + 0.09 + 0.09 + 0.16 + 0.01) / 2)


def test_honest_probabilities_are_calibrated_and_bold_ones_are_not(honest):
    probability, label = honest
    assert ece(probability, label) < 0.03 < 0.1 < ece(apply_temperature(probability, 0.3), label)


def test_the_temperature_comes_from_val_only(honest):
    probability, label = honest
    val = table_of(apply_temperature(probability, 0.5), label, role="val")
    test = table_of(probability, (label + 1) % 3, role="test")
    found = add_temperature(pl.concat([val, test.select(val.columns)]).drop("temperature"), CLASSES)["temperature"]
    assert found.n_unique() == 1
    assert found[0] == pytest.approx(2, rel=0.06)


def test_each_run_is_scaled_by_its_own_temperature_and_replicates_are_averaged(honest):
    probability, label = honest
    runs = [
        table_of(apply_temperature(probability, 1 / t), label, seed=seed, temperature=t)
        for seed, t in ((1, 2.0), (2, 4.0))
    ]
    row = calibration_table({("k", "m"): pl.concat(runs)}, CLASSES).row(0, named=True)
    assert (row["protocol"], row["model"], row["temperature"]) == ("k", "m", 3)
    assert row["nll_after"] == pytest.approx(nll(probability, label))
    assert row["ece_after"] == pytest.approx(ece(probability, label))
    before = [nll(apply_temperature(probability, 1 / t), label) for t in (2, 4)]
    assert row["nll_before"] == pytest.approx(np.mean(before))
    assert row["soft_nll_before"] is None is row["soft_brier_after"]


def test_votes_are_targets_where_there_are_some():
    probability, label = np.array([[0.8, 0.2, 0.0], [0.3, 0.6, 0.1]]), np.array([0, 1])
    table = table_of(probability, label, votes=[[0.5, 0.5, 0.0], None])
    row = calibration_table({("k", "m"): table}, CLASSES).row(0, named=True)
    assert row["soft_nll_before"] == pytest.approx(-0.5 * np.log(0.8 * 0.2))
    assert row["soft_brier_after"] == pytest.approx(0.18)


def test_reliability_counts_the_clips_of_one_replicate(honest):
    probability, label = honest
    runs = pl.concat([table_of(probability, label, seed=seed, temperature=2.0) for seed in range(3)])
    table = reliability_table({("k", "m"): runs}, CLASSES)
    assert table["state"].unique(maintain_order=True).to_list() == ["before", "after"]
    for _, of_state in table.group_by("state"):
        assert of_state["clips"].sum() == pytest.approx(3000)
        assert ((of_state["low"] < of_state["confidence"]) & (of_state["confidence"] <= of_state["high"])).all()
    before = table.filter(pl.col("clips") > 100, state="before")
    assert (before["accuracy"] - before["confidence"]).abs().max() < 0.12
