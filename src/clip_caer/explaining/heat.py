"""Which places of a crop counted for a class: Grad-CAM for ResNet towers, attention rollout for transformers."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from math import isqrt

import numpy as np
import torch
from torch import nn

from clip_caer import torchvision_on_cpu  # noqa: F401  (before open_clip)
from clip_caer.caching.features import Crops
from clip_caer.errors import UserError
from clip_caer.trained.model import Trained

from open_clip.modified_resnet import ModifiedResNet  # isort: skip

LEAST_CELLS = 7  # along a side of a heat map; a coarser one tells nothing


def heat_maps(
    trained: Trained,
    crops: Mapping[str, Crops],
    features: Mapping[str, torch.Tensor],
    found: Mapping[str, torch.Tensor],
    segments: Sequence[int],
    k: int,
) -> dict[str, dict[int, np.ndarray]]:
    """{view: {segment: float32 [h, w]}}, for those of `segments` in which the view shows something.

    crops, features [1, T, D] and found mask [1, T] of one clip. k: the class. Values of a view: from 0 to 1, where the
    odds of the class, against all others, depend on the place most in any of the segments.
    Raises UserError if the image tower is neither a ResNet nor a transformer of open_clip's own.
    """
    shown = [(view, t) for view in trained.views for t in segments if crops[view][t] is not None]
    if not shown:
        return {view: {} for view in trained.views}
    stacked = trained.encoder.stack([crops[view][t] for view, t in shown])
    images = trained.encoder.prepare(stacked).requires_grad_()
    visual = trained.encoder.clip.visual
    with torch.enable_grad(), _watched(visual) as layers:
        encoded = trained.encoder.clip.encode_image(images).float().cpu()
        by_view = {view: tensor.clone() for view, tensor in features.items()}
        for row, (view, t) in zip(encoded, shown, strict=True):
            by_view[view] = by_view[view].index_put((torch.tensor(0), torch.tensor(t)), row)
        logits = trained.classify(trained.seen(by_view, found))[0]
        odds = logits[k] - logits[torch.arange(len(logits)) != k].logsumexp(dim=0)
        gradients = torch.autograd.grad(odds, layers)
    told = [(layer.detach().float(), gradient.float()) for layer, gradient in zip(layers, gradients, strict=True)]
    relevance = _rollout(told) if _is_transformer(visual) else _grad_cam(*told[0])
    maps: dict[str, dict[int, np.ndarray]] = {view: {} for view in trained.views}
    for (view, t), of_crop in zip(shown, relevance.cpu().numpy(), strict=True):
        maps[view][t] = of_crop
    return {view: _scaled(of_view) for view, of_view in maps.items()}


@contextmanager
def _watched(visual: nn.Module) -> Iterator[list[torch.Tensor]]:
    """A list that the tower's forward pass fills: a transformer's attention weights, or the map of one ResNet stage."""
    layers: list[torch.Tensor] = []
    handles = []
    if _is_transformer(visual):
        for block in visual.transformer.resblocks:
            handles.append(block.attn.register_forward_hook(partial(_attend_openly, layers)))
    elif isinstance(visual, ModifiedResNet):
        handles.append(_fine_stage(visual).register_forward_hook(lambda _, __, output: layers.append(output)))
    else:
        raise UserError(f"explain: {type(visual).__name__} is an image tower of which no heat map can be made.")
    try:
        yield layers
    finally:
        for handle in handles:
            handle.remove()


def _is_transformer(visual: nn.Module) -> bool:
    blocks = getattr(getattr(visual, "transformer", None), "resblocks", [])
    return len(blocks) > 0 and all(isinstance(getattr(block, "attn", None), nn.MultiheadAttention) for block in blocks)


def _attend_openly(layers: list[torch.Tensor], attn: nn.MultiheadAttention, args: tuple, _: tuple) -> tuple:
    """The same output once more, by way of attention weights that gradients can be asked for."""
    n, length, width = args[0].shape
    qkv = nn.functional.linear(args[0], attn.in_proj_weight, attn.in_proj_bias)
    q, k, v = qkv.view(n, length, 3, attn.num_heads, -1).permute(2, 0, 3, 1, 4)
    layers.append((q @ k.mT / q.shape[-1] ** 0.5).softmax(dim=-1))
    return attn.out_proj((layers[-1] @ v).transpose(1, 2).reshape(n, length, width)), None


def _fine_stage(visual: nn.Module) -> nn.Module:
    """The last stage of a ResNet with LEAST_CELLS to a side; its stages shrink a picture 4, 8, 16 and 32 times."""
    size = visual.image_size[0] if isinstance(visual.image_size, tuple) else visual.image_size
    stages = {32: visual.layer4, 16: visual.layer3, 8: visual.layer2, 4: visual.layer1}
    return next((stage for stride, stage in stages.items() if size // stride >= LEAST_CELLS), visual.layer1)


def _grad_cam(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """[N, C, h, w] → [N, h, w]: activations weighted by their own positive gradients and added up over the channels.

    Grad-CAM (Selvaraju et al., ICCV 2017) as LayerCAM has it (Jiang et al., TIP 2021): sharp in early stages too.
    """
    return (activations * gradients.clamp(min=0)).sum(dim=1).clamp(min=0)


def _rollout(layers: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
    """Attention weights [N, heads, L, L] of every layer with their gradients → [N, h, w], from class token to patches.

    Attention rollout (Abnar and Zuidema, ACL 2020), heads weighted by their positive gradients, so that it tells of one
    class (Chefer et al., ICCV 2021).
    """
    n, _, tokens, _ = layers[0][0].shape
    rollout = torch.eye(tokens, device=layers[0][0].device).expand(n, -1, -1)
    for attention, gradient in layers:
        rollout = rollout + (attention * gradient).clamp(min=0).mean(dim=1) @ rollout
    side = isqrt(tokens - 1)
    return rollout[:, 0, 1:].unflatten(1, (side, side))


def _scaled(maps: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
    largest = max((of_crop.max() for of_crop in maps.values()), default=0)
    return {t: of_crop / largest if largest > 0 else of_crop for t, of_crop in maps.items()}
