"""Scores equal scikit-learn's; intervals resample students."""

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, recall_score

from clip_caer.evaluation import confusion_matrix, prediction_table, recall, scores, uar
from clip_caer.statistics import bootstrap_scores

CLASSES = ["a", "b", "c"]


def test_scores_are_those_of_scikit_learn():
    random = np.random.default_rng(0)
    true, predicted = random.integers(0, 3, 200), random.integers(0, 3, 200)
    found = scores(confusion_matrix(true, predicted, 3), CLASSES)
    assert found["uar"] == pytest.approx(balanced_accuracy_score(true, predicted))
    assert found["war"] == pytest.approx(accuracy_score(true, predicted))
    assert found["macro_f1"] == pytest.approx(f1_score(true, predicted, average="macro"))
    assert [found[f"recall/{name}"] for name in CLASSES] == pytest.approx(recall_score(true, predicted, average=None))


def test_a_class_without_clips_has_no_recall_and_does_not_count():
    confusion = confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 3)
    assert np.isnan(recall(confusion)[2])
    assert uar(confusion) == 0.75


def test_probabilities_of_a_prediction_table_are_the_softmax():
    clips = pl.DataFrame({"clip_id": ["x"], "subject": ["s"], "setting": [None], "role": ["test"], "label": ["a"]})
    table = prediction_table(clips, np.array([[1.0, 3.0, 2.0]]), CLASSES)
    assert table["predicted"].to_list() == ["b"]
    assert table["probability"][0].to_list() == pytest.approx([0.0900, 0.6652, 0.2447], abs=1e-4)


def predictions(hit_rate_of_student, seeds=2, each=10):
    random = np.random.default_rng(1)
    rows = []
    for student, rate in enumerate(hit_rate_of_student):
        for clip in range(each):
            label = CLASSES[clip % 3]
            for seed in range(seeds):
                predicted = label if random.random() < rate else CLASSES[(clip + 1) % 3]
                rows.append((f"{student}-{clip}", f"s{student}", label, predicted, seed))
    return pl.DataFrame(rows, schema=["clip_id", "subject", "label", "predicted", "seed"], orient="row")


def test_intervals_hold_the_value_and_count_what_they_are_measured_on():
    table = bootstrap_scores(predictions([0.7] * 12), CLASSES, resamples=500, seed=0)
    by_metric = {row["metric"]: row for row in table.iter_rows(named=True)}
    assert all(row["low"] <= row["value"] <= row["high"] for row in by_metric.values())
    assert (by_metric["uar"]["clips"], by_metric["uar"]["subjects"], by_metric["uar"]["seeds"]) == (120, 12, 2)
    assert by_metric["recall/a"]["clips"] == 48


def test_students_that_differ_make_the_interval_wider_than_clips_would():
    def width(rates):
        row = bootstrap_scores(predictions(rates), CLASSES, resamples=500, seed=0).filter(metric="war")
        return (row["high"] - row["low"]).item()

    assert width([1.0] * 6 + [0.2] * 6) > 1.5 * width([0.6] * 12)


def test_the_value_is_the_mean_over_seeds():
    table = predictions([0.5] * 5, seeds=3)
    each = [(of.filter(pl.col("label") == pl.col("predicted")).height / of.height) for _, of in table.group_by("seed")]
    found = bootstrap_scores(table, CLASSES, resamples=100, seed=0).filter(metric="war")["value"].item()
    assert found == pytest.approx(np.mean(each))
