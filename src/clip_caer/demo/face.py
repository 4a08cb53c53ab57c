"""Faces, and how they are held. Pens have their origin in the middle of the face, half its width is the unit."""

from typing import NamedTuple

import numpy as np

from clip_caer.demo.look import Look
from clip_caer.demo.pen import Pen, mix, shade


class Expression(NamedTuple):
    """How a face is held, as amounts that can be blended."""

    eyes: float  # 0 closed, 1 wide open
    knit: float  # brows drawn together and down
    lift: float  # brows raised
    mouth: float  # how far open
    width: float  # of the mouth; 1 at rest
    curve: float  # corners of the mouth up (1) or down (-1)
    skew: float  # how crooked the mouth is


EXPRESSIONS = {
    "neutral": Expression(eyes=0.8, knit=0, lift=0, mouth=0, width=1, curve=0, skew=0),
    "smile": Expression(eyes=0.75, knit=0, lift=0.3, mouth=0.42, width=1.4, curve=1, skew=0),
    "frown": Expression(eyes=0.6, knit=1, lift=0, mouth=0, width=0.9, curve=-0.8, skew=1),
    "sleepy": Expression(eyes=0, knit=0, lift=0.6, mouth=1, width=0.8, curve=0, skew=0),
}


def blend(first: Expression, second: Expression, share: float) -> Expression:
    """An expression between two: `share` (0–1) of the second."""
    return Expression(*(a + (b - a) * share for a, b in zip(first, second, strict=True)))


def draw_face(pen: Pen, look: Look, expression: Expression) -> None:
    """Eyes, brows, nose, mouth, and glasses where the student has some."""
    dark = shade(look.skin, 0.68)
    for side in pen.sides():
        side.ellipse(0.6, 0.55, 0.27, 0.2, (*mix(look.skin, (226, 90, 80), 0.5), 60))
        side.ellipse(0.43, 0.02, 0.33, 0.2, (*dark, 46))
        if expression.knit > 0.3:
            side.stroke([(0.06, -0.36), (0.08, -0.18)], 0.05, (*shade(look.skin, 0.55), 190))
        if expression.curve > 0.3:
            side.stroke([(0.3, 0.48), (0.52, 0.68), (0.56, 0.86)], 0.05, (*dark, 170))
        _draw_eye(side.at(0.43, 0.03), look, expression)
        _draw_brow(side, look, expression)
    _draw_nose(pen, look)
    _draw_mouth(pen.at(0, 0.6 * look.chin), look, expression)
    if look.glasses:
        _draw_glasses(pen, look)


def _draw_eye(pen: Pen, look: Look, expression: Expression) -> None:
    lid = shade(look.hair, 0.5)
    if expression.eyes < 0.2:
        pen.stroke([(-0.22, 0), (-0.1, 0.09), (0.1, 0.09), (0.22, 0)], 0.07, lid)
        return
    top, bottom = 0.16 * expression.eyes, 0.11 * expression.eyes
    pen.shape([(-0.23, 0.01), (-0.11, -top), (0.1, -top), (0.23, 0), (0.1, bottom), (-0.1, bottom)], (250, 248, 244))
    turn = np.linspace(0, 2 * np.pi, 16)
    for radius, colour in ((0.125, look.iris), (0.065, (20, 16, 16))):
        pen.polygon(np.stack([radius * np.cos(turn), (radius * np.sin(turn)).clip(-top, bottom)], axis=1), colour)
    pen.ellipse(0, -0.05, 0.03, 0.03, (255, 255, 255))
    pen.stroke([(-0.24, 0.01), (-0.11, -top), (0.1, -top), (0.24, 0)], 0.065, lid)
    pen.stroke([(-0.16, bottom), (0.16, bottom)], 0.03, (*shade(look.skin, 0.6), 120))


def _draw_brow(pen: Pen, look: Look, expression: Expression) -> None:
    knit, lift = expression.knit, expression.lift
    inner, outer = (0.2 - 0.07 * knit, -0.27 + 0.14 * knit - 0.1 * lift), (0.7, -0.27 - 0.06 * knit - 0.06 * lift)
    thick = look.brow * np.array([1, 1, 0.5])
    pen.stroke([inner, (0.44, -0.36 - 0.12 * lift), outer], thick, mix(shade(look.hair, 0.8), look.skin, 0.12))


def _draw_nose(pen: Pen, look: Look) -> None:
    dark = shade(look.skin, 0.68)
    pen.shape([(-0.1, 0.1), (0.1, 0.1), (0.2, 0.46), (0, 0.54), (-0.2, 0.46)], (*dark, 56))
    pen.stroke([(-0.02, 0.0), (-0.03, 0.38)], 0.09, (*mix(look.skin, (255, 255, 255), 0.6), 130))
    pen.stroke([(-0.17, 0.42), (-0.08, 0.52), (0, 0.5), (0.08, 0.52), (0.17, 0.42)], 0.06, dark)
    for side in pen.sides():
        side.ellipse(0.08, 0.5, 0.04, 0.025, shade(look.skin, 0.4))


def _draw_mouth(pen: Pen, look: Look, expression: Expression) -> None:
    x = np.linspace(-1, 1, 9)
    arch = 1 - x**2
    middle = 0.14 * expression.curve * (arch - 0.5) + 0.09 * expression.skew * np.sin(np.pi * x)
    upper, lower = middle - 0.13 * expression.mouth * arch, middle + 0.3 * expression.mouth * arch
    half, lips = 0.34 * expression.width, mix(look.skin, (186, 66, 70), 0.5)

    def fill(width, above, below, colour):
        outline = [np.stack([width * x, above], axis=1), np.stack([width * x, below], axis=1)[::-1]]
        pen.polygon(np.concatenate(outline), colour)

    fill(1.06 * half, upper - 0.075 * arch**0.5, lower + 0.095 * arch**0.5, lips)
    if expression.mouth < 0.1:
        pen.stroke(np.stack([half * x, middle], axis=1), 0.05, shade(lips, 0.5))
        return
    fill(half, upper, lower, (84, 24, 30))
    if expression.curve > 0.3:  # teeth, or a tongue
        fill(0.94 * half, upper, upper + 0.7 * (lower - upper), (252, 250, 246))
    else:
        fill(0.7 * half, upper + 0.62 * (lower - upper), lower - 0.02 * arch, (200, 92, 96))


def _draw_glasses(pen: Pen, look: Look) -> None:
    turn = np.linspace(0, 2 * np.pi, 13)
    rim = np.stack([0.44 + 0.31 * np.cos(turn), 0.04 + 0.25 * np.sin(turn)], axis=1)
    for side in pen.sides():
        side.polygon(rim, (225, 235, 245, 36))
        side.stroke(rim, 0.06, look.glasses)
        side.stroke([(0.75, 0.0), (1.0, -0.04)], 0.06, look.glasses)
    pen.stroke([(-0.13, 0.0), (0, -0.04), (0.13, 0.0)], 0.06, look.glasses)
