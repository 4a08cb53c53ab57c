"""How much each view has to do with a decision."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from math import factorial

import torch

from clip_caer.trained.model import Trained


def decide(
    trained: Trained, features: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor]
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Probabilities [B, K], and what each view contributes to the predicted class: {view: [B]}, in nats.

    features [B, T, D] and found mask [B, T] of each view. A contribution is the view's Shapley value (Shapley 1953) of
    the log of the predicted class's probability. A view that is left out shows what it shows in other clips: the
    probability is the mean over the run's background, clips of its train role. A contribution is above 0 where the
    view speaks for the decision, below 0 where it speaks against it; together they are what the log probability is
    above that of a clip of which nothing is known.
    """
    with torch.inference_mode():
        seen = trained.seen(features, found)
        whole = trained.log_probabilities(trained.classify(seen)).exp()
        predicted = whole.argmax(1, keepdim=True)
        values = {
            views: _probabilities(trained, seen, views).gather(1, predicted)[:, 0].log()
            for views in _subsets(trained.views)
        }
    return whole, shapley(trained.views, values.__getitem__)


def _probabilities(trained: Trained, seen: torch.Tensor, views: frozenset[str]) -> torch.Tensor:
    """Mean probabilities [B, K] of clips that are known in `views` only; seen: [B, views, D]."""
    known = torch.tensor([view in views for view in trained.views], device=seen.device)[:, None]
    mixed = torch.where(known, seen[:, None], trained.background)  # [B, N, views, D]
    logits = trained.classify(mixed.flatten(0, 1))
    return trained.log_probabilities(logits).exp().unflatten(0, mixed.shape[:2]).mean(1)


def shapley(players: Sequence[str], value: Callable[[frozenset[str]], torch.Tensor]) -> dict[str, torch.Tensor]:
    """Each player's mean gain in `value` over all orders in which the players may join; exact, 2^n values."""
    n, gains = len(players), {}
    for player in players:
        others = [other for other in players if other != player]
        gains[player] = sum(
            (value(before | {player}) - value(before)) * (factorial(len(before)) * factorial(n - 1 - len(before)))
            for before in _subsets(others)
        ) / factorial(n)
    return gains


def shares(contributions: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Each view's part of what speaks for the decision, 0–1, adding up to 1; NaN where nothing does."""
    positive = {view: contribution.clamp(min=0) for view, contribution in contributions.items()}
    total = sum(positive.values())
    return {view: contribution / total for view, contribution in positive.items()}


def _subsets(players: Sequence[str]) -> list[frozenset[str]]:
    return [frozenset(chosen) for size in range(len(players) + 1) for chosen in combinations(players, size)]
