"""The clips of one role, ready for the model: which frames it is shown, and how they are augmented."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import torch

from clip_caer import torchvision_on_cpu  # noqa: F401  (before torchvision)
from clip_caer.caching.crop_store import CropTable
from clip_caer.caching.features import FeatureTable
from clip_caer.learning.segments import centre_frames, draw_frames

from torchvision.transforms.v2 import functional as pictures  # isort: skip

BILINEAR = pictures.InterpolationMode.BILINEAR
Inputs = tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]  # of each view: what is shown [B, T, …]; found [B, T]


class Clips(Protocol):
    """What training and prediction need of clips; clips are numbers int64 [B].

    settings: the `train` section of the config.
    """

    labels: torch.Tensor  # int64 [clips]
    soft_labels: torch.Tensor | None  # float32 [clips, K]: shares of the votes, or one-hot; None without any votes

    def draw(self, clips: torch.Tensor, settings: Mapping, generator: torch.Generator) -> Inputs:
        """Random frames and augmentation, for training. Every draw comes from `generator`."""

    def centre(self, clips: torch.Tensor, settings: Mapping) -> Inputs:
        """The middle frame of each segment, as it is, for evaluation."""


@dataclass(frozen=True)
class FeatureClips:
    """Clips as cached features (regime `frozen`): shown float32 [B, T, D], on the device where the tables are."""

    views: Mapping[str, FeatureTable]
    labels: torch.Tensor
    soft_labels: torch.Tensor | None = None

    def draw(self, clips: torch.Tensor, settings: Mapping, generator: torch.Generator) -> Inputs:
        frames = draw_frames(_length(self.views)[clips], settings["segments"], generator, settings["sampling"])
        flips = _draw_flips(len(clips), self.views, settings["flip"], generator)
        return self._show(clips, frames, flips)

    def centre(self, clips: torch.Tensor, settings: Mapping) -> Inputs:
        frames = centre_frames(_length(self.views)[clips], settings["segments"], settings["sampling"])
        return self._show(clips, frames, {view: torch.zeros_like(clips) for view in self.views})

    def _show(self, clips: torch.Tensor, frames: torch.Tensor, flips: Mapping[str, torch.Tensor]) -> Inputs:
        shown, found = {}, {}
        for view, table in self.views.items():
            rows = (table.start[clips, None] + frames).to(table.features.device)
            variants = flips[view].long()[:, None].to(rows.device)  # identity, hflip
            shown[view], found[view] = table.features[rows, variants].float(), table.found[rows]
        return shown, found


@dataclass(frozen=True)
class CropClips:
    """Clips as cached crops (regime `finetuned`): shown uint8 [B, T, 3, S, S]."""

    views: Mapping[str, CropTable]
    labels: torch.Tensor
    soft_labels: torch.Tensor | None = None

    def draw(self, clips: torch.Tensor, settings: Mapping, generator: torch.Generator) -> Inputs:
        frames = draw_frames(_length(self.views)[clips], settings["segments"], generator, settings["sampling"])
        flips = _draw_flips(len(clips), self.views, settings["flip"], generator)
        angles = {view: torch.rand(len(clips), generator=generator) * 2 - 1 for view in self.views}
        if settings["flip"] != "apart":  # one draw for all views
            angles = dict.fromkeys(self.views, next(iter(angles.values())))
        shown, found = self._show(clips, frames)
        for view, crops in shown.items():
            for crop, flip, angle in zip(crops, flips[view], angles[view] * settings["rotation"], strict=True):
                turned = pictures.horizontal_flip(crop) if flip else crop
                crop[:] = pictures.rotate(turned, float(angle), BILINEAR) if angle else turned
        return shown, found

    def centre(self, clips: torch.Tensor, settings: Mapping) -> Inputs:
        return self._show(clips, centre_frames(_length(self.views)[clips], settings["segments"], settings["sampling"]))

    def _show(self, clips: torch.Tensor, frames: torch.Tensor) -> Inputs:
        shown, found = {}, {}
        for view, table in self.views.items():
            crops, found[view] = table.read(clips.tolist(), frames)
            shown[view] = crops.permute(0, 1, 4, 2, 3)
        return shown, found


def shuffled(clips: Clips, seed: int) -> Clips:
    """The same clips with their labels, and with them the votes, dealt anew: what remains to be learned is chance."""
    order = torch.randperm(len(clips.labels), generator=torch.Generator().manual_seed(seed))
    soft_labels = None if clips.soft_labels is None else clips.soft_labels[order]
    return replace(clips, labels=clips.labels[order], soft_labels=soft_labels)


def _length(views: Mapping[str, FeatureTable | CropTable]) -> torch.Tensor:
    """Frames of each clip; every view has the same."""
    return next(iter(views.values())).length


def _draw_flips(n: int, views: Mapping, flip: str, generator: torch.Generator) -> dict[str, torch.Tensor]:
    """Whether each clip is mirrored, bool [n], by view.

    flip: `together`: alike in all views; `off`: never; `apart`: drawn for each view, as the original does, so that a
    face may look left while its body looks right.
    """
    drawn = {view: torch.rand(n, generator=generator) < 0.5 for view in views}
    if flip == "off":
        return {view: torch.zeros_like(of_view) for view, of_view in drawn.items()}
    return drawn if flip == "apart" else dict.fromkeys(views, next(iter(drawn.values())))
