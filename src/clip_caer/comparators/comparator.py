"""What a comparator is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Comparator:
    """A method of the field, described as an ablation is, and the network if it has one of its own.

    changes: what it changes of the config, as a line of `ablations`; without `views` it sees those of the widest
    ablation. `train.regime` is among them: `frozen` trains on cached features, `finetuned` on cached crops.
    build(width, settings): the untrained network, for features of this width (of CLIP's embedding) and the model's
    settings; it takes the inputs that its clips draw, gives logits [B, K], and has parts(), whose names are among the
    learning rates. None: ClipCaer with these changes.
    """

    changes: Mapping[str, Any]
    build: Callable[[int, Mapping], nn.Module] | None = None
