"""A random CLIP of 3.4 M parameters, saved as open_clip's local directory."""

from pathlib import Path

import torch
from safetensors.torch import save_file

from clip_caer import torchvision_on_cpu  # noqa: F401  (before open_clip)
from clip_caer.files import write_json

import open_clip  # isort: skip

CONFIG = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "patch_size": 16, "head_width": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}


def save_random_clip(folder: Path) -> str:
    """Write it to `folder`; gives the name by which open_clip loads it."""
    folder.mkdir(parents=True, exist_ok=True)
    preprocess = {"mean": [0.48, 0.46, 0.41], "std": [0.27, 0.26, 0.28]}
    write_json({"model_cfg": CONFIG, "preprocess_cfg": preprocess}, folder / "open_clip_config.json")
    torch.manual_seed(0)
    save_file(open_clip.CLIP(**CONFIG).state_dict(), folder / "open_clip_model.safetensors")
    return f"local-dir:{folder}"
