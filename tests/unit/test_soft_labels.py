"""Soft labels: the shares of the votes are what is learned; a label is the soft label of a unanimous vote."""

from dataclasses import replace

import polars as pl
import pytest
import torch
from test_training import CLASSES, SETTINGS, build, clips

from clip_caer.caching.features import FeatureTable
from clip_caer.errors import UserError
from clip_caer.experiment import with_stores
from clip_caer.learning.clips import FeatureClips
from clip_caer.learning.losses import make_loss, training_targets
from clip_caer.learning.training import train

LOSS = SETTINGS["loss"] | {"target": "votes"}
random = torch.Generator().manual_seed(0)
LABELS = torch.randint(0, CLASSES, (64,), generator=random)
LOGITS = torch.randn(64, CLASSES, generator=random)
ONE_HOT = torch.nn.functional.one_hot(LABELS, CLASSES).float()


@pytest.mark.parametrize("balance", ["none", "classes"])
@pytest.mark.parametrize("adjustment", [0, 1.5])
def test_one_hot_targets_give_the_loss_and_the_gradient_of_labels_to_the_bit(balance, adjustment):
    settings = LOSS | {"balance": balance, "logit_adjustment": adjustment}
    found = []
    for targets in (LABELS, ONE_HOT):
        logits = LOGITS.clone().requires_grad_()
        loss = make_loss(targets, CLASSES, settings)(logits, targets)
        loss.backward()
        found.append((loss, logits.grad))
    assert torch.equal(found[0][0], found[1][0]) and torch.equal(found[0][1], found[1][1])


def test_one_hot_targets_are_smoothed_like_labels():
    settings = LOSS | {"balance": "classes", "label_smoothing": 0.1}
    soft, hard = (make_loss(targets, CLASSES, settings)(LOGITS, targets) for targets in (ONE_HOT, LABELS))
    torch.testing.assert_close(soft, hard)


def test_a_soft_label_costs_the_log_likelihood_of_its_votes():
    soft = torch.softmax(torch.randn(64, CLASSES, generator=random), 1)
    loss = make_loss(soft, CLASSES, LOSS | {"balance": "classes", "logit_adjustment": 1})
    by_class = loss.weight * soft * (LOGITS + loss.prior).log_softmax(1)
    torch.testing.assert_close(loss(LOGITS, soft), -by_class.sum(1).mean())


def test_votes_count_by_their_shares_where_classes_are_weighted():
    soft = torch.tensor([[0.5, 0.5, 0]] * 4 + [[0, 0.25, 0.75]] * 4)
    loss = make_loss(soft, CLASSES, LOSS | {"balance": "classes", "logit_adjustment": 1})
    torch.testing.assert_close(loss.weight, 8 / (3 * torch.tensor([2.0, 3.0, 3.0])))
    torch.testing.assert_close(loss.prior, (torch.tensor([2.0, 3.0, 3.0]) / 8).log())


def index(votes):
    table = {"clip_id": ["a", "b", "c"], "sha256": ["sha"] * 3, "label": ["y", "x", "z"], "votes": votes}
    return pl.DataFrame(table, schema_overrides={"votes": pl.List(pl.Float64)})


def stored(votes):
    features = FeatureTable.of([(c, "sha", 1) for c in "abc"], torch.zeros(3, 2, 4).half(), torch.ones(3).bool(), {})
    return with_stores(index(votes), {"face": features}, ["x", "y", "z"], "features")


def test_clips_have_the_shares_of_their_votes_and_where_there_are_none_their_label():
    found = training_targets(stored([[1, 3, 0], None, [0, 0, 2]]), "votes")
    assert found.tolist() == [[0.25, 0.75, 0], [1, 0, 0], [0, 0, 1]]
    assert found.dtype == torch.float32


def test_labels_are_the_target_unless_votes_are_asked_for():
    assert training_targets(stored([[3, 1, 0], None, None]), "label").tolist() == [1, 0, 2]


def test_a_dataset_without_votes_cannot_be_learned_from_votes():
    with pytest.raises(UserError, match=r"no clip of the train role has votes.*`votes`.*label"):
        training_targets(stored([None] * 3), "votes")


def test_training_follows_the_votes():
    """All clips are labelled otherwise than voted, so that only the votes can teach what is validated."""
    train_clips, val_clips = clips(120, 0), clips(60, 1)
    votes = torch.nn.functional.one_hot(train_clips.labels, CLASSES) * 0.8 + 0.2 / CLASSES
    misled = replace(train_clips, labels=(train_clips.labels + 1) % CLASSES, soft_labels=votes)
    assert isinstance(misled, FeatureClips)
    by_label = train(build, misled, val_clips, CLASSES, SETTINGS, seed=1)
    by_votes = train(build, misled, val_clips, CLASSES, SETTINGS | {"loss": LOSS}, seed=1)
    assert by_votes.history[-1]["val/uar"] > 0.85 > 0.3 > by_label.history[-1]["val/uar"]
