"""What each view sees of a frame: the face, and the person or the whole picture around it.

Boxes are (x0, y0, x1, y1) in pixels and may reach over the edge of the picture, as those of RAER do. Pictures are uint8
[H, W, 3] RGB, crops uint8 [size, size, 3]. Resizing is antialiased: bicubic, as in CLIP's own
preprocessing, unless bilinear is asked for.
"""

from collections.abc import Sequence
from math import ceil, floor

import numpy as np
import polars as pl
from PIL import Image

Box = tuple[float, float, float, float]
CORNERS = ("x0", "y0", "x1", "y1")  # the columns of a table that hold a box

# A seated student, measured by the face box (about 15 cm wide, 19 cm high).
ARMS = 3.5  # face widths from the middle of the face to where an arm on the desk ends
HAIR = 0.6  # face heights from the brow to above the hair
BLANK_MARGIN = 0.15  # share of a face box that is greyed out around it on each side; chin and brow move with expression
GREY = 128


def usable(box: Box | None, width: int, height: int) -> bool:
    """Whether there is a box, and at least one pixel of it in a picture of this size."""
    if box is None or any(corner is None for corner in box):
        return False
    x0, y0, x1, y1 = clipped(box, width, height)
    return x1 - x0 >= 1 and y1 - y0 >= 1


def clipped(box: Box, width: int, height: int) -> Box:
    """The part of `box` inside the picture; without an area if there is none."""
    x0, y0, x1, y1 = box
    return max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)


def face_view(
    picture: np.ndarray, box: Box | None, size: int, margin: float, fit: str, resample: str = "bicubic"
) -> np.ndarray | None:
    """The face box and `margin` pixels on each side of it, or None where no pixel of the box is in the picture.

    fit: letterbox (keeps the proportions, pads with black) or squash (to a square; what the original does with faces,
    margin 20 in pictures of 1920 × 1080). resample: bicubic (CLIP's) | bilinear (the original's), both antialiased.
    """
    height, width = picture.shape[:2]
    if not usable(box, width, height):
        return None
    return _resized(_cut(picture, _grown(box, margin, margin)), size, fit, resample)


def context_view(
    picture: np.ndarray, box: Box | None, size: int, fit: str, blank: Sequence[Box] = (), resample: str = "bicubic"
) -> np.ndarray | None:
    """The person's box, or the whole picture where `box` is None; None where no pixel of the box is in the picture.

    fit, resample: as in `face_view`; the original letterboxes. blank: faces to be greyed out, each with a share of its
    surroundings.
    """
    height, width = picture.shape[:2]
    if box is None:
        box = (0, 0, width, height)
    if not usable(box, width, height):
        return None
    crop = _cut(picture, box)
    faces = [face for face in blank if usable(face, width, height)]
    if faces:
        crop, left, top = crop.copy(), floor(max(box[0], 0)), floor(max(box[1], 0))
    for x0, y0, x1, y1 in faces:
        x, y = BLANK_MARGIN * (x1 - x0), BLANK_MARGIN * (y1 - y0)
        _cut(crop, _grown((x0 - left, y0 - top, x1 - left, y1 - top), x, y))[:] = GREY
    return _resized(crop, size, fit, resample)


def person_box(faces: pl.DataFrame, width: int, height: int) -> Box | None:
    """The student in a clip, estimated from where the face is most of the time; None if it is never in the picture.

    faces: rows of one clip in the faces table. The box is centred on the median face box, reaches 3.5 of its widths to
    either side (both arms, and what lies on the desk), 0.6 of its height above it (hair) and down to the bottom edge.
    """
    face = faces.filter("found").select(pl.col(CORNERS).median()).row(0)
    if not usable(face, width, height):
        return None
    x0, y0, x1, y1 = face
    centre, arms = (x0 + x1) / 2, ARMS * (x1 - x0)
    return clipped((centre - arms, y0 - HAIR * (y1 - y0), centre + arms, height), width, height)


def _grown(box: Box, x: float, y: float) -> Box:
    return box[0] - x, box[1] - y, box[2] + x, box[3] + y


def _cut(picture: np.ndarray, box: Box) -> np.ndarray:
    """All pixels that `box` touches, as a view of the picture."""
    x0, y0, x1, y1 = clipped(box, picture.shape[1], picture.shape[0])
    return picture[floor(y0) : ceil(y1), floor(x0) : ceil(x1)]


def _resized(crop: np.ndarray, size: int, fit: str, resample: str) -> np.ndarray:
    height, width = (max(1, round(size * side / max(crop.shape[:2]))) for side in crop.shape[:2])
    if fit == "squash":
        height = width = size
    square = np.zeros((size, size, 3), np.uint8)
    left, top = (size - width) // 2, (size - height) // 2
    resized = Image.fromarray(crop).resize((width, height), Image.Resampling[resample.upper()])
    square[top : top + height, left : left + width] = resized
    return square
