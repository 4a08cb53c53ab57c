"""The four settings, as backgrounds 320 x 240 pixels."""

import numpy as np
from PIL import Image, ImageFilter

from clip_caer.demo.pen import SCALE, Colour, Pen, mix, shade

WIDTH, HEIGHT = 320, 240
DESK = 196  # y of the desk's far edge

DESKS: dict[str, Colour] = {
    "classroom": (205, 165, 115),
    "library": (122, 78, 48),
    "laboratory": (214, 220, 224),
    "dormitory": (170, 118, 76),
}
SETTINGS = tuple(DESKS)
_COVERS = [(158, 62, 52), (64, 96, 128), (92, 116, 76), (176, 132, 68), (112, 78, 106), (196, 182, 152), (70, 70, 78)]


def draw_room(setting: str, rng: np.random.Generator) -> Image.Image:
    """A room of its own for every state of `rng`: RGB, SCALE times too large, a little out of focus."""
    canvas = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE))
    {"classroom": _classroom, "library": _library, "laboratory": _laboratory, "dormitory": _dormitory}[setting](
        Pen(canvas).at(rng.uniform(-8, 8), rng.uniform(-5, 5)), rng
    )
    return canvas.filter(ImageFilter.BoxBlur(1.2 * SCALE))


def draw_desk(pen: Pen, setting: str) -> None:
    """The desk in front, over the whole width; pen: at the picture's corner."""
    colour = DESKS[setting]
    pen.box(0, DESK, WIDTH, HEIGHT, colour)
    pen.box(0, DESK, WIDTH, DESK + 2, shade(colour, 1.12))
    pen.box(0, 231, WIDTH, HEIGHT, shade(colour, 0.72))


def _classroom(pen: Pen, rng: np.random.Generator) -> None:
    wall = mix((236, 226, 200), (214, 224, 214), rng.random())
    pen.box(-20, -20, 340, 260, wall)
    pen.box(-20, 132, 340, 260, shade(wall, 0.86))
    board = mix((44, 92, 72), (52, 72, 84), rng.random())
    pen.box(66, 10, 312, 106, (150, 108, 68))
    pen.box(70, 14, 308, 102, board)
    for row in range(5):
        x = 80 + rng.uniform(0, 8)
        while x < rng.uniform(120, 300):
            length = rng.uniform(6, 22)
            y = 26 + 15 * row
            pen.stroke([(x, y), (x + length / 2, y + rng.uniform(-3, 3)), (x + length, y)], 1.6, (232, 236, 228, 170))
            x += length + 6
    pen.box(70, 102, 308, 107, (126, 88, 54))
    _window(pen, -22, 6, 48, 112, (186, 216, 240))
    for x in np.arange(-10, 340, 62) + rng.uniform(-14, 14):
        pen.box(x, 142, x + 46, 150, (178, 132, 84))
        pen.box(x + 6, 120, x + 40, 140, (116, 82, 58))
        pen.box(x + 4, 150, x + 8, 210, (96, 98, 104))
        pen.box(x + 38, 150, x + 42, 210, (96, 98, 104))


def _library(pen: Pen, rng: np.random.Generator) -> None:
    wood = mix((94, 62, 40), (120, 80, 52), rng.random())
    pen.box(-20, -20, 340, 260, shade(wood, 0.45))
    for shelf in range(5):
        base = 34 + 46 * shelf
        x = -16.0
        while x < 336:
            thick, tall = rng.uniform(4, 10), rng.uniform(26, 38)
            cover = shade(_COVERS[rng.integers(len(_COVERS))], rng.uniform(0.6, 0.95))
            pen.box(x, base - tall, x + thick - 0.6, base, cover)
            pen.box(x, base - tall * 0.75, x + thick - 0.6, base - tall * 0.68, mix(cover, (240, 226, 180), 0.6))
            x += thick + (14 if rng.random() < 0.06 else 0)
        pen.box(-20, base, 340, base + 6, wood)
        pen.box(-20, base, 340, base + 1.5, shade(wood, 1.3))
    for x in np.arange(-12, 340, 104) + rng.uniform(-30, 30):
        pen.box(x, -20, x + 8, 260, shade(wood, 1.1))
    lamp = rng.choice([34, 286])
    pen.box(lamp - 1, -20, lamp + 1, 20, (40, 34, 30))
    pen.polygon([(lamp - 8, 18), (lamp + 8, 18), (lamp + 24, 38), (lamp - 24, 38)], (56, 104, 80))
    pen.ellipse(lamp, 40, 40, 24, (255, 226, 150, 46))
    pen.ellipse(lamp, 39, 20, 7, (255, 238, 186))


def _laboratory(pen: Pen, rng: np.random.Generator) -> None:
    wall = mix((214, 228, 234), (226, 230, 226), rng.random())
    pen.box(-20, -20, 340, 260, wall)
    for x in range(-20, 340, 26):
        pen.box(x, -20, x + 1, 260, shade(wall, 0.93))
    for y in range(-20, 160, 26):
        pen.box(-20, y, 340, y + 1, shade(wall, 0.93))
    for y in (46, 96):
        pen.box(-20, y, 340, y + 5, (160, 170, 178))
        for x in np.arange(-8, 330, 30) + rng.uniform(-5, 5):
            liquid = [(70, 150, 210), (100, 186, 130), (226, 150, 70), (196, 90, 130), (240, 214, 90)][rng.integers(5)]
            kind = rng.integers(4)
            if kind == 0:  # flask
                pen.polygon([(x - 2, y - 28), (x + 2, y - 28), (x + 11, y), (x - 11, y)], (236, 244, 248))
                pen.polygon([(x - 4, y - 14), (x + 4, y - 14), (x + 11, y), (x - 11, y)], liquid)
            elif kind == 1:  # bottle
                pen.card(x - 7, y - 24, x + 7, y, 3, mix(liquid, (90, 60, 40), 0.5))
                pen.box(x - 3, y - 30, x + 3, y - 22, (70, 74, 80))
            elif kind == 2:  # test tubes
                for dx in (-7, 0, 7):
                    pen.box(x + dx - 2, y - 22, x + dx + 2, y, mix(liquid, (255, 255, 255), 0.3))
                pen.box(x - 11, y - 12, x + 11, y - 8, (176, 134, 90))
    pen.box(-20, 146, 340, 152, (120, 132, 142))
    pen.box(-20, 152, 340, 260, (176, 188, 196))
    side = rng.choice([30, 284])
    pen.stroke([(side + 10, 146), (side + 14, 126), (side + 2, 112)], 5, (70, 78, 90))
    pen.stroke([(side - 8, 132), (side + 4, 108)], 9, (88, 98, 112))
    pen.box(side - 16, 140, side + 18, 147, (70, 78, 90))
    screen = 314 - side
    pen.card(screen - 30, 100, screen + 30, 140, 3, (48, 54, 62))
    pen.box(screen - 27, 103, screen + 27, 136, (86, 140, 176))
    pen.stroke([(screen - 24 + 8 * i, 120 + rng.uniform(-11, 11)) for i in range(7)], 1.6, (220, 244, 226))


def _dormitory(pen: Pen, rng: np.random.Generator) -> None:
    wall = mix((228, 206, 188), (204, 212, 226), rng.random())
    pen.box(-20, -20, 340, 260, wall)
    pen.box(-20, 170, 340, 260, (150, 112, 84))
    night = rng.random() < 0.5
    _window(pen, 118, -4, 196, 84, (44, 56, 94) if night else (196, 222, 242))
    curtain = _COVERS[rng.integers(5)]
    for x0, x1 in ((104, 132), (182, 210)):
        pen.box(x0, -12, x1, 104, mix(curtain, (255, 255, 255), 0.35))
        for x in np.arange(x0 + 4, x1, 7):
            pen.box(x, -12, x + 2, 104, mix(curtain, (255, 255, 255), 0.2))
    mirror = rng.random() < 0.5
    bed = (lambda x: 320 - x) if mirror else (lambda x: x)
    blanket = _COVERS[rng.integers(6)]
    for y in (58, 142):  # bunks
        pen.box(bed(214), y, bed(346), y + 12, (134, 92, 58))
        pen.box(bed(218), y - 12, bed(346), y, (238, 234, 226))
        pen.box(bed(250), y - 16, bed(346), y + 2, blanket)
        pen.ellipse(bed(232), y - 14, 15, 7, (250, 248, 242))
    for x in (212, 330):
        pen.box(bed(x), -20, bed(x + 7), 260, (116, 78, 48))
    for y in range(72, 140, 16):
        pen.box(bed(219), y, bed(238), y + 3, (134, 92, 58))
    poster = mix(_COVERS[rng.integers(6)], (255, 255, 255), 0.25)
    pen.box(bed(24), 22, bed(76), 92, (248, 246, 240))
    pen.box(bed(27), 25, bed(73), 89, poster)
    pen.ellipse(bed(50), 50, 15, 15, mix(poster, (255, 240, 190), 0.7))
    pen.shape([(bed(29), 88), (bed(40), 68), (bed(54), 76), (bed(71), 60), (bed(71), 88)], shade(poster, 0.6))
    for x in range(-10, 340, 17):
        pen.ellipse(x, 8 + 5 * np.sin(x / 24), 2.6, 2.6, (255, 226, 140))


def _window(pen: Pen, x0: float, y0: float, x1: float, y1: float, sky: Colour) -> None:
    pen.box(x0, y0, x1, y1, (246, 244, 238))
    pen.box(x0 + 4, y0 + 4, x1 - 4, y1 - 4, sky)
    pen.box((x0 + x1) / 2 - 1.5, y0, (x0 + x1) / 2 + 1.5, y1, (246, 244, 238))
    pen.box(x0, (y0 + y1) / 2 - 1.5, x1, (y0 + y1) / 2 + 1.5, (246, 244, 238))
