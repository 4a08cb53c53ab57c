"""What a face detector finds in one picture."""

from typing import NamedTuple

import numpy as np


class Detections(NamedTuple):
    """The faces of one picture, best score first; float32.

    boxes: [n, 4] x0, y0, x1, y1 in pixels, inside the picture. scores: [n], 0 to 1.
    landmarks: [n, 5, 2] eyes, nose, corners of the mouth, in pixels; they may lie outside the picture.
    """

    boxes: np.ndarray
    scores: np.ndarray
    landmarks: np.ndarray
