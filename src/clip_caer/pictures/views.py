"""The crops of one clip in one view: what CLIP is shown."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import polars as pl

from clip_caer.pictures.crops import CORNERS, Box, clipped, context_view, face_view, person_box


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
    crops = []
    blank = [faces.select(pl.min("x0", "y0"), pl.max("x1", "y1")).row(0)] if blank_face else []
    for picture in pictures:
        if not crops:
            shown = context_box(box, faces, given, width=picture.shape[1], height=picture.shape[0])
        crops.append(context_view(picture, shown, size, fit, blank, resample))
    return crops


def context_box(box: str, faces: pl.DataFrame, given: Box | None, width: int, height: int) -> Box | None:
    """What `context_crops` cuts out of pictures of this size; None: the whole picture."""
    if box == "frame":
        return None
    return person_box(faces, width, height) if given is None else given


def person_boxes(boxes: pl.DataFrame) -> dict[str, tuple[float, float, float, float]]:
    """Clip id → its given person box, from the table of given boxes."""
    given = boxes.filter(pl.col("kind") == "person")
    return dict(zip(given["clip_id"], given.select(CORNERS).iter_rows(), strict=True))


def view_crops(
    view: str,
    settings: Mapping,
    pictures: Callable[[int], Iterable[np.ndarray]],
    faces: pl.DataFrame,
    size: int,
    given: Box | None,
    width: int,
    height: int,
) -> list[np.ndarray | None]:
    """Crops of a clip in `view`, face or context, with that view's section of the config.

    pictures: gives the clip's frames, smaller by 1, 2, 4 or 8, whatever it is called with. faces, given: in pixels of
    whole frames, which are `width` × `height`.
    """
    if view == "face":
        return face_crops(pictures(1), faces, size, **settings)
    shrink = _shrinking(settings, faces, size, given, width, height)
    if shrink > 1:
        faces = faces.with_columns(pl.col(CORNERS) / shrink)
        given = given and tuple(corner / shrink for corner in given)
    return context_crops(pictures(shrink), faces, size, **settings, given=given)


def _shrinking(settings: Mapping, faces: pl.DataFrame, size: int, given: Box | None, width: int, height: int) -> int:
    """By how much a clip's pictures may shrink while they are decoded: it is most of the time that a crop takes.

    The crop keeps twice the pixels that the view shows, in each direction, so that resizing it hardly differs from
    resizing the original. The original's way of resizing takes pictures as they are.
    """
    if settings["resample"] != "bicubic":
        return 1
    whole = (0, 0, width, height)
    x0, y0, x1, y1 = clipped(context_box(settings["box"], faces, given, width, height) or whole, width, height)
    longest = max(x1 - x0, y1 - y0)
    return max(shrink for shrink in (1, 2, 4, 8) if shrink == 1 or longest >= 2 * shrink * size)
