"""Training: the same seed gives the same numbers, the best validation epoch is kept, trouble is told."""

import pytest
import torch

from clip_caer.caching.features import FeatureTable
from clip_caer.errors import UserError
from clip_caer.learning.clips import FeatureClips
from clip_caer.learning.model import ClipCaer
from clip_caer.learning.training import predict, train, validate

WIDTH, CLASSES = 8, 3
SETTINGS = {
    "segments": 4,
    "epochs": 12,
    "batch": 8,
    "accumulate": 1,
    "prompts_every": 1,
    "sampling": "whole",
    "flip": "together",
    "loss": {"target": "label", "balance": "none", "logit_adjustment": 0, "label_smoothing": 0},
    "optimizer": "adamw",
    "lr": {"temporal": 3e-3, "fusion": 3e-3, "prompts": 3e-3},
    "weight_decay": 0.01,
    "schedule": "cosine",
}


class FixedTexts(torch.nn.Module):
    """Stands for the prompts: one fixed direction a class; notes from how many steps it would have learned."""

    def __init__(self):
        super().__init__()
        self.held, self.learned_from = None, []

    def forward(self):
        return torch.eye(CLASSES, WIDTH)

    def hold(self):
        self.held = True

    def learn(self, steps):
        self.held = None
        self.learned_from.append(steps)


def build():
    temporal = {"segments": 4, "layers": 1, "heads": 2, "head_width": 4, "mlp_width": 16, "dropout": 0.1}
    return ClipCaer(["face", "context"], WIDTH, FixedTexts(), temporal)


def clips(n, seed, noise=0.3):
    """Clips of 3 to 9 frames; the class is told by the sum of both views only."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, CLASSES, (n,), generator=random)
    length = torch.randint(3, 10, (n,), generator=random)
    table = {}
    hidden = torch.randn(n, WIDTH, generator=random)
    signal = torch.nn.functional.one_hot(labels, WIDTH).float() * 2
    for view, sign in (("face", 1), ("context", -1)):
        frames = (sign * hidden + signal).repeat_interleave(length, 0)
        frames = frames + noise * torch.randn(frames.shape, generator=random)
        table[view] = FeatureTable.of(
            [(f"c{i}", "sha", rows) for i, rows in enumerate(length.tolist())],
            torch.stack([frames, frames], 1).half(),
            torch.rand(len(frames), generator=random) > 0.1,
            {},
        )
    return FeatureClips(table, labels)


@pytest.fixture(scope="module")
def roles():
    return clips(120, 0), clips(60, 1)


def test_what_can_be_learned_is_learned(roles):
    trained = train(build, *roles, CLASSES, SETTINGS, seed=1)
    assert trained.history[trained.best_epoch - 1]["val/uar"] > 0.85
    assert trained.history[-1]["train/loss"] < trained.history[0]["train/loss"]


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(roles):
    first, again, other = (train(build, *roles, CLASSES, SETTINGS | {"epochs": 2}, seed=s) for s in (1, 1, 2))
    assert all(torch.equal(first.learned[name], again.learned[name]) for name in first.learned)
    assert first.history == again.history
    assert not all(torch.equal(first.learned[name], other.learned[name]) for name in first.learned)


def test_the_kept_weights_are_those_of_the_best_validation_epoch(roles):
    trained = train(build, *roles, CLASSES, SETTINGS | {"lr": dict.fromkeys(SETTINGS["lr"], 0.03)}, seed=1)
    best = max(trained.history, key=lambda epoch: (epoch["val/uar"], -epoch["val/loss"]))
    assert trained.best_epoch == best["epoch"]
    model = build()
    model.load_state_dict(trained.learned)
    assert validate(model, roles[1], SETTINGS)["val/uar"] == best["val/uar"]


def test_a_loss_that_is_not_finite_stops_with_a_message(roles):
    train_clips, val_clips = roles
    table = train_clips.views["face"]
    broken = FeatureTable.of(table.clips, table.features * torch.inf, torch.ones_like(table.found), {})
    wrong = FeatureClips({"face": broken, "context": train_clips.views["context"]}, train_clips.labels)
    with pytest.raises(UserError, match=r"the loss is nan in epoch 1 \(seed 5\)"):
        train(build, wrong, val_clips, CLASSES, SETTINGS, seed=5)


def test_predictions_do_not_depend_on_the_batch(roles):
    model, val_clips = build().eval(), roles[1]
    whole, parts = (predict(model, val_clips, SETTINGS | {"batch": n}) for n in (100, 7))
    torch.testing.assert_close(whole, parts)


def test_both_views_of_a_clip_are_flipped_together(roles):
    """The two variants of these clips differ in sign, so the sign tells which was drawn."""
    tables = {}
    for view, table in roles[0].views.items():
        variants = torch.stack([table.features[:, 0].abs(), -table.features[:, 0].abs()], 1)
        tables[view] = FeatureTable.of(table.clips, variants, table.found, {})
    clips, many = FeatureClips(tables, roles[0].labels), torch.arange(100)

    def drawn(flip):
        shown, _ = clips.draw(many, SETTINGS | {"flip": flip}, torch.Generator().manual_seed(0))
        return [shown[view].sum((1, 2)) < 0 for view in ("face", "context")]

    face, context = drawn("together")
    assert torch.equal(face, context) and 0.3 < face.float().mean() < 0.7
    assert not torch.equal(*drawn("apart"))
    assert not torch.cat(drawn("off")).any()


@pytest.mark.parametrize(("schedule", "expected"), [("constant", 1.0), ("steps", 0.01), ("cosine", 0.0)])
def test_schedules_end_where_they_should(roles, schedule, expected):
    trained = train(build, *roles, CLASSES, SETTINGS | {"schedule": schedule, "epochs": 4}, seed=1)
    last, start = trained.history[-1]["lr/temporal"], SETTINGS["lr"]["temporal"]
    assert last == pytest.approx(expected * start, abs=start / 100)


def test_prompts_learn_from_several_steps_and_never_beyond_an_epoch(roles):
    built = []
    train(lambda: built.append(build()) or built[0], *roles, CLASSES, SETTINGS | {"epochs": 2, "prompts_every": 4}, 1)
    assert built[0].prompts.learned_from == [4, 4, 4, 3] * 2  # 120 clips are 15 steps


def test_sgd_is_the_originals(roles):
    trained = train(build, *roles, CLASSES, SETTINGS | {"optimizer": "sgd", "epochs": 2}, seed=1)
    assert len(trained.history) == 2
