"""Pictures of students at their desks, as a webcam would see them: 320 x 240 pixels, RGB.

What stays through a clip is a `Scene`: room, student, object, light. What changes from frame to frame is the `Pose`,
the `Expression`, and whether the face is hidden. All lots are drawn from a given generator and none depends on what is
to be recognised: nothing but the face tells the expression, nothing but hands and object tell the object.
"""

import numpy as np

from clip_caer.demo.face import EXPRESSIONS, Expression
from clip_caer.demo.look import Look
from clip_caer.demo.pen import SCALE, Pen
from clip_caer.demo.rooms import DESK, HEIGHT, WIDTH, draw_desk, draw_room
from clip_caer.demo.student import Pose, draw_student, sleeve
from clip_caer.demo.things import VARIANTS, draw_covering_hand, draw_thing


class Scene:
    """A student with an object in a room; perhaps a second student farther back, calm and without an object."""

    def __init__(self, setting: str, look: Look, thing: str, rng: np.random.Generator, companion: Look | None = None):
        """setting: one of SETTINGS. thing: one of OBJECTS. rng draws the room, the place of things, light and noise."""
        self.setting, self.look, self.thing, self.companion, self.rng = setting, look, thing, companion, rng
        self.room = draw_room(setting, rng)
        self.side = int(rng.integers(2))  # the second student's, and the hand's that holds the phone: right or left
        self.x = WIDTH / 2 + (rng.uniform(8, 18) * (2 * self.side - 1) if companion else rng.uniform(-14, 14))
        self.place = rng.uniform(-5, 5), rng.uniform(19, 23), rng.uniform(0.94, 1.04), rng.uniform(-0.05, 0.05)
        self.variant = int(rng.integers(VARIANTS))
        self.light = _light(rng)
        self.noise = rng.normal(0, rng.uniform(1.5, 4), (HEIGHT + 16, WIDTH + 16, 1)).astype(np.float32)

    def draw(self, pose: Pose, expression: Expression, hidden: str | None = None) -> np.ndarray:
        """uint8 [240, 320, 3]. hidden: None, "turned" (the back of the head) or "covered" (a hand before the face)."""
        canvas = self.room.copy()
        pen = Pen(canvas)
        if self.companion:
            self._draw_companion(pen.at(WIDTH / 2, 0).sides()[self.side].at(112, DESK - 34, 0.47), pose)
        student, arms = pen.at(self.x, DESK), sleeve(self.look, self.setting)
        shown = EXPRESSIONS["neutral"] if hidden else expression  # nothing peeps out beside the hand
        draw_student(student, self.look, pose, shown, self.setting, turned=hidden == "turned")
        draw_desk(pen, self.setting)
        dx, dy, size, tilt = self.place
        before = student.at(pose.body + dx, dy, size, tilt).sides()[self.side]
        draw_thing(before, self.thing, self.variant, self.look.skin, arms)
        if hidden == "covered":
            face = student.at(pose.head, pose.chin - 0.9 * self.look.size).sides()[self.side]
            draw_covering_hand(face, self.look.size, self.look.skin, arms)
        return self._develop(np.asarray(canvas.reduce(SCALE), dtype=np.float32))

    def face_box(self, pose: Pose) -> tuple[float, float, float, float]:
        """x0, y0, x1, y1 in pixels, about where a detector sees the face: from the forehead to the chin."""
        size, chin = self.look.size, DESK + pose.chin
        x = self.x + pose.head + (self.look.chin - 0.25) * size * np.sin(pose.tilt)  # the head turns around the chin
        return x - 0.96 * size, chin - (self.look.chin + 1.0) * size, x + 0.96 * size, chin + 0.08 * size

    def _draw_companion(self, pen: Pen, pose: Pose) -> None:
        pose = Pose(0, -40 * pose.tilt, -72, -pose.tilt)
        draw_student(pen, self.companion, pose, EXPRESSIONS["neutral"], self.setting)
        pen.box(-100, 0, 100, 90, (135, 108, 81))

    def _develop(self, picture: np.ndarray) -> np.ndarray:
        """Light that flickers a little, and the noise of a camera."""
        dy, dx = self.rng.integers(0, 16, 2)
        lit = picture * (self.light * self.rng.uniform(0.98, 1.02))
        return (lit + self.noise[dy : dy + HEIGHT, dx : dx + WIDTH]).clip(0, 255).astype(np.uint8)


def _light(rng: np.random.Generator) -> np.ndarray:
    """Float32 [240, 320, 3]: brighter on one side, darker in the corners, warm or cold."""
    y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    angle = rng.uniform(0, 2 * np.pi)
    light = 1 + rng.uniform(0.02, 0.14) * (x * np.cos(angle) + y * np.sin(angle)) - 0.1 * (x**2 + y**2)
    tint = rng.uniform(0.9, 1.15) * (1 + rng.uniform(-0.05, 0.05) * np.array([1, 0, -1]))
    return (light[..., None] * tint).astype(np.float32)
