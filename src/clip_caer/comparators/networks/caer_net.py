"""Two streams and their adaptive fusion; see clip_caer.comparators.caer_net."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

STREAM, HIDDEN = 256, 128  # widths of a stream and of what weighs it; the publication's
UNSEEN = -1e4  # score of a stream that saw nothing; finite, so that a clip in which no stream saw anything has logits


class CaerNet(nn.Module):
    """Logits from frame features. width: of a feature. The streams of a clip have weights that sum to 1."""

    def __init__(self, views: Sequence[str], width: int, classes: int):
        super().__init__()
        self.streams = nn.ModuleDict(
            {view: nn.Sequential(nn.LayerNorm(width), nn.Linear(width, STREAM), nn.ReLU()) for view in views}
        )
        self.scores = nn.ModuleDict(
            {view: nn.Sequential(nn.Linear(STREAM, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1)) for view in views}
        )
        self.classifier = nn.Sequential(nn.Dropout(0.5), nn.Linear(len(views) * STREAM, classes))

    def forward(self, features: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Features [B, T, D] and found bool [B, T] of each view → logits [B, K]."""
        seen, scores = [], []
        for view, stream in self.streams.items():
            mask = found[view][..., None]
            seen.append((stream(features[view]) * mask).sum(1) / mask.sum(1).clamp(min=1))
            scores.append(self.scores[view](seen[-1]).masked_fill(~mask.any(1), UNSEEN))
        weights = torch.stack(scores, dim=1).softmax(dim=1)
        return self.classifier((weights * torch.stack(seen, dim=1)).flatten(1))

    def parts(self) -> dict[str, nn.Module]:
        """What learns, by the names of the learning rates."""
        return {"temporal": self.streams, "fusion": nn.ModuleList([self.scores, self.classifier])}
