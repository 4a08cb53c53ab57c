"""A student from the waist up, as seen from the front."""

from typing import NamedTuple

import numpy as np

from clip_caer.demo.face import Expression, draw_face
from clip_caer.demo.look import Look
from clip_caer.demo.pen import Colour, Pen, mix, shade

_WHITE = (255, 255, 255)
_FRINGES = {  # the hairline, from the right temple to the left
    "parted": [(0.93, -0.15), (0.87, -0.5), (0.55, -0.8), (-0.3, -1.02), (-0.74, -0.68), (-0.93, -0.15)],
    "bangs": [(0.93, -0.1), (0.88, -0.55), (0.45, -0.66), (0, -0.64), (-0.45, -0.66), (-0.88, -0.55), (-0.93, -0.1)],
    "swept": [(0.95, -0.25), (0.82, -0.7), (0.45, -0.97), (0, -1.02), (-0.45, -0.97), (-0.82, -0.7), (-0.95, -0.25)],
}


class Pose(NamedTuple):
    """How a student sits: pixels and radians from the middle of the desk's far edge, y downwards."""

    body: float  # x
    head: float  # x
    chin: float  # y
    tilt: float  # of the head


def sway(frames: int, rng: np.random.Generator) -> list[Pose]:
    """Slow movements of body and head through a clip of 12 frames a second."""
    time = np.arange(frames)[:, None] / 12
    rate, phase = rng.uniform(0.15, 0.5, (2, 4)), rng.uniform(0, 2 * np.pi, (2, 4))
    waves = np.sin(2 * np.pi * rate[:, None] * time + phase[:, None]).mean(axis=0)
    rest = np.array([rng.uniform(-6, 6), rng.uniform(-4, 4), -71 + rng.uniform(-3, 2), rng.uniform(-0.06, 0.06)])
    moved = rest + waves * np.array([2.0, 4.0, 2.0, 0.05])
    return [Pose(body, body + head, chin, tilt) for body, head, chin, tilt in moved.tolist()]


def draw_student(pen: Pen, look: Look, pose: Pose, expression: Expression, setting: str, turned: bool = False) -> None:
    """pen: at the middle of the desk's far edge. turned: the back of the head is seen instead of the face."""
    middle = pose.chin - look.chin * look.size
    head = pen.at(pose.head, pose.chin, look.size, pose.tilt).at(0, -look.chin)
    body = pen.at(pose.body, middle, look.size)
    if not turned:
        _draw_hair_behind(head, look)
    _draw_torso(body, look)
    _draw_neck(pen.at((pose.body + pose.head) / 2, middle, look.size), look)
    _draw_coat(body) if setting == "laboratory" else _draw_collar(body, look)
    _draw_head(head, look)
    if turned:
        _draw_back_of_head(head, look)
    else:
        draw_face(head, look, expression)
        _draw_hair(head, look)


def sleeve(look: Look, setting: str) -> Colour:
    """Colour of the arms: students wear a white coat in the laboratory."""
    return (236, 238, 240) if setting == "laboratory" else shade(look.clothes, 0.86)


def _draw_torso(pen: Pen, look: Look) -> None:
    pen.symmetric([(0.7, 1.8), (1.5, 2.05), (2.25, 2.5), (2.6, 3.6), (2.7, 5.6)], look.clothes)
    for side in pen.sides():
        side.stroke([(1.75, 3.1), (1.7, 4.4)], 0.1, (*shade(look.clothes, 0.6), 120))
    if look.garment == "stripes":
        for y in np.arange(2.75, 4.6, 0.45):
            pen.box(-2.3, y, 2.3, y + 0.18, mix(look.clothes, _WHITE, 0.5))


def _draw_neck(pen: Pen, look: Look) -> None:
    pen.symmetric([(0.42, 0.6), (0.42, 1.4), (0.75, 1.95), (0, 2.2)], look.skin)
    pen.symmetric([(0.42, 0.9), (0.4, 1.5), (0, 1.78)], (*shade(look.skin, 0.6), 110))


def _draw_coat(pen: Pen) -> None:
    for side in pen.sides():
        side.polygon(
            [(0.55, 1.85), (1.5, 2.05), (2.3, 2.5), (2.65, 3.6), (2.7, 5.6), (0.3, 5.6), (0.35, 3.4)], (240, 242, 244)
        )
        side.polygon([(0.5, 1.85), (1.05, 2.3), (0.8, 2.75), (0.36, 3.5)], (214, 220, 226))


def _draw_collar(pen: Pen, look: Look) -> None:
    dark, light = shade(look.clothes, 0.75), mix(look.clothes, _WHITE, 0.55)
    if look.garment == "hoodie":
        pen.stroke([(-0.9, 1.75), (-0.6, 2.15), (0, 2.4), (0.6, 2.15), (0.9, 1.75)], 0.34, dark)
        for side in pen.sides():
            side.stroke([(0.25, 2.4), (0.3, 3.1)], 0.07, light)
    elif look.garment == "shirt":
        for side in pen.sides():
            side.polygon([(0.62, 1.62), (0.95, 2.0), (0.5, 2.55), (0.02, 2.2)], light)
        pen.stroke([(0, 2.3), (0, 4.6)], 0.06, dark)
    else:
        pen.stroke([(-0.78, 1.92), (-0.4, 2.16), (0, 2.24), (0.4, 2.16), (0.78, 1.92)], 0.13, dark)


def _draw_head(pen: Pen, look: Look) -> None:
    for side in pen.sides():
        side.ellipse(1.0, 0.12, 0.17, 0.27, shade(look.skin, 0.93))
        side.ellipse(1.02, 0.12, 0.08, 0.16, shade(look.skin, 0.78))
    skull = [(0, -1.25), (0.55, -1.15), (0.92, -0.7), (1.0, -0.1), (0.95, 0.45)]
    jaw = [(look.jaw, 0.66 * look.chin), (0.5 * look.jaw, 0.94 * look.chin), (0, look.chin)]
    pen.symmetric(skull + jaw, look.skin)


def _draw_hair_behind(pen: Pen, look: Look) -> None:
    dark = shade(look.hair, 0.75)
    if look.cut == "bob":
        pen.symmetric([(0, -1.5), (0.95, -1.1), (1.25, -0.2), (1.3, 0.8), (0.9, 1.25), (0, 1.1)], dark)
    elif look.cut == "long":
        top, ends = [(0, -1.5), (1.0, -1.1), (1.22, -0.2)], [(1.3, 1.2), (1.45, 2.5), (0.6, 2.7), (0, 2.2)]
        pen.symmetric(top + ends, dark)
    elif look.cut == "bun":
        pen.ellipse(0, -1.62, 0.45, 0.42, dark)
    elif look.cut == "curly":
        for angle in np.linspace(-0.35, np.pi + 0.35, 12):
            pen.ellipse(1.08 * np.cos(angle), -0.32 - 1.02 * np.sin(angle), 0.36, 0.36, dark)


def _draw_hair(pen: Pen, look: Look) -> None:
    top = [(0, -1.52), (0.5, -1.4), (0.95, -1.02), (1.1, -0.5), (1.06, 0.02)]
    parted = pen.sides()[look.mirrored]
    parted.shape([*[(-x, y) for x, y in reversed(top)], *top[1:], *_FRINGES[look.fringe]], look.hair)
    if look.cut in ("bob", "long"):
        for side in pen.sides():
            end = (1.16, 1.1 if look.cut == "bob" else 2.2)
            side.stroke([(0.98, -0.5), (1.1, 0.3), end], (0.26, 0.36, 0.3), look.hair)
    elif look.cut == "curly":
        for angle in np.linspace(0.1, np.pi - 0.1, 9):
            pen.ellipse(0.85 * np.cos(angle), -0.42 - 0.85 * np.sin(angle), 0.27, 0.25, look.hair)
    shine = (*mix(look.hair, _WHITE, 0.35), 110)
    parted.stroke([(-0.7, -1.0), (-0.35, -1.22), (0.1, -1.3)], (0.04, 0.13, 0.04), shine)


def _draw_back_of_head(pen: Pen, look: Look) -> None:
    end = {"bob": 1.2, "long": 2.6}.get(look.cut, 0.9)
    top = [(0, -1.54), (0.6, -1.4), (1.05, -0.9), (1.12, -0.2), (1.02, 0.45)]
    pen.symmetric([*top, (1.0 if end > 1 else 0.75, 0.8 * end), (0.5, end), (0, 1.04 * end)], look.hair)
    for x in (-0.7, -0.4, -0.1, 0.2, 0.5, 0.75):
        pen.stroke([(0.4 * x, -1.3), (x, -0.4), (x, 0.6)], 0.04, (*shade(look.hair, 0.7), 120))
