"""What a trained run consists of, as tensors and plain values."""

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch


class Packed(NamedTuple):
    """A trained run without its classes and code.

    tensors: `text`, the class texts' features [K, D]; `model/…`, what was trained; `visual/…`, CLIP's image tower (none
    where it is only named); `background`, what the views have seen in some clips of the train role [N, views, D];
    `detector`, the bytes of the face detector's weights.
    about: what they are of and how they are used, JSON values; see `clip_caer.trained.folder.pack`.
    """

    tensors: dict[str, torch.Tensor]
    about: dict[str, Any]

    def part(self, name: str) -> dict[str, torch.Tensor]:
        """The tensors below `name`/, without that prefix."""
        prefix = f"{name}/"
        return {key.removeprefix(prefix): value for key, value in self.tensors.items() if key.startswith(prefix)}


def digest(tensors: Mapping[str, torch.Tensor]) -> str:
    """Sha256 over names and values, whatever file they are in."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return total.hexdigest()
