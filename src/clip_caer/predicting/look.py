"""What the model is shown of a student."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl
import torch

from clip_caer.caching.features import Crops
from clip_caer.pictures.crops import CORNERS, Box, person_box
from clip_caer.pictures.views import view_crops
from clip_caer.predicting.plan import Plan
from clip_caer.trained.model import Trained

AS_NEAR = 0.7  # a face at least this many times as large belongs to somebody at the same distance: a neighbour


def look(
    trained: Trained,
    plan: Plan,
    picture: Callable[[int, int], np.ndarray],
    size: tuple[int, int],
    faces: pl.DataFrame,
    person: Box | None,
) -> dict[str, Crops]:
    """The crops of each view, one a segment.

    picture: gives a frame's picture, smaller by 1, 2, 4 or 8, for each of `plan.pictures`. size: width and height of
    whole pictures. faces: the student's faces, one row for each of `plan.used`. person: the box of the student's
    context, or None to estimate it from the faces.
    """
    crops = {}
    for view in trained.views:
        rows = faces[[plan.used.index(frame) for frame in plan.pictures]] if view == "face" else faces
        of_frames = view_crops(
            view,
            trained.about["views"][view],
            lambda shrink: (picture(frame, shrink) for frame in plan.pictures),
            rows,
            trained.size,
            person,
            *size,
        )
        by_frame = dict(zip(plan.pictures, of_frames, strict=True))
        crops[view] = [by_frame[frame] for frame in plan.shown]
    return crops


def encode(trained: Trained, crops: Sequence[Mapping[str, Crops]]) -> tuple[dict[str, torch.Tensor], ...]:
    """Features [students, T, D] and found mask [students, T] of each view, from the crops of each student."""
    features, found = {}, {}
    for view in trained.views:
        encoded = [trained.encode(of_student[view]) for of_student in crops]
        features[view] = torch.stack([of_frames for of_frames, _ in encoded])
        found[view] = torch.stack([mask for _, mask in encoded])
    return features, found


def person_areas(faces: Sequence[pl.DataFrame], width: int, height: int) -> list[Box | None]:
    """The box of each student's context in a window; None where it is estimated as for a student alone.

    Where students sit side by side, the box of each ends halfway to the next face: what lies on a neighbour's desk must
    not tell. Somebody with a much smaller face sits farther back, and belongs to the surroundings.
    """
    boxes = [person_box(of_student, width, height) for of_student in faces]
    usual = [of_student.filter("found").select(pl.col(CORNERS).median()).row(0) for of_student in faces]
    areas = []
    for i, box in enumerate(boxes):
        x = [
            _middle(usual[j])
            for j, other in enumerate(boxes)
            if box and other and i != j and _width(usual[j]) >= AS_NEAR * _width(usual[i])
        ]
        own = _middle(usual[i]) if x else 0
        left = max([(own + other) / 2 for other in x if other < own], default=0)
        right = min([(own + other) / 2 for other in x if other > own], default=width)
        areas.append((max(box[0], left), box[1], min(box[2], right), box[3]) if x else None)
    return areas


def _middle(box: Box) -> float:
    return (box[0] + box[2]) / 2


def _width(box: Box) -> float:
    return box[2] - box[0]
