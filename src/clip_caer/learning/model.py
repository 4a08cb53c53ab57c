"""CLIP-CAER: a temporal encoder per view, their fusion, and cosine similarity to the class texts (paper, section 3)."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from clip_caer.learning.prompts import PromptLearner

SCALE = 100.0  # cosine similarities become logits; fixed, as CLIP's own temperature after training


class TemporalLayer(nn.Module):
    """One pre-norm transformer layer; heads × head_width need not equal the width."""

    def __init__(self, width: int, heads: int, head_width: int, mlp_width: int, dropout: float):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * heads * head_width, bias=False)
        self.out = nn.Sequential(nn.Linear(heads * head_width, width), nn.Dropout(dropout))
        self.mlp = nn.Sequential(
            nn.Linear(width, mlp_width),
            nn.GELU(approximate="tanh"),
            nn.Dropout(dropout),
            nn.Linear(mlp_width, width),
            nn.Dropout(dropout),
        )

    def forward(self, x: torch.Tensor, seen: torch.Tensor, wanted: int | None = None) -> torch.Tensor:
        """x [B, T, D] → its first `wanted` tokens, or all, [B, wanted, D].

        seen: the tokens that may be attended to, bool [B, T].
        """
        normed = self.norm1(x)
        of_q, of_kv = self.qkv.weight.tensor_split([len(self.qkv.weight) // 3])
        q = nn.functional.linear(normed[:, :wanted], of_q).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k, v = nn.functional.linear(normed, of_kv).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attended = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=seen[:, None, None])
        x = x[:, :wanted] + self.out(attended.transpose(1, 2).flatten(2))
        return x + self.mlp(self.norm2(x))


class TemporalEncoder(nn.Module):
    """Frames of one view → one vector: class token, learned positions, pre-norm layers, no final norm.

    layers: 0 means the mean over the found frames. Frames that are not found are masked; the original shows the whole
    picture in place of a missing face.
    """

    def __init__(
        self, width: int, segments: int, layers: int, heads: int, head_width: int, mlp_width: int, dropout: float
    ):
        super().__init__()
        self.layers = nn.ModuleList(TemporalLayer(width, heads, head_width, mlp_width, dropout) for _ in range(layers))
        if layers:
            self.cls = nn.Parameter(torch.randn(1, 1, width))
            self.positions = nn.Parameter(torch.randn(1, segments + 1, width))

    def forward(self, frames: torch.Tensor, found: torch.Tensor) -> torch.Tensor:
        """frames [B, T, D], found bool [B, T] → [B, D]."""
        if not self.layers:
            weight = found.to(frames.dtype)[..., None]
            return (frames * weight).sum(1) / weight.sum(1).clamp(min=1)
        x = torch.cat([self.cls.expand(len(frames), -1, -1), frames], dim=1) + self.positions
        seen = nn.functional.pad(found, (1, 0), value=True)
        *layers, last = self.layers
        for layer in layers:
            x = layer(x, seen)
        return last(x, seen, wanted=1)[:, 0]  # nobody asks for what it makes of the frames: a quarter of the work


class Adapter(nn.Module):
    """A residual bottleneck on frame features (CLIP-Adapter's design): at first it changes nothing."""

    def __init__(self, width: int, bottleneck: int):
        super().__init__()
        self.down, self.up = nn.Linear(width, bottleneck), nn.Linear(bottleneck, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[..., D] → [..., D]."""
        return x + self.up(nn.functional.relu(self.down(x)))


class ConcatFusion(nn.Linear):
    """Views one after the other, projected to D; the original's fusion."""

    def __init__(self, views: int, width: int):
        super().__init__(views * width, width)

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        """[B, views, D] → [B, D]."""
        return super().forward(seen.flatten(1))


class SumFusion(nn.Module):
    """Sum of the views' unit vectors: with cosine logits, the sum of their logits up to the scale of a clip."""

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        """[B, views, D] → [B, D]."""
        return nn.functional.normalize(seen, dim=-1).sum(1)


class AttentionFusion(nn.Module):
    """Weighted sum of the views, by a learned score of each."""

    def __init__(self, width: int):
        super().__init__()
        self.norm, self.score = nn.LayerNorm(width), nn.Linear(width, 1)

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        """[B, views, D] → [B, D]."""
        return (self.score(self.norm(seen)).softmax(dim=1) * seen).sum(1)


class ClipCaer(nn.Module):
    """Logits from frame features of one or several views.

    width: of CLIP's embedding, D. temporal: arguments of TemporalEncoder. shared: one temporal encoder for all views.
    fusion: concat | sum | attention, for several views; one view needs none. adapter: width of the bottleneck on the
    frame features, 0 for none.
    """

    def __init__(
        self,
        views: Sequence[str],
        width: int,
        prompts: PromptLearner | None,
        temporal: Mapping,
        shared: bool = False,
        fusion: str = "concat",
        adapter: int = 0,
    ):
        super().__init__()
        self.views = list(views)
        self.prompts = prompts
        encoders = [TemporalEncoder(width, **temporal) for _ in views[: 1 if shared else None]]
        self.temporal = nn.ModuleDict(dict(zip(views, encoders * (len(views) if shared else 1), strict=True)))
        kinds = {
            "concat": lambda: ConcatFusion(len(views), width),
            "sum": SumFusion,
            "attention": lambda: AttentionFusion(width),
        }
        self.fusion = kinds[fusion]() if len(views) > 1 else nn.Flatten()
        self.adapter = Adapter(width, adapter) if adapter else nn.Identity()

    def seen(self, features: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Features [B, T, D] and found bool [B, T] of each view → what each view has seen, [B, views, D]."""
        seen = [self.temporal[view](self.adapter(features[view]), found[view]) for view in self.views]
        return torch.stack(seen, dim=1)

    def video(self, features: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """→ video features, L2-normalised, [B, D]."""
        return self.fuse(self.seen(features, found))

    def fuse(self, seen: torch.Tensor) -> torch.Tensor:
        """[B, views, D] → video features, L2-normalised, [B, D]."""
        return nn.functional.normalize(self.fusion(seen), dim=-1)

    def classify(self, seen: torch.Tensor) -> torch.Tensor:
        """[B, views, D] → logits [B, K]."""
        return SCALE * self.fuse(seen) @ self.prompts().T

    def forward(self, features: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """→ logits [B, K]."""
        return self.classify(self.seen(features, found))

    def parts(self) -> dict[str, nn.Module]:
        """What learns, by the names of the learning rates."""
        return {"temporal": self.temporal, "fusion": self.fusion, "prompts": self.prompts, "adapter": self.adapter}


def learned(model: nn.Module) -> dict[str, torch.Tensor]:
    """Every tensor that training changes, by name: what a run has to keep. A frozen CLIP is not in it.

    The statistics of a network over video (3D batch norms) are; an image encoder's stand still (see `EndToEnd`).
    """
    names = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    for path, module in model.named_modules():
        if isinstance(module, nn.BatchNorm3d):
            names |= {f"{path}.{name}" for name, _ in module.named_buffers()}
    return {name: tensor.detach() for name, tensor in model.state_dict().items() if name in names}
