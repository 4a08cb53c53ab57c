"""A pen that draws smooth shapes in the coordinates of the thing drawn."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw

SCALE = 3  # pictures are drawn this many times too large and averaged down: smooth edges

Colour = tuple[int, ...]  # red, green, blue, and maybe opacity; 0–255 each

_T = np.linspace(0, 1, 6, endpoint=False)
_CATMULL_ROM = np.stack(
    [-_T + 2 * _T**2 - _T**3, 2 - 5 * _T**2 + 3 * _T**3, _T + 4 * _T**2 - 3 * _T**3, -(_T**2) + _T**3], axis=1
)
_ROUND = np.linspace(0, 2 * np.pi, 32, endpoint=False)


def shade(colour: Colour, factor: float) -> Colour:
    """Darker for a factor below 1, lighter above."""
    return tuple(int(np.clip(value * factor, 0, 255)) for value in colour[:3])


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
        pen = object.__new__(Pen)
        turn = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
        pen._draw, pen._matrix, pen._origin = self._draw, self._matrix @ turn * size, self._place((x, y))
        return pen

    def polygon(self, points: ArrayLike, colour: Colour) -> None:
        self._draw.polygon(self._place(points).ravel().tolist(), fill=colour)

    def shape(self, points: ArrayLike, colour: Colour) -> None:
        """A closed smooth curve through the points, filled."""
        self.polygon(_smooth(points, closed=True), colour)

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour)

    def card(self, x0: float, y0: float, x1: float, y1: float, corner: float, colour: Colour) -> None:
        """A box with round corners."""
        centres = np.array([(x1 - corner, y1 - corner), (x0 + corner, y1 - corner)])
        centres = np.concatenate([centres, np.array([(x0 + corner, y0 + corner), (x1 - corner, y0 + corner)])])
        circle = corner * np.stack([np.cos(_ROUND), np.sin(_ROUND)], axis=1)
        self.polygon(np.repeat(centres, 8, axis=0) + circle, colour)

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: Colour) -> None:
        self.polygon(np.stack([x + rx * np.cos(_ROUND), y + ry * np.sin(_ROUND)], axis=1), colour)

    def stroke(self, points: ArrayLike, width: float | Sequence[float], colour: Colour, round_ends=True) -> None:
        """A smooth line through the points; `width` is one number, or several from its start to its end."""
        line = _smooth(points, closed=False)
        half = np.interp(np.linspace(0, 1, len(line)), np.linspace(0, 1, np.size(width)), np.ravel(width))[:, None] / 2
        along = np.gradient(line, axis=0)
        across = np.stack([-along[:, 1], along[:, 0]], axis=1) / np.linalg.norm(along, axis=1, keepdims=True).clip(1e-9)
        self.polygon(np.concatenate([line + across * half, (line - across * half)[::-1]]), colour)
        if round_ends:
            for end in (0, -1):
                self.ellipse(*line[end], half[end, 0], half[end, 0], colour)

    def _place(self, points: ArrayLike) -> np.ndarray:
        return np.asarray(points, dtype=float) @ self._matrix.T + self._origin


def _smooth(points: ArrayLike, closed: bool) -> np.ndarray:
    """Catmull-Rom curve through points [N, 2], 6 points a piece."""
    points = np.asarray(points, dtype=float)
    before, after = (points[-1:], points[:2]) if closed else (points[:1], points[-1:])
    windows = np.lib.stride_tricks.sliding_window_view(np.concatenate([before, points, after]), 4, axis=0)
    curve = np.swapaxes(windows @ _CATMULL_ROM.T / 2, 1, 2).reshape(-1, 2)
    return curve if closed else np.concatenate([curve, points[-1:]])
