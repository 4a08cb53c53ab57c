"""The crops of one clip in one view: what CLIP is shown."""

from collections.abc import Iterable, Mapping

import numpy as np
import polars as pl

from clip_caer.crops import context_view, face_view, person_box

CORNERS = ("x0", "y0", "x1", "y1")


def face_crops(
    pictures: Iterable[np.ndarray], faces: pl.DataFrame, size: int, margin: float, fit: str, missing: str, resample: str
) -> list[np.ndarray | None]:
    """The face in each picture, uint8 [size, size, 3].

    pictures: the clip's frames. faces: rows of the faces table, one a picture, in the same order.
    missing: where no face was found: `mask` gives None; `frame` gives the whole picture, as the original does.
    """
    crops = []
    for picture, box in zip(pictures, faces.select(CORNERS).iter_rows(), strict=True):
        crop = face_view(picture, box, size, margin, fit, resample)
        if crop is None and missing == "frame":
            crop = context_view(picture, None, size, fit, resample=resample)
        crops.append(crop)
    return crops


def context_crops(
    pictures: Iterable[np.ndarray],
    faces: pl.DataFrame,
    size: int,
    box: str,
    fit: str,
    blank_face: bool,
    resample: str,
    given: tuple | None,
) -> list[np.ndarray | None]:
    """The student's surroundings in each picture, uint8 [size, size, 3]; one box for the whole clip.

    box: `frame` takes the whole picture; `person` takes the given person box, else the one estimated from the faces,
    and the whole picture where there is neither. blank_face: grey out where the student's face is at any time of the
    clip. A box of its own for each frame would tell the expression: an open mouth makes it taller.
    """
    crops, person = [], given
    blank = [faces.select(pl.min("x0", "y0"), pl.max("x1", "y1")).row(0)] if blank_face else []
    for picture in pictures:
        if not crops and box == "person" and person is None:
            person = person_box(faces, width=picture.shape[1], height=picture.shape[0])
        crops.append(context_view(picture, person if box == "person" else None, size, fit, blank, resample))
    return crops


def person_boxes(boxes: pl.DataFrame) -> dict[str, tuple[float, float, float, float]]:
    """Clip id → its given person box, from the table of given boxes."""
    given = boxes.filter(pl.col("kind") == "person")
    return dict(zip(given["clip_id"], given.select(CORNERS).iter_rows(), strict=True))


def view_crops(
    view: str, settings: Mapping, pictures: Iterable[np.ndarray], faces: pl.DataFrame, size: int, given: tuple | None
) -> list[np.ndarray | None]:
    """Crops of a clip in `view`, face or context, with that view's section of the config."""
    if view == "face":
        return face_crops(pictures, faces, size, **settings)
    return context_crops(pictures, faces, size, **settings, given=given)
