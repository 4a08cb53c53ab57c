"""The demo dataset: videos of drawn students, a sheet, and the best UAR that each view can reach.

All lots are drawn from seeds that begin with 1; the tiny CLIP has learned from drawings whose seeds begin otherwise.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import ffmpeg as ffmpeg_python
import numpy as np
import polars as pl
from tqdm import tqdm

from clip_caer.demo.drawing import Scene
from clip_caer.demo.face import EXPRESSIONS, blend
from clip_caer.demo.look import new_look
from clip_caer.demo.rooms import HEIGHT, SETTINGS, WIDTH
from clip_caer.demo.student import sway
from clip_caer.errors import UserError
from clip_caer.files import atomic, write_json, write_text
from clip_caer.interruptions import end_with


class Plan(NamedTuple):
    """What a class shows: the expressions in their order in time, the object, and the class's share of the clips."""

    expressions: tuple[str, ...]
    thing: str
    share: float


# From neutrality, enjoyment differs only in the face and distraction only in the object; fatigue and confusion differ
# only in the order in time.
CLASSES = {
    "neutrality": Plan(("neutral",), "book", 80 / 180),
    "enjoyment": Plan(("smile",), "book", 20 / 180),
    "confusion": Plan(("sleepy", "frown"), "laptop", 14 / 180),
    "fatigue": Plan(("frown", "sleepy"), "laptop", 32 / 180),
    "distraction": Plan(("neutral",), "phone", 34 / 180),
}
VIEWS = ("context", "face")
LEAST = 3  # clips of a class, and students
RATE = 12  # frames a second
_DEMO = 1  # how all seeds begin
_PLANS, _STUDENTS, _CLIPS = 0, 1, 2  # what follows the demo's seed


class Clip(NamedTuple):
    """Everything about a clip but its pixels."""

    number: int
    label: str
    student: int
    split: str  # the official one: train | test
    frames: int
    change: float  # when the expression changes, as a share of the clip
    companion: bool  # a second student is in the picture
    hidden: range  # the frames without a visible face
    hiding: str  # how it is hidden: turned | covered

    @property
    def setting(self) -> str:
        return SETTINGS[self.student % len(SETTINGS)]

    def share(self, frame: int) -> float:
        """How far (0–1) the first expression has given way to the last; it takes three frames."""
        return float(np.clip((frame - self.change * self.frames) / 3 + 0.5, 0, 1))

    def shows(self, view: str) -> str:
        """What there is to be seen in a view, in the order in time."""
        plan = CLASSES[self.label]
        if view == "context":
            return plan.thing
        visible = [frame for frame in range(self.frames) if frame not in self.hidden]
        seen = dict.fromkeys(plan.expressions[0 if self.share(frame) < 0.5 else -1] for frame in visible)
        return " then ".join(seen) or "none"


def make_demo(
    folder: Path, students: int = 30, clips: int = 180, seed: int = 1, *, ffmpeg: str, workers: int = 1
) -> None:
    """Write videos/{setting}/{student}/{number}.mp4, clips.csv (the sheet) and demo_truth.json to `folder`.

    ffmpeg: path of the program. demo_truth.json: the best UAR (0–1) for every set of views, by their sorted names:
    "context", "face", "context+face". The same arguments give the same sheet, truth and pictures.
    Raises UserError if there are too few clips or students for every class to be learned and tested.
    """
    plans = plan_clips(students, clips, seed)
    numbers = Counter()
    videos = []
    for clip in plans:
        numbers[clip.student] += 1
        videos.append(f"videos/{clip.setting}/{_name(clip)}/{numbers[clip.student]:02}.mp4")
    with ProcessPoolExecutor(workers, initializer=end_with, initargs=(os.getpid(),)) as executor:
        written = executor.map(partial(_write_video, seed=seed, ffmpeg=ffmpeg), plans, [folder / v for v in videos])
        list(tqdm(written, "demo", len(plans), unit="clip"))
    columns = {
        "video": videos,
        "label": [clip.label for clip in plans],
        "subject": [_name(clip) for clip in plans],
        "setting": [clip.setting for clip in plans],
        "split": [clip.split for clip in plans],
    }
    write_text(pl.DataFrame(columns).sort("video").write_csv(), folder / "clips.csv")
    sets = [views for size in (1, 2) for views in combinations(VIEWS, size)]
    write_json({"+".join(views): best_uar(plans, views) for views in sets}, folder / "demo_truth.json")


def plan_clips(students: int, clips: int, seed: int) -> list[Clip]:
    """Labels, students, official split and course of all clips, in an order that tells nothing.

    A fifth of every class is the official test set; students are in both parts, as in RAER.
    """
    if students < LEAST or clips < LEAST * len(CLASSES):
        raise UserError(
            f"demo: {students} students and {clips} clips are too few. Expected at least {LEAST} students, and "
            f"{LEAST * len(CLASSES)} clips, {LEAST} for each class."
        )
    rng = np.random.default_rng((_DEMO, seed, _PLANS))
    counts = {label: max(LEAST, round(plan.share * clips)) for label, plan in CLASSES.items()}
    counts["neutrality"] += clips - sum(counts.values())
    lots = []
    for label, count in counts.items():
        order = np.resize(rng.permutation(students), count)
        test = max(1, round(count / 5))
        splits = rng.permutation(["test"] * test + ["train"] * (count - test))
        lots += zip([label] * count, order.tolist(), splits.tolist(), strict=True)
    faceless = int(rng.integers(counts["neutrality"]))  # the one clip without any face
    plans = []
    for number, (label, student, split) in enumerate(lots):
        frames = int(rng.integers(37, 61) if rng.random() < 0.08 else 16 + 20 * rng.beta(1.2, 2))
        start, length = int(rng.integers(frames)), int(rng.integers(2, 1 + frames // 5))
        hidden = range(start, start + length) if rng.random() < 0.3 else range(0)
        course = {
            "change": rng.uniform(0.4, 0.6),
            "companion": bool(rng.random() < 0.15) and number != faceless,
            "hidden": range(frames) if number == faceless else hidden,
            "hiding": "turned" if number == faceless else str(rng.choice(["turned", "covered"])),
        }
        plans.append(Clip(number, label, student, split, frames, **course))
    return [plans[i] for i in rng.permutation(len(plans))]


def best_uar(clips: Sequence[Clip], views: Sequence[str]) -> float:
    """The best UAR (0–1) that anyone can reach on these clips who sees only these views (Bayes).

    Clips that show the same cannot be told apart. Each such group gets the label that adds most to the mean recall.
    """
    size = Counter(clip.label for clip in clips)
    recall: dict[tuple[str, ...], Counter] = {}
    for clip in clips:
        seen = tuple(clip.shows(view) for view in views)
        recall.setdefault(seen, Counter())[clip.label] += 1
    best = [max(count / size[label] for label, count in group.items()) for group in recall.values()]
    return sum(best) / len(size)


def draw_clip(clip: Clip, seed: int) -> Iterator[np.ndarray]:
    """The frames, uint8 [240, 320, 3]."""
    look = new_look(np.random.default_rng((_DEMO, seed, _STUDENTS, clip.student)))
    rng = np.random.default_rng((_DEMO, seed, _CLIPS, clip.number))
    plan = CLASSES[clip.label]
    scene = Scene(clip.setting, look, plan.thing, rng, new_look(rng) if clip.companion else None)
    first, last = EXPRESSIONS[plan.expressions[0]], EXPRESSIONS[plan.expressions[-1]]
    for frame, pose in enumerate(sway(clip.frames, rng)):
        yield scene.draw(pose, blend(first, last, clip.share(frame)), clip.hiding if frame in clip.hidden else None)


def _write_video(clip: Clip, path: Path, seed: int, ffmpeg: str) -> None:
    pixels = b"".join(frame.tobytes() for frame in draw_clip(clip, seed))
    source = ffmpeg_python.input("pipe:", format="rawvideo", pix_fmt="rgb24", s=f"{WIDTH}x{HEIGHT}", framerate=RATE)
    h264 = {"vcodec": "libx264", "preset": "veryfast", "crf": 18, "pix_fmt": "yuv420p", "threads": 1}
    with atomic(path) as temporary:
        source.output(str(temporary), **h264, loglevel="error").run(cmd=ffmpeg, input=pixels)


def _name(clip: Clip) -> str:
    return f"S{clip.student + 1:02}"
