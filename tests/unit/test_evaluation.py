"""Scores equal scikit-learn's."""

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, recall_score

from clip_caer.errors import UserError
from clip_caer.protocol.evaluation import confusion_matrix, prediction_table, recall, scores, uar

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


def test_a_stray_guess_of_a_class_without_clips_costs_no_more_than_another_mistake():
    true = np.array([0] * 10 + [1] * 10)
    stray, mistake = (np.append(true[:-1], guess) for guess in (2, 0))
    stray, mistake = (scores(confusion_matrix(true, guessed, 3), CLASSES) for guessed in (stray, mistake))
    assert stray["uar"] == mistake["uar"]
    assert stray["macro_f1"] == pytest.approx(mistake["macro_f1"], abs=0.03)


def test_a_prediction_that_is_not_finite_is_told():
    with pytest.raises(UserError, match="clip 'x' is not finite"):
        prediction_table(indexed_clip(votes=None), np.array([[np.nan, 3.0, 2.0]]), CLASSES)


def indexed_clip(votes):
    row = {"clip_id": "x", "subject": "s", "setting": None, "role": "test", "label": "a", "votes": votes}
    return pl.DataFrame([row], schema_overrides={"votes": pl.List(pl.Float64)})


def test_probabilities_of_a_prediction_table_are_the_softmax():
    table = prediction_table(indexed_clip(votes=None), np.array([[1.0, 3.0, 2.0]]), CLASSES)
    assert table["predicted"].to_list() == ["b"]
    assert table["probability"][0].to_list() == pytest.approx([0.0900, 0.6652, 0.2447], abs=1e-4)


@pytest.mark.parametrize(("votes", "shares"), [([3.0, 1.0, 0.0], [0.75, 0.25, 0.0]), (None, None)])
def test_votes_stand_in_a_prediction_table_as_shares(votes, shares):
    table = prediction_table(indexed_clip(votes), np.zeros((1, 3)), CLASSES)
    assert table["votes"].to_list() == [shares]
