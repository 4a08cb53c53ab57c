"""A trained run, ready for use."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from clip_caer import torchvision_on_cpu  # noqa: F401  (before open_clip)
from clip_caer.encoder import ImageEncoder
from clip_caer.errors import UserError
from clip_caer.faces.detector import Detector, load_detector
from clip_caer.learning.model import ClipCaer
from clip_caer.trained.packed import Packed

import open_clip  # isort: skip

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
_NO_TEXT = {"context_length": 1, "vocab_size": 1, "width": 64, "heads": 1, "layers": 1}  # texts are encoded already


class FixedTexts(nn.Module):
    """Stands where a model has its prompts: gives the class texts' features as they were after training."""

    def __init__(self, features: torch.Tensor):
        super().__init__()
        self.register_buffer("features", features)

    def forward(self) -> torch.Tensor:
        """[K, D], L2-normalised."""
        return self.features


class Tower(nn.Module):
    """CLIP without its text tower."""

    def __init__(self, visual: nn.Module):
        super().__init__()
        self.visual = visual

    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        """[N, 3, S, S] → [N, D], not normalised."""
        return self.visual(images)


class Trained:
    """Crops to features, features to class probabilities, with the settings of the run it comes from.

    about: see `Packed`. background: what the views have seen in clips of the train role, [N, views, D].
    Everything that a step of the workflow computes is computed here by the same functions, so the
    probabilities are those of the evaluation.
    """

    def __init__(self, packed: Packed, device: str = "cpu"):
        about = self.about = packed.about
        self.classes: list[str] = about["classes"]
        self.views: list[str] = list(about["views"])
        self.temperature: float = about["temperature"]
        self.device = torch.device(device)
        tower = Tower(_build_visual(packed)).to(self.device).eval().requires_grad_(False)
        self.encoder = ImageEncoder(tower, about["encoder"]["normalise"])
        self.caer = _build_caer(packed, self.encoder.width).to(self.device).eval().requires_grad_(False)
        self.background = packed.tensors["background"].to(self.device)
        self._detector = packed.tensors["detector"].numpy().tobytes()

    @property
    def size(self) -> int:
        """Side of a crop in pixels."""
        return self.encoder.image_size

    def load_detector(self, threshold: float | None = None, longest_side: int | None = None) -> Detector:
        """The run's face detector; with another threshold or size of its pictures, if wanted."""
        settings = {key: self.about["faces"][key] for key in ("detector", "longest_side", "threshold", "nms")}
        settings["threshold"] = settings["threshold"] if threshold is None else threshold
        settings["longest_side"] = longest_side or settings["longest_side"]
        with tempfile.TemporaryDirectory() as folder:
            weights = Path(folder, "weights")
            weights.write_bytes(self._detector)
            return load_detector(weights=weights, **settings, device=str(self.device), threads=torch.get_num_threads())

    def encode(self, crops: Sequence[np.ndarray | None], batch: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
        """Crops of frames, None where there is nothing to see → features float32 [T, D] and found mask bool [T]."""
        found = torch.tensor([crop is not None for crop in crops], dtype=torch.bool)
        features = torch.zeros(len(crops), self.encoder.width)
        shown = [crop for crop in crops if crop is not None]
        if shown:
            with self._as_trained(self.about["encoder"]["finetuned"]):
                encoded = [self.encoder(shown[i : i + batch]) for i in range(0, len(shown), batch)]
            features[found] = torch.cat(encoded)
        # a frozen encoder's features are cached as 16-bit floats
        return (features if self.about["encoder"]["finetuned"] else features.half().float()), found

    def seen(self, features: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Features [B, T, D] and found mask [B, T] of each view → what each view has seen, [B, views, D]."""
        shown, mask = ({view: x[view].to(self.device) for view in self.views} for x in (features, found))
        with self._as_trained():
            return self.caer.seen(shown, mask)

    def classify(self, seen: torch.Tensor) -> torch.Tensor:
        """[B, views, D] → logits float32 [B, K], on the CPU."""
        with self._as_trained():
            return self.caer.classify(seen).float().cpu()

    def calibrated(self, logits: torch.Tensor) -> torch.Tensor:
        """Logits [B, K] → probabilities [B, K], by the temperature that was fitted on the run's validation clips."""
        return (logits / self.temperature).softmax(dim=-1)

    def _as_trained(self, enabled: bool = True) -> torch.autocast:
        """The arithmetic of training and evaluation."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=enabled and self.device.type == "cuda")


def build_visual(tower: Mapping, tensors: Mapping[str, torch.Tensor], precision: str) -> nn.Module:
    """CLIP's image tower from its configuration (see `clip_caer.trained.folder`) and its tensors."""
    dtype = _DTYPES.get(precision)
    clip = open_clip.CLIP(tower["embed_dim"], tower["vision_cfg"], _NO_TEXT, tower["quick_gelu"], cast_dtype=dtype)
    clip.visual.load_state_dict(tensors, assign=True)
    clip.visual.image_mean, clip.visual.image_std = tower["mean"], tower["std"]
    return clip.visual


def _build_visual(packed: Packed) -> nn.Module:
    encoder = packed.about["encoder"]
    try:
        return build_visual(encoder["tower"], packed.part("visual"), encoder["precision"])
    except (RuntimeError, TypeError, KeyError) as error:
        raise UserError(f"The image encoder of this model cannot be built: {str(error).splitlines()[0]}") from error


def _build_caer(packed: Packed, width: int) -> ClipCaer:
    about = packed.about
    caer = ClipCaer(
        list(about["views"]), width, None, about["temporal"], about["shared"], about["fusion"], about["adapter"]
    )
    caer.load_state_dict(packed.part("model"))
    caer.prompts = FixedTexts(packed.tensors["text"])
    return caer
