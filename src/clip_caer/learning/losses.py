"""The training loss: cross-entropy, and what helps where classes are rare."""

from collections.abc import Mapping

import torch
from torch import nn

from clip_caer.errors import UserError
from clip_caer.learning.clips import Clips


class Loss(nn.Module):
    """Cross-entropy of logits [B, K] against labels int64 [B] or soft labels float [B, K].

    weight: of each class, [K]. prior: what is added to the logits in training, [K]. smoothing: share in 0-1 of the
    target that is spread over all classes.
    """

    def __init__(self, weight: torch.Tensor, prior: torch.Tensor, smoothing: float):
        super().__init__()
        self.smoothing = smoothing
        self.register_buffer("weight", weight)
        self.register_buffer("prior", prior)

    def forward(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        each = nn.functional.cross_entropy(
            logits + self.prior, targets, self.weight, reduction="none", label_smoothing=self.smoothing
        )
        return each.mean()


def training_targets(clips: Clips, target: str) -> torch.Tensor:
    """What a model learns of each clip: its label, int64 [clips], or the shares of its votes, float32 [clips, K].

    target: label | votes. Raises UserError for votes where no clip has any.
    """
    if target == "label":
        return clips.labels
    if clips.soft_labels is None:
        raise UserError(
            "train.loss.target: no clip of the train role has votes. Add the column `votes` to the sheet, or set label."
        )
    return clips.soft_labels


def make_loss(targets: torch.Tensor, classes: int, settings: Mapping) -> Loss:
    """The loss for training targets of so many classes (see `training_targets`), a soft label counting by its shares.

    settings: the section train.loss of the config.

    balance: `classes` weights each class by the inverse of its clips (mean weight of a clip 1); `none` does not.
    logit_adjustment: this times the log of a class's share is added to its logit in training, so that rare classes are
    not underrated (Menon et al. 2021); 0 for none. label_smoothing: 0 for none. The original uses none of them.
    """
    clips = torch.bincount(targets, minlength=classes) if targets.dim() == 1 else targets.sum(0)
    clips = clips.float().clamp(min=1)
    weight = clips.sum() / (clips * classes) if settings["balance"] == "classes" else torch.ones(classes)
    prior = settings["logit_adjustment"] * (clips / clips.sum()).log()
    return Loss(weight, prior, settings["label_smoothing"])
