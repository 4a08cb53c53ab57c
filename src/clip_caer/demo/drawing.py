"""Drawn students at their desks, as a webcam would see them: 320 x 240 pixels, RGB.

A picture is a `Scene` (room, student, object, light; one a clip) and what changes from frame to frame: the `Pose`, the
`Expression`, and whether the face is hidden. Everything is drawn at random but from the given generator, so that
nothing but the expression depends on the expression, and nothing but object and hands on the object.
"""

from typing import NamedTuple

import numpy as np

from clip_caer.demo.pen import SCALE, Colour, Pen, mix, shade
from clip_caer.demo.rooms import DESK, HEIGHT, WIDTH, draw_desk, draw_room

OBJECTS = ("book", "laptop", "phone")

_SKINS = [(247, 215, 188), (238, 198, 164), (224, 178, 140), (198, 146, 106), (158, 108, 76), (120, 80, 56)]
_HAIRS = [
    (34, 28, 28),
    (44, 40, 52),
    (58, 38, 28),
    (96, 62, 38),
    (140, 92, 50),
    (196, 154, 92),
    (128, 56, 36),
]  # dark first
_CLOTHES = [(186, 70, 66), (62, 98, 150), (78, 130, 96), (226, 184, 92), (120, 90, 140), (72, 76, 88), (222, 218, 208)]
_COVERS = [(206, 52, 46), (38, 104, 196), (34, 148, 84), (240, 140, 32), (140, 64, 168)]
_FRINGES = {
    "parted": [(0.93, -0.15), (0.87, -0.5), (0.55, -0.8), (-0.3, -1.02), (-0.74, -0.68), (-0.93, -0.15)],
    "bangs": [(0.93, -0.1), (0.88, -0.55), (0.45, -0.66), (0, -0.64), (-0.45, -0.66), (-0.88, -0.55), (-0.93, -0.1)],
    "swept": [(0.95, -0.25), (0.82, -0.7), (0.45, -0.97), (0, -1.02), (-0.45, -0.97), (-0.82, -0.7), (-0.95, -0.25)],
}
_CUTS = ("short", "bob", "long", "bun", "curly")


class Look(NamedTuple):
    """What a student looks like. Lengths are in halves of the face's width, `size` is that half in pixels."""

    size: float
    chin: float
    jaw: float
    skin: Colour
    hair: Colour
    cut: str
    fringe: str
    mirrored: bool
    glasses: Colour | None
    iris: Colour
    brow: float
    clothes: Colour
    garment: str


class Expression(NamedTuple):
    """How a face is held: each 0 at rest, unless it says otherwise."""

    eyes: float  # 0 closed, 1 wide open
    knit: float  # brows drawn together and down
    lift: float  # brows raised
    mouth: float  # how far open
    width: float  # of the mouth; 1 at rest
    curve: float  # corners of the mouth up (1) or down (-1)
    skew: float  # how crooked the mouth


EXPRESSIONS = {
    "neutral": Expression(eyes=0.8, knit=0, lift=0, mouth=0, width=1, curve=0, skew=0),
    "smile": Expression(eyes=0.75, knit=0, lift=0.3, mouth=0.42, width=1.4, curve=1, skew=0),
    "frown": Expression(eyes=0.6, knit=1, lift=0, mouth=0, width=0.9, curve=-0.8, skew=1),
    "sleepy": Expression(eyes=0, knit=0, lift=0.6, mouth=1, width=0.8, curve=0, skew=0),
}


class Pose(NamedTuple):
    """Where a student is held: pixels and radians from the middle of the desk's far edge, y downwards."""

    body: float
    head: float
    chin: float
    tilt: float


def new_look(rng: np.random.Generator) -> Look:
    """A student, drawn by lot."""
    tone = rng.uniform(0, len(_SKINS) - 1.001)
    hairs = _HAIRS if tone < 3 else _HAIRS[:3]
    return Look(
        size=rng.uniform(29.5, 34.5),
        chin=rng.uniform(1.28, 1.44),
        jaw=rng.uniform(0.62, 0.86),
        skin=mix(_SKINS[int(tone)], _SKINS[int(tone) + 1], tone % 1),
        hair=mix(hairs[rng.integers(len(hairs))], hairs[rng.integers(len(hairs))], 0.25),
        cut=str(rng.choice(_CUTS)),
        fringe=str(rng.choice(sorted(_FRINGES))),
        mirrored=bool(rng.random() < 0.5),
        glasses=[(40, 40, 46), (120, 60, 50), (70, 84, 110)][rng.integers(3)] if rng.random() < 0.3 else None,
        iris=[(70, 46, 30), (48, 34, 26), (76, 100, 74), (70, 100, 134)][rng.integers(4)],
        brow=rng.uniform(0.1, 0.15),
        clothes=shade(_CLOTHES[rng.integers(7)], rng.uniform(0.85, 1.1)),
        garment=str(rng.choice(["tee", "hoodie", "shirt", "stripes"])),
    )


def sway(frames: int, rng: np.random.Generator) -> list[Pose]:
    """Slow movements of body and head through a clip of 12 frames a second."""
    time = np.arange(frames)[:, None] / 12
    rate, phase = rng.uniform(0.15, 0.5, (2, 4)), rng.uniform(0, 2 * np.pi, (2, 4))
    waves = sum(np.sin(2 * np.pi * rate[i] * time + phase[i]) for i in range(2)) / 2
    rest = np.array([rng.uniform(-6, 6), rng.uniform(-4, 4), -71 + rng.uniform(-3, 2), rng.uniform(-0.06, 0.06)])
    moved = rest + waves * np.array([2.0, 4.0, 2.0, 0.05])
    return [Pose(body, body + head, chin, tilt) for body, head, chin, tilt in moved.tolist()]


def blend(first: Expression, second: Expression, share: float) -> Expression:
    """An expression between two: `share` (0–1) of the second."""
    return Expression(*(a + (b - a) * share for a, b in zip(first, second, strict=True)))


class Scene:
    """What stays through a clip: room, student, object, light; perhaps a second student farther back, without object."""

    def __init__(self, setting: str, look: Look, thing: str, rng: np.random.Generator, companion: Look | None = None):
        """thing: one of OBJECTS. rng draws the room, the object's looks and place, the light and the noise."""
        self.setting, self.look, self.thing, self.companion = setting, look, thing, companion
        self.room = draw_room(setting, rng)
        self.side = int(rng.choice([-1, 1]))  # where the companion sits; the hand that holds the phone
        self.x = WIDTH / 2 - (self.side * rng.uniform(8, 18) if companion else rng.uniform(-14, 14))
        self.object_place = (rng.uniform(-5, 5), rng.uniform(19, 23), rng.uniform(0.94, 1.04), rng.uniform(-0.05, 0.05))
        self.object_colour = rng.integers(5)
        y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
        angle = rng.uniform(0, 2 * np.pi)
        light = 1 + rng.uniform(0.02, 0.14) * (x * np.cos(angle) + y * np.sin(angle)) - 0.1 * (x**2 + y**2)
        tint = rng.uniform(0.9, 1.15) * (1 + rng.uniform(-0.05, 0.05) * np.array([1, 0, -1]))
        self.light = (light[..., None] * tint).astype(np.float32)
        self.noise = rng.normal(0, rng.uniform(1.5, 4), (HEIGHT + 16, WIDTH + 16, 1)).astype(np.float32)
        self.rng = rng

    def draw(self, pose: Pose, expression: Expression, hidden: str | None = None) -> np.ndarray:
        """uint8 [240, 320, 3]. hidden: None, "turned" (the back of the head) or "covered" (a hand before the face)."""
        canvas = self.room.copy()
        pen = Pen(canvas)
        if self.companion:
            back = pen.at(WIDTH / 2 + self.side * 112, DESK - 34, 0.47)
            still = Pose(0, -pose.tilt * 40, -72, -pose.tilt)
            _draw_student(back, self.companion, still, EXPRESSIONS["neutral"], self.setting)
            back.box(-100, 0, 100, 90, shade((150, 120, 90), 0.9))
        student = pen.at(self.x, DESK)
        _draw_student(student, self.look, pose, expression, self.setting, hidden)
        draw_desk(pen, self.setting)
        self._draw_object(student, pose)
        if hidden == "covered":
            self._cover_face(student, pose)
        dy, dx = self.rng.integers(0, 16, 2)
        frame = np.asarray(canvas.reduce(SCALE), dtype=np.float32) * (self.light * self.rng.uniform(0.98, 1.02))
        return (frame + self.noise[dy : dy + HEIGHT, dx : dx + WIDTH]).clip(0, 255).astype(np.uint8)

    def face_box(self, pose: Pose) -> tuple[float, float, float, float]:
        """x0, y0, x1, y1 in pixels, about where a detector sees the face: from the forehead to the chin."""
        x, y, size = self.x + pose.head, DESK + pose.chin, self.look.size
        x += (self.look.chin - 0.25) * size * np.sin(pose.tilt)  # the head turns around the chin
        return x - 0.96 * size, y - (self.look.chin + 1.0) * size, x + 0.96 * size, y + 0.08 * size

    def _draw_object(self, pen: Pen, pose: Pose) -> None:
        dx, dy, size, tilt = self.object_place
        pen = pen.at(pose.body + dx, dy, size, tilt)
        skin, sleeve = self.look.skin, _sleeve(self.look, self.setting)
        if self.thing == "laptop":
            for side in (-1, 1):
                pen.stroke(
                    [(side * 64, -46), (side * 84, -24), (side * 78, -4), (side * 40, -6)], (24, 24, 20, 16), sleeve
                )
            _laptop(
                pen,
                [(178, 182, 190), (62, 66, 74), (222, 222, 226), (120, 126, 138), (206, 196, 180)],
                self.object_colour,
            )
        elif self.thing == "book":
            for side in (-1, 1):
                pen.stroke(
                    [(side * 64, -46), (side * 86, -24), (side * 82, -4), (side * 56, -12)], (24, 24, 20, 17), sleeve
                )
            _book(pen, _COVERS[self.object_colour])
            for side in (-1, 1):
                _hand(pen.at(side * 55, -18, 1, side * -0.3), skin, side)
        else:
            side = self.side
            pen.stroke(
                [(side * -64, -46), (side * -84, -22), (side * -78, 2), (side * -40, 6)], (24, 24, 20, 16), sleeve
            )
            pen.ellipse(side * -33, 5, 12, 8, skin)
            pen.stroke([(side * 64, -46), (side * 82, -22), (side * 72, 2), (side * 20, 0)], (24, 24, 20, 17), sleeve)
            _phone(pen, self.object_colour)
            _hand(pen.at(side * 20, -14, 1.1, side * -0.1), skin, side)

    def _cover_face(self, pen: Pen, pose: Pose) -> None:
        """A hand before the face: eyes, nose and mouth are gone."""
        skin, size = self.look.skin, self.look.size
        x, y = pose.head, pose.chin - 0.9 * size
        sleeve = _sleeve(self.look, self.setting)
        pen.stroke(
            [(x + self.side * 74, -24), (x + self.side * 48, -30), (x + self.side * 8, y + 0.8 * size)], 18, sleeve
        )
        for i, tip in enumerate((0.75, 1.0, 1.05, 0.85)):
            dx = (i - 1.5) * 0.4 * size
            line = [(x + dx * 0.8, y + 0.4 * size), (x + dx, y - tip * size)]
            pen.stroke(line, 0.5 * size, shade(skin, 0.74))
            pen.stroke(line, 0.42 * size, shade(skin, 0.97))
        pen.ellipse(x, y + 0.4 * size, 0.85 * size, 0.72 * size, shade(skin, 0.97))


def _draw_student(
    pen: Pen, look: Look, pose: Pose, expression: Expression, setting: str, hidden: str | None = None
) -> None:
    tall = look.chin * look.size
    head = pen.at(pose.head, pose.chin, look.size, pose.tilt).at(0, -look.chin)
    body = pen.at(pose.body, pose.chin - tall, look.size)
    turned = hidden == "turned"
    if not turned:
        _hair_behind(head, look)
    _torso(body, look, setting)
    neck = pen.at((pose.body + pose.head) / 2, pose.chin - tall, look.size)
    neck.shape([(-0.42, 0.6), (-0.42, 1.4), (-0.75, 1.95), (0, 2.2), (0.75, 1.95), (0.42, 1.4), (0.42, 0.6)], look.skin)
    neck.shape([(-0.42, 0.9), (-0.4, 1.5), (0, 1.78), (0.4, 1.5), (0.42, 0.9)], (*shade(look.skin, 0.6), 110))
    _collar(body, look, setting)
    _head(head, look)
    if turned:
        _back_of_head(head, look)
    else:
        _face(head, look, expression)
        _fringe(head, look)


def _sleeve(look: Look, setting: str) -> Colour:
    return (236, 238, 240) if setting == "laboratory" else shade(look.clothes, 0.86)


def _torso(pen: Pen, look: Look, setting: str) -> None:
    outline = [(-0.7, 1.8), (-1.5, 2.05), (-2.25, 2.5), (-2.6, 3.6), (-2.7, 5.6)]
    outline += [(-x, y) for x, y in reversed(outline)]
    pen.shape(outline, look.clothes)
    pen.stroke([(-1.75, 3.1), (-1.7, 4.4)], 0.1, (*shade(look.clothes, 0.6), 120))
    pen.stroke([(1.75, 3.1), (1.7, 4.4)], 0.1, (*shade(look.clothes, 0.6), 120))
    if look.garment == "stripes":
        for y in np.arange(2.75, 4.6, 0.45):
            pen.box(-2.3, y, 2.3, y + 0.18, mix(look.clothes, (255, 255, 255), 0.5))
    if setting == "laboratory":
        for side in (-1, 1):
            coat = [(0.55, 1.85), (1.5, 2.05), (2.3, 2.5), (2.65, 3.6), (2.7, 5.6), (0.3, 5.6), (0.35, 3.4)]
            pen.polygon([(side * x, y) for x, y in coat], (240, 242, 244))
            lapel = [(0.5, 1.85), (1.05, 2.3), (0.8, 2.75), (0.36, 3.5)]
            pen.polygon([(side * x, y) for x, y in lapel], (214, 220, 226))


def _collar(pen: Pen, look: Look, setting: str) -> None:
    dark, light = shade(look.clothes, 0.75), mix(look.clothes, (255, 255, 255), 0.55)
    if setting == "laboratory":
        return
    if look.garment == "hoodie":
        pen.stroke([(-0.9, 1.75), (-0.6, 2.15), (0, 2.4), (0.6, 2.15), (0.9, 1.75)], 0.34, dark)
        for side in (-1, 1):
            pen.stroke([(side * 0.25, 2.4), (side * 0.3, 3.1)], 0.07, light)
    elif look.garment == "shirt":
        for side in (-1, 1):
            pen.polygon([(side * x, y) for x, y in [(0.62, 1.62), (0.95, 2.0), (0.5, 2.55), (0.02, 2.2)]], light)
        pen.stroke([(0, 2.3), (0, 4.6)], 0.06, dark)
    else:
        pen.stroke([(-0.78, 1.92), (-0.4, 2.16), (0, 2.24), (0.4, 2.16), (0.78, 1.92)], 0.13, dark)


def _head(pen: Pen, look: Look) -> None:
    for side in (-1, 1):
        pen.ellipse(side * 1.0, 0.12, 0.17, 0.27, shade(look.skin, 0.93))
        pen.ellipse(side * 1.02, 0.12, 0.08, 0.16, shade(look.skin, 0.78))
    c, jaw = look.chin, look.jaw
    half = [(0.55, -1.15), (0.92, -0.7), (1.0, -0.1), (0.95, 0.45), (jaw, 0.66 * c), (0.5 * jaw, 0.94 * c)]
    outline = [(0, -1.25), *half, (0, c), *[(-x, y) for x, y in reversed(half)]]
    pen.shape(outline, look.skin)


def _face(pen: Pen, look: Look, expression: Expression) -> None:
    skin, dark = look.skin, shade(look.skin, 0.68)
    for side in (-1, 1):
        pen.ellipse(side * 0.6, 0.55, 0.27, 0.2, (*mix(skin, (226, 90, 80), 0.5), 60))
        pen.ellipse(side * 0.43, 0.02, 0.33, 0.2, (*dark, 46))  # eye sockets
    pen.shape([(-0.1, 0.1), (0.1, 0.1), (0.2, 0.46), (0, 0.54), (-0.2, 0.46)], (*dark, 56))
    pen.stroke([(-0.02, 0.0), (-0.03, 0.38)], 0.09, (*mix(skin, (255, 255, 255), 0.6), 130))
    pen.stroke([(-0.17, 0.42), (-0.08, 0.52), (0, 0.5), (0.08, 0.52), (0.17, 0.42)], 0.06, dark)
    for side in (-1, 1):
        pen.ellipse(side * 0.08, 0.5, 0.04, 0.025, shade(skin, 0.4))
        _eye(pen, look, expression, side)
        _brow(pen, look, expression, side)
    if expression.knit > 0.3:
        for side in (-1, 1):
            pen.stroke([(side * 0.06, -0.36), (side * 0.08, -0.18)], 0.05, (*shade(skin, 0.55), 190))
    if expression.curve > 0.3:
        for side in (-1, 1):
            pen.stroke([(side * 0.3, 0.48), (side * 0.52, 0.68), (side * 0.56, 0.86)], 0.05, (*dark, 170))
    _mouth(pen, look, expression)
    if look.glasses:
        for side in (-1, 1):
            rim = [(side * (0.44 + 0.31 * np.cos(a)), 0.04 + 0.25 * np.sin(a)) for a in np.linspace(0, 2 * np.pi, 13)]
            pen.polygon(rim, (225, 235, 245, 36))
            pen.stroke(rim, 0.06, look.glasses)
            pen.stroke([(side * 0.75, 0.0), (side * 1.0, -0.04)], 0.06, look.glasses)
        pen.stroke([(-0.13, 0.0), (0, -0.04), (0.13, 0.0)], 0.06, look.glasses)


def _eye(pen: Pen, look: Look, expression: Expression, side: int) -> None:
    x, y, lid = side * 0.43, 0.03, shade(look.hair, 0.5)
    if expression.eyes < 0.2:
        pen.stroke([(x - 0.22, y), (x - 0.1, y + 0.09), (x + 0.1, y + 0.09), (x + 0.22, y)], 0.07, lid)
        return
    top, bottom = 0.16 * expression.eyes, 0.11 * expression.eyes
    almond = [(-0.23, 0.01), (-0.11, -top), (0.1, -top), (0.23, 0), (0.1, bottom), (-0.1, bottom)]
    pen.shape([(x + dx, y + dy) for dx, dy in almond], (250, 248, 244))
    turn = np.linspace(0, 2 * np.pi, 16)
    for radius, colour in ((0.125, look.iris), (0.065, (20, 16, 16))):
        iris = np.stack([x + radius * np.cos(turn), (y + radius * np.sin(turn)).clip(y - top, y + bottom)], axis=1)
        pen.polygon(iris, colour)
    pen.ellipse(x - 0.04, y - 0.04, 0.03, 0.03, (255, 255, 255))
    pen.stroke([(x - 0.24, y + 0.01), (x - 0.11, y - top), (x + 0.1, y - top), (x + 0.24, y)], 0.065, lid)
    pen.stroke([(x - 0.16, y + bottom), (x + 0.16, y + bottom)], 0.03, (*shade(look.skin, 0.6), 120))


def _brow(pen: Pen, look: Look, expression: Expression, side: int) -> None:
    inner = (0.2 - 0.07 * expression.knit, -0.27 + 0.14 * expression.knit - 0.1 * expression.lift)
    middle = (0.44, -0.36 - 0.12 * expression.lift)
    outer = (0.7, -0.27 - 0.06 * expression.knit - 0.06 * expression.lift)
    line = [(side * px, py) for px, py in (inner, middle, outer)]
    pen.stroke(line, (look.brow, look.brow, 0.5 * look.brow), mix(shade(look.hair, 0.8), look.skin, 0.12))


def _mouth(pen: Pen, look: Look, expression: Expression) -> None:
    """Two lips as curves over -1 … 1; `skew` bends them into a wave."""
    x = np.linspace(-1, 1, 9)
    half, y = 0.34 * expression.width, 0.82 if look.chin > 1.34 else 0.79
    middle = y - 0.14 * expression.curve * (x**2 - 0.5) + 0.09 * expression.skew * np.sin(np.pi * x)
    arch = 1 - x**2
    upper, lower = middle - 0.13 * expression.mouth * arch, middle + 0.32 * expression.mouth * arch
    lips = mix(look.skin, (186, 66, 70), 0.5)
    pen.polygon(_ring(half * x * 1.06, upper - 0.075 * arch**0.5, lower + 0.095 * arch**0.5), lips)
    if expression.mouth > 0.1:
        pen.polygon(_ring(half * x, upper, lower), (84, 24, 30))
        if expression.curve > 0.3:
            pen.polygon(_ring(half * x * 0.94, upper, upper + 0.7 * (lower - upper)), (252, 250, 246))
        else:
            pen.polygon(_ring(half * x * 0.7, upper + 0.62 * (lower - upper), lower - 0.02 * arch), (200, 92, 96))
    else:
        pen.stroke(np.stack([half * x, middle], axis=1), 0.05, shade(lips, 0.5))


def _ring(x: np.ndarray, upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    return np.concatenate([np.stack([x, upper], axis=1), np.stack([x, lower], axis=1)[::-1]])


def _hair_behind(pen: Pen, look: Look) -> None:
    dark = shade(look.hair, 0.75)
    if look.cut == "bob":
        pen.shape(
            [
                (0, -1.5),
                (0.95, -1.1),
                (1.25, -0.2),
                (1.3, 0.8),
                (0.9, 1.25),
                (0, 1.1),
                (-0.9, 1.25),
                (-1.3, 0.8),
                (-1.25, -0.2),
                (-0.95, -1.1),
            ],
            dark,
        )
    elif look.cut == "long":
        pen.shape(
            [
                (0, -1.5),
                (1.0, -1.1),
                (1.22, -0.2),
                (1.3, 1.2),
                (1.45, 2.5),
                (0.6, 2.7),
                (0, 2.2),
                (-0.6, 2.7),
                (-1.45, 2.5),
                (-1.3, 1.2),
                (-1.22, -0.2),
                (-1.0, -1.1),
            ],
            dark,
        )
    elif look.cut == "bun":
        pen.ellipse(0, -1.62, 0.45, 0.42, dark)
    elif look.cut == "curly":
        for angle in np.linspace(-0.35, np.pi + 0.35, 12):
            pen.ellipse(1.08 * np.cos(angle), -0.32 - 1.02 * np.sin(angle), 0.36, 0.36, dark)


def _fringe(pen: Pen, look: Look) -> None:
    flip = -1 if look.mirrored else 1
    outer = [
        (-1.06, 0.02),
        (-1.1, -0.5),
        (-0.95, -1.02),
        (-0.5, -1.4),
        (0, -1.52),
        (0.5, -1.4),
        (0.95, -1.02),
        (1.1, -0.5),
        (1.06, 0.02),
    ]
    pen.shape([(flip * x, y) for x, y in outer + _FRINGES[look.fringe]], look.hair)
    if look.cut in ("bob", "long"):
        for side in (-1, 1):
            end = 1.1 if look.cut == "bob" else 2.2
            pen.stroke([(side * 0.98, -0.5), (side * 1.1, 0.3), (side * 1.16, end)], (0.26, 0.36, 0.3), look.hair)
    if look.cut == "curly":
        for angle in np.linspace(0.1, np.pi - 0.1, 9):
            pen.ellipse(0.85 * np.cos(angle), -0.42 - 0.85 * np.sin(angle), 0.27, 0.25, look.hair)
    shine = [(flip * x, y) for x, y in [(-0.7, -1.0), (-0.35, -1.22), (0.1, -1.3)]]
    pen.stroke(shine, (0.04, 0.13, 0.04), (*mix(look.hair, (255, 255, 255), 0.35), 110))


def _back_of_head(pen: Pen, look: Look) -> None:
    end = {"bob": 1.2, "long": 2.6}.get(look.cut, 0.9)
    half = [(0.6, -1.4), (1.05, -0.9), (1.12, -0.2), (1.02, 0.45), (1.0 if end > 1 else 0.75, 0.8 * end), (0.5, end)]
    pen.shape([(0, -1.54), *half, (0, 1.04 * end), *[(-x, y) for x, y in reversed(half)]], look.hair)
    for x in (-0.7, -0.4, -0.1, 0.2, 0.5, 0.75):
        pen.stroke([(0.4 * x, -1.3), (x, -0.4), (x, 0.6)], 0.04, (*shade(look.hair, 0.7), 120))


def _book(pen: Pen, cover: Colour) -> None:
    """Open, upright, its covers to the viewer."""
    for side in (-1, 1):
        pages = [(0, -62), (side * 50, -67), (side * 52, -2), (0, 2)]
        pen.polygon(pages, (246, 240, 222))
        face = cover if side < 0 else shade(cover, 0.86)
        pen.polygon([(side * 2, -59), (side * 55, -64), (side * 56, 0), (side * 2, 5)], face)
    pen.box(-3, -60, 3, 5, shade(cover, 0.7))
    light = mix(cover, (255, 250, 230), 0.8)
    pen.polygon([(-46, -50), (-14, -47), (-14, -40), (-46, -43)], light)
    pen.polygon([(-40, -36), (-20, -34), (-20, -31), (-40, -33)], light)
    pen.ellipse(28, -32, 12, 13, light)


def _laptop(pen: Pen, colours: list[Colour], which: int) -> None:
    """Its lid to the viewer."""
    lid = colours[which]
    pen.polygon([(-66, 2), (66, 2), (72, 8), (-72, 8)], shade(lid, 0.62))
    pen.card(-60, -62, 60, 3, 5, shade(lid, 0.8))
    pen.card(-59, -61, 59, 1, 5, lid)
    pen.polygon([(-59, -30), (-20, -61), (20, -61), (-59, 0)], (*mix(lid, (255, 255, 255), 0.5), 60))
    pen.ellipse(0, -31, 8, 8, mix(lid, (255, 255, 255) if sum(lid) < 450 else (60, 60, 70), 0.6))


def _phone(pen: Pen, which: int) -> None:
    """Upright, its back and cameras to the viewer."""
    case = [(28, 28, 32), (22, 40, 66), (236, 90, 110), (40, 40, 44), (250, 206, 70)][which]
    pen.card(-21, -70, 21, 4, 6, shade(case, 0.7))
    pen.card(-20, -69, 20, 3, 6, case)
    pen.card(-16, -65, 4, -42, 4, shade(mix(case, (255, 255, 255), 0.14), 0.9))
    for x, y in ((-10, -59), (-2, -53), (-10, -48)):
        pen.ellipse(x, y, 3.6, 3.6, (14, 14, 18))
        pen.ellipse(x - 1, y - 1, 1.1, 1.1, (150, 170, 200))
    pen.ellipse(0, -28, 5, 5, mix(case, (255, 255, 255), 0.35))


def _hand(pen: Pen, skin: Colour, side: int) -> None:
    """A hand that grips an edge from the `side`; fingers on the viewer's side."""
    pen.ellipse(side * 4, 0, 10, 14, skin)
    for i in range(4):
        y = -10 + 6.5 * i
        pen.stroke([(side * 5, y + 1), (side * -10, y)], 6.6, shade(skin, 0.78))
        pen.stroke([(side * 5, y + 1), (side * -10, y)], 5.4, skin)
