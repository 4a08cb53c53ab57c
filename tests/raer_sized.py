"""A made dataset of RAER's size and layout, and a CLIP of random weights: for benchmarks and for tests of scale.

`make raer-sized` writes it to data/raer-sized. What can be counted is as in RAER: clips by class and list, students and
their clips, frames. The pictures are drawn, a few for each student and class; frames are hard links to them.
"""

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from clip_caer.files import atomic
from tiny_clip import save_random_clip

COUNTS = {"train": (1383, 129, 30, 157, 422), "test": (345, 32, 7, 39, 105)}  # clips of the labels 1 to 5
CONFUSION, CONFUSED = 3, 18  # a label, and how many students have a clip of it
CLIPS, STUDENTS, FRAMES = 2649, 141, 81_873
FEWEST, MOST = 4, 59  # clips of a student
SHORTEST, LONGEST = 30, 59  # frames of a clip; the median is 31
PICTURES = 4  # of a student, for each label
PREFIX = "/home/someone/data/RAER"  # the released lists and boxes carry the paths of somebody's machine


class Clip(NamedTuple):
    """A clip, and where its student's face is: the middle and half the width, as shares of the picture's height."""

    path: str  # below images/
    role: str
    label: int
    student: int
    n_frames: int
    face: tuple[float, float, float]


def plan_clips(times: int = 1) -> Iterator[Clip]:
    """All clips; `times` of everything but the classes: students too."""
    for copy in range(times):
        rng = np.random.default_rng(copy)
        lots = [(role, label) for role, counts in COUNTS.items() for label, n in enumerate(counts, 1) for _ in range(n)]
        lengths, numbers = draw_lengths(rng), np.zeros(STUDENTS, int)
        for (role, label), student, n_frames in zip(lots, deal_students(lots, rng), lengths, strict=True):
            numbers[student] += 1
            face = rng.uniform(0.3, 1.4), rng.uniform(0.1, 0.4), rng.uniform(0.05, 0.12)
            path = f"{folder_of(copy * STUDENTS + student)}/{numbers[student]}"
            yield Clip(path, role, label, copy * STUDENTS + student, n_frames, face)


def draw_lengths(rng: np.random.Generator) -> np.ndarray:
    """Frames of each clip: half of them of the shortest, most others of one more, a few longer, one of the longest."""
    lengths = np.full(CLIPS, SHORTEST)
    lengths[CLIPS // 2 :] += 1
    lengths[-1] = LONGEST
    longer = CLIPS // 2 + rng.integers(CLIPS // 5, size=FRAMES - lengths.sum())
    return rng.permutation(lengths + np.bincount(longer, minlength=CLIPS))


def deal_students(lots: list[tuple[str, int]], rng: np.random.Generator) -> np.ndarray:
    """The student of each clip: few have many clips, and few a clip of confusion."""
    clips = np.round(FEWEST + (MOST - FEWEST) * np.linspace(0, 1, STUDENTS) ** 2.8).astype(int)
    clips[STUDENTS // 2 :][: CLIPS - clips.sum()] += 1  # what rounding left
    confused = np.array([label == CONFUSION for _, label in lots])
    students = np.empty(CLIPS, int)
    students[confused] = np.resize(STUDENTS - 1 - np.arange(CONFUSED), confused.sum())
    left = clips - np.bincount(students[confused], minlength=STUDENTS)
    students[~confused] = rng.permutation(np.repeat(np.arange(STUDENTS), left))
    return students


def folder_of(student: int) -> str:
    places = (
        f"Class/Classroom/Class{student // 20 + 1:03}",
        "SelfStudy/Library",
        "Class/Laboratory",
        "SelfStudy/Dormitory",
    )
    return f"{places[student % 4]}/P{student + 1:03}"


def write_raer_sized(folder: Path, times: int = 1, height: int = 180) -> None:
    """Write RAER/ and clip/ to `folder`, in place of what was there. height: pixels of a picture; 1080 in RAER."""
    with atomic(folder / "RAER") as raer:
        faces, bodies, lists = {}, {}, {role: [] for role in COUNTS}
        for number, clip in enumerate(plan_clips(times)):
            name = f"{PREFIX}/images/{clip.path}"
            lists[clip.role].append(f"{name} {clip.n_frames} {clip.label}\n")
            write_frames(clip, raer, height)
            x, y, size = (height * share for share in clip.face)
            bodies[name] = [x - 4 * size, y - 2 * size, x + 4 * size, 1.1 * height]
            box = [x - size, y - size, x + size, y + size]
            if number % 100:  # of some clips nobody gave the faces, and in some frames the face was not found
                faces[name] = {f"{frame}.jpg": box for frame in range(1, clip.n_frames + 1) if frame % 40}
        for role, lines in lists.items():
            (raer / f"{role}.txt").write_text("".join(lines))
        (raer / "face.json").write_text(json.dumps(faces))
        (raer / "body.json").write_text(json.dumps(bodies))
    save_random_clip(folder / "clip")


def write_frames(clip: Clip, raer: Path, height: int) -> None:
    pictures = [raer / "pictures" / f"{clip.student}-{clip.label}-{number}.jpg" for number in range(PICTURES)]
    if not pictures[0].exists():
        draw_pictures(pictures, (clip.student, clip.label), height)
    frames = raer / "images" / clip.path
    frames.mkdir(parents=True)
    for frame in range(clip.n_frames):
        os.link(pictures[frame * len(pictures) // clip.n_frames], frames / f"{frame + 1}.jpg")


def draw_pictures(paths: list[Path], seed: tuple[int, int], height: int) -> None:
    """Soft spots of colour, that differ a little from picture to picture."""
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    spots = rng.integers(0, 200, (9, 16, 3))
    for path in paths:
        picture = Image.fromarray((spots + rng.integers(0, 56, spots.shape)).astype(np.uint8))
        picture.resize((height * 16 // 9, height), Image.Resampling.BICUBIC).save(path, quality=90)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write a dataset of RAER's size and layout, and a random CLIP.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--times", type=int, default=1, help="as many times RAER's clips and students")
    parser.add_argument("--height", type=int, default=180, help="of the pictures in pixels; RAER's have 1080")
    write_raer_sized(**vars(parser.parse_args()))
