"""A copy of a video in which one sees who was recognised as what: boxes, numbers, classes, and the course below."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from math import ceil

import numpy as np
import polars as pl
from PIL import Image, ImageDraw

from clip_caer.pictures.crops import CORNERS
from clip_caer.predicting.predict import Prediction
from clip_caer.predicting.source import Source
from clip_caer.showing.course import Part, course, named, part_at, span, students
from clip_caer.showing.palette import INK, PALE, PAPER, Colour, class_colours, letters, letters_on

LEAST_HEIGHT = 480  # pixels; smaller videos are drawn larger, so that letters can be read


def annotated(
    pictures: Iterable[np.ndarray], source: Source, prediction: Prediction, classes: Sequence[str], fill_gap: int
) -> Iterator[np.ndarray]:
    """The frames with what was predicted, uint8 RGB, one by one; of even height and width, as H.264 wants them.

    pictures: all frames of `source`, as they are to be shown. fill_gap: the longest run of frames in which a face that
    was not found gets a box between its neighbours.
    """
    who = students(prediction.table)
    parts = {student: course(prediction.table, student) for student in who}
    boxes = {student: boxes_by_frame(prediction.faces, student, fill_gap) for student in who}
    colours = class_colours(classes)
    strip = None
    for frame, picture in enumerate(pictures):
        scale = ceil(LEAST_HEIGHT / picture.shape[0])
        size = picture.shape[1] * scale // 2 * 2, picture.shape[0] * scale // 2 * 2
        strip = strip or _Strip(size, parts, colours, source)
        image = Image.new("RGB", (size[0], size[1] + strip.height), PAPER)
        image.paste(Image.fromarray(picture).resize(size))
        now = _moment(source, frame)
        for student, of_student in parts.items():
            part = part_at(of_student, now)
            if part:
                _draw_student(image, size, student, part, boxes[student].get(frame), scale, colours)
        strip.draw(image, now)
        yield np.asarray(image)


def boxes_by_frame(faces: pl.DataFrame, student: int | None, fill_gap: int) -> dict[int, tuple[float, ...]]:
    """Frame (from 0) → a student's face box; short gaps are filled from their neighbours."""
    rows = [] if student is None else faces.filter(student=student).sort("frame").select("frame", *CORNERS).rows()
    boxes = {frame: tuple(box) for frame, *box in rows}
    for (before, *first), (after, *last) in pairwise(rows):
        if after - before - 1 <= fill_gap:
            for frame in range(before + 1, after):
                share = (frame - before) / (after - before)
                boxes[frame] = tuple(a + (b - a) * share for a, b in zip(first, last, strict=True))
    return boxes


def _moment(source: Source, frame: int) -> float:
    return source.times[frame] if source.times else source.numbers[frame] - 1.0


def _draw_student(
    image: Image.Image,
    size: tuple[int, int],
    student: int | None,
    part: Part,
    box: tuple[float, ...] | None,
    scale: int,
    colours: dict[str, Colour],
) -> None:
    """The box around a face, and above it: number, class, probability. Without a face, the words stand in a corner."""
    draw, font = ImageDraw.Draw(image), letters(max(14, size[1] // 26))
    name = part.row["predicted"]
    text = f" {named(student)}: {name} {100 * part.row[f'calibrated_{name}']:.0f} % "
    _, top, width, bottom = font.getbbox(text)
    height = bottom + top // 2
    if box is None and student is not None:
        return
    x, y = 0, size[1] - height
    if box is not None:
        line = max(2, size[1] // 160)
        x0, y0, x1, y1 = (scale * corner for corner in box)
        draw.rectangle((x0 - line, y0 - line, x1 + line, y1 + line), outline=colours[name], width=line)
        x, y = x0 - line, y0 - line - height
        y = y if y >= 0 else min(y1 + line, size[1] - height)
    x = max(0, min(x, size[0] - width))
    draw.rectangle((x, y, x + width, y + height), fill=colours[name])
    draw.text((x, y), text, font=font, fill=letters_on(colours[name]))


class _Strip:
    """The course of all students below the video: a bar each, coloured and named, and a line where the video is."""

    def __init__(
        self, size: tuple[int, int], parts: dict[int | None, list[Part]], colours: dict[str, Colour], source: Source
    ):
        self.width, self.top = size
        self.seconds = source.times is not None
        self.font = letters(max(12, size[1] // 32))
        self.row, self.gap = int(self.font.size * 1.7), max(4, size[1] // 90)
        self.height = (len(parts) * (self.row + self.gap) + self.row + self.gap) // 2 * 2
        self.left = int(max(self.font.getlength(f" {named(student)} ") for student in parts)) + self.gap
        self.right = self.width - 2 * self.gap
        self.end = max(span(part.row)[1] for of_student in parts.values() for part in of_student)
        self.picture = self._draw(parts, colours)

    def draw(self, image: Image.Image, now: float) -> None:
        """Below the picture in `image`, with the line at the moment `now`."""
        image.paste(self.picture, (0, self.top))
        draw = ImageDraw.Draw(image)
        x, bottom = self._x(now), image.height - self.gap
        end = self.top + self.height - self.gap - self.row
        draw.line((x, self.top + self.gap // 2, x, end), fill=INK, width=max(2, self.width // 400))
        text = f"{_clock(now)} / {_clock(self.end)}" if self.seconds else f"frame {now + 1:.0f} / {self.end:.0f}"
        half = self.font.getlength(text) / 2
        x = min(max(x, self.left + half), self.right - half)
        draw.text((x, bottom), text, font=self.font, fill=INK, anchor="ms")

    def _draw(self, parts: dict[int | None, list[Part]], colours: dict[str, Colour]) -> Image.Image:
        picture = Image.new("RGB", (self.width, self.height), PAPER)
        draw, y = ImageDraw.Draw(picture), self.gap
        for student, of_student in parts.items():
            draw.text((self.gap, y + self.row / 2), named(student), font=self.font, fill=INK, anchor="lm")
            draw.rectangle((self.left, y, self.right, y + self.row), fill=PALE)
            for part in _runs(of_student):
                x0, x1, name = self._x(part.start), self._x(part.stop), part.row["predicted"]
                draw.rectangle((x0, y, x1, y + self.row), fill=colours[name])
                if self.font.getlength(name) + 2 * self.gap <= x1 - x0:
                    place = (x0 + self.gap, y + self.row / 2)
                    draw.text(place, name, font=self.font, fill=letters_on(colours[name]), anchor="lm")
            y += self.row + self.gap
        return picture

    def _x(self, moment: float) -> float:
        return self.left + (self.right - self.left) * min(moment / self.end, 1.0)


def _runs(parts: list[Part]) -> list[Part]:
    """Successive parts of one class as one."""
    runs: list[Part] = []
    for part in parts:
        last = runs[-1] if runs else None
        if last and last.stop == part.start and last.row["predicted"] == part.row["predicted"]:
            runs[-1] = last._replace(stop=part.stop)
        else:
            runs.append(part)
    return runs


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
