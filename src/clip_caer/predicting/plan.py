"""Which frames of a window are looked at, and which the model is shown."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch

from clip_caer.learning.segments import centre_frames
from clip_caer.pictures.frames import frame_numbers
from clip_caer.predicting.source import Source
from clip_caer.predicting.windows import Window


class Plan(NamedTuple):
    """Frames of a video, counted from 0.

    used: those in which the student's face is looked for, ascending. shown: one for each segment, in the model's order.
    """

    window: Window
    used: list[int]
    shown: list[int]

    @property
    def pictures(self) -> list[int]:
        """The frames whose pictures are needed, each once, in the model's order."""
        return list(dict.fromkeys(self.shown))


def make_plan(source: Source, about: Mapping[str, Any], window: Window) -> Plan:
    """The frames that the workflow would use of a clip that is this window. about: of the trained run."""
    count = None if about["frames"]["count"] == "all" else about["frames"]["count"]
    used = [window.start + number - 1 for number in frame_numbers(window.stop - window.start, count)]
    ordered = sorted(used, key=lambda frame: source.names[frame]) if about["frames"]["order"] == "text" else used
    segments = centre_frames(torch.tensor([len(used)]), about["segments"], about["sampling"])[0]
    return Plan(window, used, [ordered[i] for i in segments.tolist()])
