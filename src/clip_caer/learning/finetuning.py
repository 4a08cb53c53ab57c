"""Regime `finetuned`: CLIP's image encoder learns too."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn
from torch.nn.utils import parametrize

from clip_caer.errors import UserError
from clip_caer.learning.model import ClipCaer


class EndToEnd(nn.Module):
    """Logits from crops: the image encoder in front of a ClipCaer.

    visual: CLIP's image tower. mean, std: of its preprocessing, in 0–1. The encoder computes in evaluation mode always:
    it has no dropout, and the statistics of a batch norm are not to be changed by a few clips.
    """

    def __init__(self, visual: nn.Module, caer: ClipCaer, mean: Sequence[float], std: Sequence[float]):
        super().__init__()
        self.visual, self.caer = visual, caer
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1) * 255, persistent=False)

    def train(self, mode: bool = True) -> "EndToEnd":
        super().train(mode)
        self.visual.eval()
        return self

    def forward(self, crops: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """crops uint8 [B, T, 3, S, S] and found bool [B, T] of each view → logits [B, K]."""
        return self.caer(self.encode(crops, found), found)

    def encode(self, crops: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """→ features [B, T, D] of each view. Frames that are not found are not encoded."""
        # Where they are is asked of a GPU once, before it has much to do.
        rows = {view: of_view.flatten().nonzero()[:, 0] for view, of_view in found.items()}
        features = {}
        for view, pixels in crops.items():
            of_view = self.mean.new_zeros(found[view].numel(), self.visual.output_dim)
            if len(rows[view]):
                shown = pixels.flatten(0, 1)[rows[view]].contiguous()
                of_view = of_view.index_put((rows[view],), self.visual((shown - self.mean) / self.std).float())
            features[view] = of_view.unflatten(0, found[view].shape)
        return features

    def parts(self) -> dict[str, nn.Module]:
        """What learns, by the names of the learning rates."""
        return {"encoder": self.visual, **self.caer.parts()}


class LowRank(nn.Module):
    """A weight [out, in] plus a learned product of two thin matrices, at first zero (LoRA, Hu et al. 2022)."""

    def __init__(self, weight: torch.Tensor, rank: int):
        super().__init__()
        self.down = nn.Parameter(torch.randn(rank, weight.shape[1]) / weight.shape[1] ** 0.5)
        self.up = nn.Parameter(torch.zeros(weight.shape[0], rank))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight + self.up @ self.down


def unfreeze(visual: nn.Module, blocks: str | int, lora_rank: int = 0) -> None:
    """Let the image tower learn: `all` of it, or its last `blocks`; with a rank, low-rank changes of its weights only.

    Raises UserError if the tower has no transformer blocks to choose from.
    """
    layers = getattr(getattr(visual, "transformer", None), "resblocks", None)
    if layers is None and (blocks != "all" or lora_rank):
        raise UserError("train.encoder_blocks, train.lora_rank: this image encoder is no transformer; use all and 0.")
    chosen = visual if blocks == "all" else nn.ModuleList(list(layers)[-blocks:])
    if not lora_rank:
        chosen.requires_grad_(True)
        return
    for module in (chosen if blocks != "all" else layers).modules():
        names = ["in_proj_weight"] if isinstance(module, nn.MultiheadAttention) else []
        names = ["weight"] if isinstance(module, nn.Linear) else names
        for name in names:
            parametrize.register_parametrization(module, name, LowRank(getattr(module, name), lora_rank))
