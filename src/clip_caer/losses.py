"""The training loss: cross-entropy, and what helps where classes are rare."""

from collections.abc import Mapping

import torch
from torch import nn


class Loss(nn.Module):
    """Cross-entropy of logits [B, K] against labels [B].

    weight: of each class, [K]. prior: what is added to the logits in training, [K]. smoothing: share in 0-1 of the
    target that is spread over all classes.
    """

    def __init__(self, weight: torch.Tensor, prior: torch.Tensor, smoothing: float):
        super().__init__()
        self.smoothing = smoothing
        self.register_buffer("weight", weight)
        self.register_buffer("prior", prior)

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        each = nn.functional.cross_entropy(
            logits + self.prior, labels, self.weight, reduction="none", label_smoothing=self.smoothing
        )
        return each.mean()


def make_loss(labels: torch.Tensor, classes: int, settings: Mapping) -> Loss:
    """The loss for training labels int64 [clips] of so many classes. settings: the section train.loss of the config.

    balance: `classes` weights each class by the inverse of its clips (mean weight of a clip 1); `none` does not.
    logit_adjustment: this times the log of a class's share is added to its logit in training, so that rare classes are
    not underrated (Menon et al. 2021); 0 for none. label_smoothing: 0 for none. The original uses none of them.
    """
    clips = torch.bincount(labels, minlength=classes).float().clamp(min=1)
    weight = clips.sum() / (clips * classes) if settings["balance"] == "classes" else torch.ones(classes)
    prior = settings["logit_adjustment"] * (clips / clips.sum()).log()
    return Loss(weight, prior, settings["label_smoothing"])
