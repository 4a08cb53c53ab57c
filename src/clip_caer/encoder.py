"""CLIP, through one door."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from clip_caer import torchvision_on_cpu  # noqa: F401  (before open_clip)
from clip_caer.errors import UserError
from clip_caer.files import read_json
from clip_caer.original import load_checkpoint

import open_clip  # isort: skip

PRECISIONS = ("fp32", "bf16", "fp16")  # open_clip silently takes any other word for fp32


def load_clip(model: str, pretrained: str | None, precision: str = "fp32", device: str = "cpu") -> torch.nn.Module:
    """A CLIP of open_clip, in evaluation mode, frozen.

    model: a name that open_clip knows, or local-dir:FOLDER (then `pretrained` is None).
    pretrained: open_clip's tag, or a local weights file (OpenAI's TorchScript archives too).
    Raises UserError if the weights are missing or do not fit, and if they were trained with another activation than
    the model has (OpenAI's weights need `ViT-B-32-quickgelu`; open_clip itself only warns, and computes nonsense).
    """
    if precision not in PRECISIONS:
        raise UserError(f"encoder.precision: {precision!r} is unknown; expected one of {', '.join(PRECISIONS)}.")
    is_folder = model.startswith("local-dir:")
    if is_folder and not Path(model.removeprefix("local-dir:"), "open_clip_config.json").is_file():
        raise UserError(f"encoder.model: {model!r} has no open_clip_config.json. Give a folder saved by open_clip.")
    if not is_folder:
        _check_name(model, pretrained)
    try:
        if pretrained and _is_torchscript(pretrained):
            clip = open_clip.load_openai_model(pretrained, precision, device)
        else:
            clip = open_clip.create_model(model, pretrained, precision, device, require_pretrained=True)
        if not all(tensor.isfinite().all() for tensor in clip.state_dict().values()):
            raise ValueError("the weights hold values that are not finite")
    except Exception as error:  # files of another kind make the readers raise anything at all
        why = " ".join(str(error).split())[:300] or type(error).__name__
        raise UserError(
            f"encoder: cannot load {model!r} with the weights {pretrained!r}: {why}\n"
            "Expected a tag of this model (open_clip.list_pretrained() names them) that is downloaded or can be, "
            "or a weights file of this model. On a machine without internet, download the file and give its path."
        ) from error
    return clip.eval().requires_grad_(False)


def image_size(model: str) -> int:
    """Side in pixels of the pictures that an image tower takes. model: as in the config, or original:CHECKPOINT."""
    if model.startswith("original:"):
        return load_checkpoint(model.removeprefix("original:")).visual.image_size[0]
    size = _model_config(model)["vision_cfg"]["image_size"]
    return size[0] if isinstance(size, list) else size


def embedding_width(model: str) -> int:
    """Width D of a model's features. model: as in the config. No weights are read."""
    return _model_config(model)["embed_dim"]


def _model_config(model: str) -> dict:
    file = Path(model.removeprefix("local-dir:"), "open_clip_config.json")
    if not file.is_file():
        return open_clip.get_model_config(model)
    return read_json(file, ["model_cfg"], cure="Give a folder saved by open_clip.")["model_cfg"]


def load_tokenizer(model: str):
    """The tokenizer of a model: texts → int64 [texts, context length]."""
    return open_clip.get_tokenizer(model)


def _check_name(model: str, pretrained: str | None) -> None:
    config = open_clip.get_model_config(model)
    if config is None:
        raise UserError(f"encoder.model: open_clip has no model {model!r}; open_clip.list_models() names them all.")
    if not pretrained:
        raise UserError(f"encoder.pretrained: {model!r} needs weights: a tag of open_clip, or a local file.")
    trained = open_clip.get_pretrained_cfg(model, pretrained)
    if trained and trained.get("quick_gelu", False) != config.get("quick_gelu", False):
        raise UserError(
            f"encoder.model: the weights {pretrained!r} were trained with another activation (QuickGELU) than "
            f"{model!r} has. Use a model name {'with' if trained.get('quick_gelu') else 'without'} '-quickgelu'."
        )


def _is_torchscript(path: str) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


class ImageEncoder:
    """CLIP's image tower with its own preprocessing (mean and deviation; the crops come at its size).

    normalise: `clip`; `none` leaves mean and deviation out, as the original does.
    """

    def __init__(self, clip: torch.nn.Module, normalise: str = "clip"):
        self.clip = clip
        weight = next(clip.visual.parameters())
        self.device, self.dtype = weight.device, weight.dtype
        size = clip.visual.image_size
        self.image_size: int = size[0] if isinstance(size, tuple) else size
        self.width: int = clip.visual.output_dim
        self.mean, self.std = (
            torch.tensor(values, device=self.device).view(1, 3, 1, 1) * 255
            for values in (
                (clip.visual.image_mean, clip.visual.image_std) if normalise == "clip" else ((0.0,) * 3, (1.0,) * 3)
            )
        )

    def __call__(self, crops: Sequence[np.ndarray]) -> torch.Tensor:
        """uint8 [S, S, 3] RGB each, S = image_size → float32 [N, D] on the CPU, not normalised (as in the original)."""
        return self.encode(self.prepare(self.stack(crops))).cpu()

    def stack(self, crops: Sequence[np.ndarray]) -> torch.Tensor:
        """uint8 [S, S, 3] RGB each → [N, S, S, 3], in memory that a GPU copies from while the CPU goes on."""
        stacked = torch.from_numpy(np.stack(crops))
        return stacked.pin_memory() if self.device.type == "cuda" else stacked

    @torch.inference_mode()
    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """What `prepare` gave → float32 [N, D] on the encoder's device."""
        return self.clip.encode_image(images).float()

    def prepare(self, stacked: torch.Tensor) -> torch.Tensor:
        """What `stack` gave → [N, 3, S, S], as the image tower takes them."""
        images = stacked.to(self.device, non_blocking=True).permute(0, 3, 1, 2)
        return ((images - self.mean) / self.std).to(self.dtype)
