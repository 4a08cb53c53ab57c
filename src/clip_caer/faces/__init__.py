"""Faces: finding them (RetinaFace), following the target student, and filling short gaps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from clip_caer.ahead import ahead
from clip_caer.faces.student import clip_faces

if TYPE_CHECKING:  # who only reads tables or fetches weights does not wait for torch
    from clip_caer.faces.detector import Detector


def detect_clip(
    pictures: Iterable[np.ndarray], frames: Sequence[int], detector: Detector, fill_gap: int
) -> pl.DataFrame:
    """The target student's face in each frame of a clip; the table of `clip_faces`.

    pictures: the clip's frames, uint8 [H, W, 3] RGB of one size, with the numbers `frames`. They are read and shrunk
    while the detector is busy, a batch of its ahead, so that a long clip needs no more memory than a short one.
    """
    coming = ahead(((detector.shrink(picture), picture.shape[:2]) for picture in pictures), detector.batch)
    detections = []
    while batch := list(islice(coming, detector.batch)):
        shrunk, shapes = zip(*batch, strict=True)
        detections += detector.detect_shrunk(np.stack(shrunk), shapes)
    return clip_faces(detections, frames, fill_gap)
