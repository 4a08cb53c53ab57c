"""Where torch computes."""

import torch

from clip_caer.errors import UserError


def find_device(name: str) -> str:
    """`auto` → cuda where there is one, else cpu. Raises UserError for cuda without a GPU."""
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("device: cuda was asked for, but torch sees no GPU. Set device: cpu, or auto.")
    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name
