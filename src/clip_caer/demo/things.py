"""Hands, and what they hold. Pens have their origin on the desk, before the student."""

import numpy as np

from clip_caer.demo.pen import Colour, Pen, mix, shade

OBJECTS = ("book", "laptop", "phone")
VARIANTS = 5  # of each object

_BOOKS = [(206, 52, 46), (38, 104, 196), (34, 148, 84), (240, 140, 32), (140, 64, 168)]
_LAPTOPS = [(178, 182, 190), (62, 66, 74), (222, 222, 226), (120, 126, 138), (206, 196, 180)]
_PHONES = [(28, 28, 32), (22, 40, 66), (236, 90, 110), (40, 40, 44), (250, 206, 70)]
_ARM = (24, 24, 20, 16)  # width from the shoulder to the wrist


def draw_thing(pen: Pen, thing: str, variant: int, skin: Colour, sleeve: Colour) -> None:
    """One of OBJECTS, and the arms and hands that it takes; the other side's hand holds it if the pen is mirrored."""
    {"book": _draw_book, "laptop": _draw_laptop, "phone": _draw_phone}[thing](pen, variant, skin, sleeve)


def draw_covering_hand(pen: Pen, size: float, skin: Colour, sleeve: Colour) -> None:
    """A hand before the face; pen: in the middle of the face, whose half width is `size` pixels."""
    pen.stroke([(74, 56), (48, 50), (8, 0.8 * size)], 18, sleeve)
    hand = pen.at(0, 0, size)
    for x, tip in ((-0.6, 0.75), (-0.2, 1.0), (0.2, 1.05), (0.6, 0.85)):
        finger = [(0.8 * x, 0.4), (x, -tip)]
        hand.stroke(finger, 0.5, shade(skin, 0.74))
        hand.stroke(finger, 0.42, shade(skin, 0.97))
    hand.ellipse(0, 0.4, 0.85, 0.72, shade(skin, 0.97))


def _draw_book(pen: Pen, variant: int, skin: Colour, sleeve: Colour) -> None:
    """Open, upright, its covers to the viewer."""
    cover = _BOOKS[variant]
    light = mix(cover, (255, 250, 230), 0.8)
    for side in pen.sides():
        side.stroke([(64, -46), (86, -24), (82, -4), (56, -12)], _ARM, sleeve)
    for side, colour in zip(pen.sides(), (cover, shade(cover, 0.86)), strict=True):
        side.polygon([(0, -62), (50, -67), (52, -2), (0, 2)], (246, 240, 222))
        side.polygon([(2, -59), (55, -64), (56, 0), (2, 5)], colour)
    pen.box(-3, -60, 3, 5, shade(cover, 0.7))
    pen.polygon([(-46, -50), (-14, -47), (-14, -40), (-46, -43)], light)
    pen.polygon([(-40, -36), (-20, -34), (-20, -31), (-40, -33)], light)
    pen.ellipse(28, -32, 12, 13, light)
    for side in pen.sides():
        _draw_hand(side.at(55, -18, 1, -0.3), skin)


def _draw_laptop(pen: Pen, variant: int, skin: Colour, sleeve: Colour) -> None:
    """Its lid to the viewer, the hands behind it."""
    lid = _LAPTOPS[variant]
    for side in pen.sides():
        side.stroke([(64, -46), (84, -24), (78, -4), (40, -6)], _ARM, sleeve)
    pen.polygon([(-66, 2), (66, 2), (72, 8), (-72, 8)], shade(lid, 0.62))
    pen.card(-60, -62, 60, 3, 5, shade(lid, 0.8))
    pen.card(-59, -61, 59, 1, 5, lid)
    pen.polygon([(-59, -30), (-20, -61), (20, -61), (-59, 0)], (*mix(lid, (255, 255, 255), 0.5), 60))
    pen.ellipse(0, -31, 8, 8, mix(lid, (255, 255, 255) if np.mean(lid) < 150 else (60, 60, 70), 0.6))


def _draw_phone(pen: Pen, variant: int, skin: Colour, sleeve: Colour) -> None:
    """Upright in one hand, its back and cameras to the viewer; the other hand rests."""
    case = _PHONES[variant]
    holding, resting = pen.sides()
    resting.stroke([(64, -46), (84, -22), (78, 2), (40, 6)], _ARM, sleeve)
    resting.ellipse(33, 5, 12, 8, skin)
    holding.stroke([(64, -46), (82, -22), (72, 2), (20, 0)], _ARM, sleeve)
    pen.card(-21, -70, 21, 4, 6, shade(case, 0.7))
    pen.card(-20, -69, 20, 3, 6, case)
    pen.card(-16, -65, 4, -42, 4, shade(mix(case, (255, 255, 255), 0.14), 0.9))
    for x, y in ((-10, -59), (-2, -53), (-10, -48)):
        pen.ellipse(x, y, 3.6, 3.6, (14, 14, 18))
        pen.ellipse(x - 1, y - 1, 1.1, 1.1, (150, 170, 200))
    pen.ellipse(0, -28, 5, 5, mix(case, (255, 255, 255), 0.35))
    _draw_hand(holding.at(20, -14, 1.1, -0.1), skin)


def _draw_hand(pen: Pen, skin: Colour) -> None:
    """A right hand that grips an edge; fingers on the viewer's side."""
    pen.ellipse(4, 0, 10, 14, skin)
    for y in (-10, -3.5, 3, 9.5):
        pen.stroke([(5, y + 1), (-10, y)], 6.6, shade(skin, 0.78))
        pen.stroke([(5, y + 1), (-10, y)], 5.4, skin)
