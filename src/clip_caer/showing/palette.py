"""A colour for each class, told apart by people with colour-vision deficiency, and the letters to write on it."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import matplotlib
from PIL import ImageFont

Colour = tuple[int, int, int]  # red, green, blue; 0–255

INK, PAPER, PALE = (34, 34, 34), (255, 255, 255), (224, 224, 224)
_OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")


def class_colours(classes: Sequence[str]) -> dict[str, Colour]:
    """Class → its colour. From the ninth class on, colours come back darker."""
    colours = {}
    for number, name in enumerate(classes):
        rounds, place = divmod(number, len(_OKABE_ITO))
        value = int(_OKABE_ITO[place][1:], 16)
        colours[name] = tuple(int((value >> shift & 255) * 0.6**rounds) for shift in (16, 8, 0))
    return colours


def letters_on(colour: Colour) -> Colour:
    """Black or white, whichever is read more easily on `colour` (weights: ITU-R BT.601)."""
    return INK if 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] > 140 else PAPER


@cache
def letters(size: int) -> ImageFont.FreeTypeFont:
    """A font, `size` pixels high; Latin, Greek, Cyrillic."""
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf"), size)
