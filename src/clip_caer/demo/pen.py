"""A pen that draws smooth shapes in the coordinates of the thing drawn."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw

SCALE = 3  # pictures are drawn this many times too large and averaged down: smooth edges

Colour = tuple[int, ...]  # red, green, blue, and maybe opacity; 0–255 each

_T = np.linspace(0, 1, 6, endpoint=False)
_CATMULL_ROM = 0.5 * np.stack(
    [-_T + 2 * _T**2 - _T**3, 2 - 5 * _T**2 + 3 * _T**3, _T + 4 * _T**2 - 3 * _T**3, _T**3 - _T**2], axis=1
)
_ANGLES = np.linspace(0, 2 * np.pi, 32, endpoint=False)
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)


def shade(colour: Colour, factor: float) -> Colour:
    """Darker for a factor below 1, lighter above."""
    return tuple(min(255, int(value * factor)) for value in colour[:3])


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """`share` of the second colour in the first."""
    return tuple(int(a + (b - a) * share) for a, b in zip(first[:3], second[:3], strict=True))


class Pen:
    """Draws onto a canvas that is SCALE times too large. Lengths are pixels of the finished picture, times `size`."""

    def __init__(self, canvas: Image.Image):
        self._draw = ImageDraw.Draw(canvas, "RGBA")
        self._matrix = np.eye(2) * SCALE
        self._origin = np.zeros(2)

    def at(self, x: float, y: float, size: float = 1.0, tilt: float = 0.0) -> "Pen":
        """A pen with its origin at (x, y), `size` times larger, turned by `tilt` radians."""
        turn = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
        return self._moved(self._matrix @ turn * size, self._place((x, y)))

    def sides(self) -> tuple["Pen", "Pen"]:
        """This pen, and one that draws its mirror image."""
        return self, self._moved(self._matrix * (-1, 1), self._origin)

    def _moved(self, matrix: np.ndarray, origin: np.ndarray) -> "Pen":
        pen = object.__new__(Pen)
        pen._draw, pen._matrix, pen._origin = self._draw, matrix, origin
        return pen

    def polygon(self, points: ArrayLike, colour: Colour) -> None:
        self._draw.polygon(self._place(points).ravel().tolist(), fill=colour)

    def shape(self, points: ArrayLike, colour: Colour) -> None:
        """A closed smooth curve through the points, filled."""
        self.polygon(_smooth(points, closed=True), colour)

    def symmetric(self, half: Sequence[tuple[float, float]], colour: Colour) -> None:
        """A shape from the right half of its outline, top to bottom."""
        self.shape([*half, *[(-x, y) for x, y in reversed(half) if x]], colour)

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour)

    def card(self, x0: float, y0: float, x1: float, y1: float, corner: float, colour: Colour) -> None:
        """A box with round corners."""
        left, right, top, bottom = x0 + corner, x1 - corner, y0 + corner, y1 - corner
        centres = [(right, bottom), (left, bottom), (left, top), (right, top)]
        self.polygon(np.repeat(centres, 8, axis=0) + corner * _CIRCLE, colour)

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: Colour) -> None:
        self.polygon(_CIRCLE * (rx, ry) + (x, y), colour)

    def stroke(self, points: ArrayLike, width: float | Sequence[float], colour: Colour) -> None:
        """A smooth line with round ends; `width` is one number, or several from its start to its end."""
        line = _smooth(points, closed=False)
        half = np.interp(np.linspace(0, 1, len(line)), np.linspace(0, 1, np.size(width)), np.ravel(width))[:, None] / 2
        along = np.concatenate([line[1:2] - line[:1], line[2:] - line[:-2], line[-1:] - line[-2:-1]])
        across = along[:, ::-1] * (-1, 1) / np.hypot(*along.T)[:, None]
        self.polygon(np.concatenate([line + across * half, (line - across * half)[::-1]]), colour)
        if len(colour) == 3:  # see-through ends would show
            self.polygon(_CIRCLE * half[0] + line[0], colour)
            self.polygon(_CIRCLE * half[-1] + line[-1], colour)

    def _place(self, points: ArrayLike) -> np.ndarray:
        return np.asarray(points, dtype=float) @ self._matrix.T + self._origin


def _smooth(points: ArrayLike, closed: bool) -> np.ndarray:
    """Catmull-Rom curve through points [N, 2], 6 points a piece."""
    points = np.asarray(points, dtype=float)
    before, after = (points[-1:], points[:2]) if closed else (points[:1], points[-1:])
    padded = np.concatenate([before, points, after])
    windows = padded[np.arange(len(padded) - 3)[:, None] + np.arange(4)]
    curve = (_CATMULL_ROM @ windows).reshape(-1, 2)
    return curve if closed else np.concatenate([curve, points[-1:]])
