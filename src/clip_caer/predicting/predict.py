"""Predictions for one video, made while it streams by.

Every step is the workflow's own: the detector, the student's track, the crops of both views, the image encoder, one
frame a segment. So a video that is one clip gets the probabilities of the evaluation.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import NamedTuple

import numpy as np
import polars as pl
import torch

from clip_caer.faces.detections import Detections
from clip_caer.faces.detector import Detector
from clip_caer.faces.student import Tracker, faces_of, presence
from clip_caer.pictures.crops import CORNERS
from clip_caer.pictures.video import Damaged
from clip_caer.predicting.attribution import Decision, decide, shares
from clip_caer.predicting.look import encode, look, person_areas
from clip_caer.predicting.plan import Plan, make_plan
from clip_caer.predicting.source import Encoded, Source, decoded, frame_size
from clip_caer.predicting.windows import Span, Window, make_windows
from clip_caer.trained.model import Trained

LEAST_SEEN = 0.25  # share of a window's frames in which somebody's face must be found to count as a student there


class Prediction(NamedTuple):
    """What was found in one video.

    table: a row for each window and student: see `columns`. faces: every face found, one row each: `frame` (from 0),
    `student` (null for somebody who is no student of any window), x0, y0, x1, y1 in pixels.
    """

    table: pl.DataFrame
    faces: pl.DataFrame


def predict_video(
    source: Source,
    trained: Trained,
    detector: Detector,
    window: Span | None = None,
    step: Span | None = None,
    students: str = "one",
    tick: Callable[[], object] = lambda: None,
) -> Prediction:
    """Class probabilities of the student, or of `all` students, in each window; without `window`, in the whole video.

    students: `one` is who is nearest to the camera and there for most of the window, as in training. Where nobody is
    found, the window has one row without a student, from its context alone. tick: called after each frame.
    Only those frames of open windows that the model will be shown are kept, as JPEG: memory does not grow with the
    video, but for its boxes. Raises Damaged; UserError for a window that the video cannot have.
    """
    watch = _Watch(source, trained, students)
    waiting = [make_plan(source, trained.about, w) for w in make_windows(len(source.names), source.times, window, step)]
    last_use = {frame: number for number, plan in enumerate(waiting) for frame in plan.shown}
    used = {frame for plan in waiting for frame in plan.used}
    number, rows = 0, []
    wanted = (frame for frame in _counted(source, tick) if frame[0] in used)
    while frames := list(islice(wanted, detector.batch)):
        detections = detector.detect(np.stack([decoded(encoded) for _, encoded in frames]))
        for (frame, encoded), faces in zip(frames, detections, strict=True):
            watch.see(frame, faces, encoded if frame in last_use else None)
        while number < len(waiting) and waiting[number].used[-1] <= frames[-1][0]:
            rows += watch.predict(waiting[number])
            number += 1
            start = waiting[number].window.start if number < len(waiting) else len(source.names)
            watch.forget(start, {frame for frame in watch.kept if last_use[frame] < number})
    return Prediction(pl.DataFrame(rows, schema=columns(trained), orient="row"), watch.faces())


def columns(trained: Trained) -> dict[str, pl.DataType]:
    """Columns of the table of predictions and their types.

    student: from 1, in the order in which they appear; null where nobody was found. first_frame, last_frame: their
    numbers, from 1. start, end: seconds from the beginning; null for pictures. probability_…: of each class, as in the
    evaluation; calibrated_…: the same by the run's temperature, to be believed rather. face_found: share of the
    window's frames, 0–1. share_…: of the views in the decision, 0–1, null where no view speaks for it; evidence_…:
    their contributions in nats (see `decide`).
    """
    return {
        "student": pl.Int64,
        "first_frame": pl.Int64,
        "last_frame": pl.Int64,
        "start": pl.Float64,
        "end": pl.Float64,
        "predicted": pl.String,
        **{f"probability_{name}": pl.Float64 for name in trained.classes},
        **{f"calibrated_{name}": pl.Float64 for name in trained.classes},
        "face_found": pl.Float64,
        **{f"share_{view}": pl.Float64 for view in trained.views},
        **{f"evidence_{view}": pl.Float64 for view in trained.views},
    }


def _counted(source: Source, tick: Callable[[], object]) -> Iterator[tuple[int, Encoded]]:
    """The frames with their positions; Damaged if they are not as many as the container says."""
    count = 0
    for encoded in source.frames():
        yield count, encoded
        count += 1
        tick()
    if count != len(source.names):
        raise Damaged(f"decoded {count} of {len(source.names)} frames")


class _Watch:
    """What is known of a video so far: whose faces were where, and the pictures that are still needed."""

    def __init__(self, source: Source, trained: Trained, students: str):
        self.source, self.trained, self.students = source, trained, students
        self.tracker = Tracker()
        self.number_of: dict[int, int] = {}  # track: number of a student
        self.seen: dict[int, tuple[Detections, list[int]]] = {}  # frame: its faces and their tracks
        self.kept: dict[int, Encoded] = {}
        self.boxes: list[tuple] = []

    def see(self, frame: int, faces: Detections, encoded: Encoded | None) -> None:
        """The faces of the next frame, and its picture if it will be shown to the model."""
        tracks = self.tracker.link(faces.boxes)
        self.seen[frame] = faces, tracks
        self.boxes += [(frame, track, *box) for track, box in zip(tracks, faces.boxes.tolist(), strict=True)]
        if encoded is not None:
            self.kept[frame] = encoded

    def forget(self, start: int, shown: set[int]) -> None:
        """Drop the faces of frames before `start`, and the pictures of the frames in `shown`."""
        self.seen = {frame: faces for frame, faces in self.seen.items() if frame >= start}
        self.kept = {frame: encoded for frame, encoded in self.kept.items() if frame not in shown}

    def predict(self, plan: Plan) -> list[tuple]:
        """Rows of the table for one window; students who are new get the next numbers."""
        detections, tracks = zip(*(self.seen[frame] for frame in plan.used), strict=True)
        chosen = _choose(detections, tracks, self.students)
        for track in chosen:
            self.number_of.setdefault(track, len(self.number_of) + 1)
        numbers = [self.source.numbers[frame] for frame in plan.used]
        faces = {}
        for track in chosen or [None]:
            places = [of_frame.index(track) if track in of_frame else None for of_frame in tracks]
            faces[track] = faces_of(places, detections, numbers, self.trained.about["faces"]["fill_gap"])
        picture = cache(lambda frame, shrink: decoded(self.kept[frame], shrink))
        size = frame_size(self.kept[plan.shown[0]])
        areas = person_areas(list(faces.values()), *size)
        crops = [
            look(self.trained, plan, picture, size, *of_student)
            for of_student in zip(faces.values(), areas, strict=True)
        ]
        decision = decide(self.trained, *encode(self.trained, crops))
        when = (numbers[0], numbers[-1], *_times(self.source, plan.window))
        return [
            (self.number_of.get(track), *when, *self._told(decision, i), found, *self._views(decision, i))
            for i, (track, found) in enumerate(
                (track, of_student["found"].mean()) for track, of_student in faces.items()
            )
        ]

    def faces(self) -> pl.DataFrame:
        """Every face; see `Prediction`."""
        schema = {"frame": pl.Int64, "track": pl.Int64, **dict.fromkeys(CORNERS, pl.Float32)}
        student = pl.col("track").replace_strict(self.number_of, default=None, return_dtype=pl.Int64).alias("student")
        return pl.DataFrame(self.boxes, schema=schema, orient="row").select("frame", student, *CORNERS)

    def _told(self, decision: Decision, i: int) -> tuple:
        """The class of student `i`, and how likely all classes are."""
        probability, calibrated = decision.probability[i], decision.calibrated[i]
        return self.trained.classes[int(probability.argmax())], *probability.tolist(), *calibrated.tolist()

    def _views(self, decision: Decision, i: int) -> list[float | None]:
        """What each view had to do with it: shares, contributions."""
        of_views = (shares(decision.contributions), decision.contributions)
        return [_number(values[view][i]) for values in of_views for view in self.trained.views]


def _choose(detections: Sequence[Detections], tracks: Sequence[list[int]], students: str) -> list[int]:
    """Tracks of the students in a window, the most present first."""
    total = presence(detections, tracks)
    by_presence = sorted(total, key=lambda track: (-total[track], track))
    if students == "one":
        return by_presence[:1]
    least = LEAST_SEEN * len(tracks)
    return [track for track in by_presence if sum(track in of_frame for of_frame in tracks) >= least]


def _times(source: Source, window: Window) -> tuple[float | None, float | None]:
    if source.times is None:
        return None, None
    ends = window.stop == len(source.times)
    return source.times[window.start], source.times[-1] + 1 / source.rate if ends else source.times[window.stop]


def _number(value: torch.Tensor) -> float | None:
    return float(value) if value.isfinite() else None
