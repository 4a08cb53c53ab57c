"""Predictions for one video, made while it streams by.

Every step is the workflow's own: the detector, the student's track, the crops of both views, the image encoder, one frame
a segment. So a video that is one clip gets the probabilities of the evaluation.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import polars as pl
import torch

from clip_caer.crops import Box, person_box
from clip_caer.faces.detections import Detections
from clip_caer.faces.detector import Detector
from clip_caer.faces.student import Tracker, faces_of, presence
from clip_caer.frames import frame_numbers
from clip_caer.predicting.attribution import decide, shares
from clip_caer.predicting.source import Encoded, Source, decoded
from clip_caer.predicting.windows import Span, Window, make_windows
from clip_caer.segments import centre_frames
from clip_caer.trained import Trained
from clip_caer.video import Damaged
from clip_caer.views import context_crops, face_crops

LEAST_SEEN = 0.25  # share of a window's frames in which somebody's face must be found to count as a student there
AS_NEAR = 0.7  # a face at least this many times as large belongs to somebody at the same distance: a neighbour


@dataclass(frozen=True)
class Prediction:
    """What was found in one video.

    table: a row for each window and student: see `columns`. faces: every face found, one row each: `frame` (from 0),
    `student` (null for somebody who is no student of any window), x0, y0, x1, y1 in pixels.
    """

    table: pl.DataFrame
    faces: pl.DataFrame


@dataclass(frozen=True)
class _Plan:
    """Which frames of a video a window uses, counted from 0, ascending; and those the model is shown, in their order."""

    window: Window
    used: list[int]
    shown: list[int]


def predict_video(
    source: Source,
    trained: Trained,
    detector: Detector,
    window: Span | None = None,
    step: Span | None = None,
    students: str = "one",
    tick: Callable[[], object] = lambda: None,
) -> Prediction:
    """Class probabilities of the student, or of `all` students, in each window; the whole video is one without `window`.

    students: `one` is who is nearest to the camera and there for most of the window, as in training. Where nobody is
    found, the window has one row without a student, from its context alone. tick: called after each frame.
    Only the frames of open windows that the model will be shown are kept, as JPEG: memory does not grow with the video,
    but for its boxes. Raises Damaged; UserError for a window that the video cannot have.
    """
    plans = [_plan(source, trained, w) for w in make_windows(len(source.names), source.times, window, step)]
    last_use = {frame: number for number, plan in enumerate(plans) for frame in plan.shown}
    used, kept, seen, boxes, rows = {frame for plan in plans for frame in plan.used}, {}, {}, [], []
    tracker, number_of = Tracker(), {}  # track → number of a student
    open_windows = iter(enumerate(plans))
    current = next(open_windows)
    for frames in _batches(_counted(source, tick), used, detector.batch):
        pictures = np.stack([decoded(encoded) for _, encoded in frames])
        for (frame, encoded), faces in zip(frames, detector.detect(pictures), strict=True):
            tracks = tracker.link(faces.boxes)
            seen[frame] = faces, tracks
            boxes += [(frame, track, *box) for track, box in zip(tracks, faces.boxes.tolist(), strict=True)]
            if frame in last_use:
                kept[frame] = encoded
        while current and current[1].used[-1] in seen:
            number, plan = current
            rows += _predict_window(source, trained, plan, seen, kept, students, number_of)
            kept = {frame: encoded for frame, encoded in kept.items() if last_use[frame] > number}
            current = next(open_windows, None)
            seen = {frame: of_frame for frame, of_frame in seen.items() if current and frame >= current[1].window.start}
    table = pl.DataFrame(rows, schema=columns(trained), orient="row")
    corners = dict.fromkeys(("x0", "y0", "x1", "y1"), pl.Float32)
    faces = pl.DataFrame(boxes, schema={"frame": pl.Int64, "track": pl.Int64, **corners}, orient="row")
    student = pl.col("track").replace_strict(number_of, default=None, return_dtype=pl.Int64).alias("student")
    return Prediction(table, faces.select("frame", student, *corners))


def columns(trained: Trained) -> dict[str, pl.DataType]:
    """Columns of the table of predictions and their types.

    student: from 1, in the order in which they appear; null where nobody was found. first_frame, last_frame: their
    numbers, from 1. start, end: seconds from the beginning; null for pictures. face_found: share of the window's frames,
    0–1. share_…: of the views in the decision, 0–1, null where no view speaks for it; evidence_…: their contributions in
    nats (see `decide`).
    """
    return {
        "student": pl.Int64,
        "first_frame": pl.Int64,
        "last_frame": pl.Int64,
        "start": pl.Float64,
        "end": pl.Float64,
        "predicted": pl.String,
        **{f"probability_{name}": pl.Float64 for name in trained.classes},
        "face_found": pl.Float64,
        **{f"share_{view}": pl.Float64 for view in trained.views},
        **{f"evidence_{view}": pl.Float64 for view in trained.views},
    }


def _plan(source: Source, trained: Trained, window: Window) -> _Plan:
    frames, about = trained.about["frames"], trained.about
    count = None if frames["count"] == "all" else frames["count"]
    used = [window.start + number - 1 for number in frame_numbers(window.stop - window.start, count)]
    ordered = sorted(used, key=lambda frame: source.names[frame]) if frames["order"] == "text" else used
    segments = centre_frames(torch.tensor([len(used)]), about["segments"], about["sampling"])[0]
    return _Plan(window, used, [ordered[i] for i in segments.tolist()])


def _counted(source: Source, tick: Callable[[], object]) -> Iterator[tuple[int, Encoded]]:
    """The frames with their positions; Damaged if they are not as many as the container says."""
    position = -1
    for position, encoded in enumerate(source.frames()):
        yield position, encoded
        tick()
    if position + 1 != len(source.names):
        raise Damaged(f"decoded {position + 1} of {len(source.names)} frames")


def _batches(frames: Iterable[tuple[int, Encoded]], used: set[int], size: int) -> Iterator[list[tuple[int, Encoded]]]:
    wanted = (frame for frame in frames if frame[0] in used)
    while batch := list(islice(wanted, size)):
        yield batch


def _predict_window(
    source: Source,
    trained: Trained,
    plan: _Plan,
    seen: dict[int, tuple[Detections, list[int]]],
    kept: dict[int, Encoded],
    students: str,
    number_of: dict[int, int],
) -> list[tuple]:
    """Rows of the table for one window; students who are new get the next numbers."""
    detections, tracks = zip(*(seen[frame] for frame in plan.used), strict=True)
    chosen = _choose(detections, tracks, students)
    for track in chosen:
        number_of.setdefault(track, len(number_of) + 1)
    numbers = [source.numbers[frame] for frame in plan.used]
    indices = {
        track: [of_frame.index(track) if track in of_frame else None for of_frame in tracks]
        for track in chosen or [None]
    }
    faces = {
        track: faces_of(index, detections, numbers, trained.about["faces"]["fill_gap"])
        for track, index in indices.items()
    }
    pictures = {frame: decoded(kept[frame]) for frame in dict.fromkeys(plan.shown)}
    features, found = _look(trained, plan, pictures, faces)
    probabilities, contributions = decide(trained, features, found)
    parts = shares(contributions)
    rows = []
    for i, (track, of_student) in enumerate(faces.items()):
        rows.append(
            (
                number_of.get(track),
                numbers[0],
                numbers[-1],
                *_times(source, plan.window),
                trained.classes[int(probabilities[i].argmax())],
                *probabilities[i].tolist(),
                of_student["found"].mean(),
                *(_number(parts[view][i]) for view in trained.views),
                *(_number(contributions[view][i]) for view in trained.views),
            )
        )
    return rows


def _choose(detections: Sequence[Detections], tracks: Sequence[list[int]], students: str) -> list[int]:
    """Tracks of the students in a window, the most present first."""
    total = presence(detections, tracks)
    by_presence = sorted(total, key=lambda track: (-total[track], track))
    if students == "one":
        return by_presence[:1]
    least = LEAST_SEEN * len(tracks)
    return [track for track in by_presence if sum(track in of_frame for of_frame in tracks) >= least]


def _look(
    trained: Trained, plan: _Plan, pictures: dict[int, np.ndarray], faces: dict[int | None, pl.DataFrame]
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """What the model is shown of each student: features [students, T, D] and found mask [students, T] of each view."""
    row_of = {frame: row for row, frame in enumerate(plan.used)}
    height, width = next(iter(pictures.values())).shape[:2]
    persons = person_areas(list(faces.values()), width, height)
    features, found = {view: [] for view in trained.views}, {view: [] for view in trained.views}
    for of_student, person in zip(faces.values(), persons, strict=True):
        for view in trained.views:
            settings = trained.about["views"][view]
            if view == "face":
                rows = of_student[[row_of[frame] for frame in pictures]]
                crops = face_crops(pictures.values(), rows, trained.size, **settings)
            else:
                crops = context_crops(pictures.values(), of_student, trained.size, **settings, given=person)
            of_frames, mask = trained.encode(crops)
            order = [list(pictures).index(frame) for frame in plan.shown]
            features[view].append(of_frames[order])
            found[view].append(mask[order])
    return tuple({view: torch.stack(tensors) for view, tensors in x.items()} for x in (features, found))


def person_areas(faces: Sequence[pl.DataFrame], width: int, height: int) -> list[Box | None]:
    """The box of each student's context in a window; None where it is estimated as for a student alone.

    Where students sit side by side, the box of each ends halfway to the next face: what lies on a neighbour's desk must
    not tell. Somebody with a much smaller face sits farther back, and belongs to the surroundings.
    """
    boxes = [person_box(of_student, width, height) for of_student in faces]
    middles = [
        of_student.filter("found").select(pl.col("x0", "y0", "x1", "y1").median()).row(0) for of_student in faces
    ]
    areas = []
    for i, box in enumerate(boxes):
        near = [
            middles[j]
            for j, other in enumerate(boxes)
            if i != j and box and other and _width(middles[j]) >= AS_NEAR * _width(middles[i])
        ]
        centre = [(middle[0] + middle[2]) / 2 for middle in [middles[i], *near]] if near else []
        left = max([(centre[0] + x) / 2 for x in centre[1:] if x < centre[0]], default=0)
        right = min([(centre[0] + x) / 2 for x in centre[1:] if x > centre[0]], default=width)
        areas.append((max(box[0], left), box[1], min(box[2], right), box[3]) if near else None)
    return areas


def _width(box: Box) -> float:
    return box[2] - box[0]


def _times(source: Source, window: Window) -> tuple[float | None, float | None]:
    if source.times is None:
        return None, None
    ends = window.stop == len(source.times)
    return source.times[window.start], source.times[-1] + 1 / source.rate if ends else source.times[window.stop]


def _number(value: torch.Tensor) -> float | None:
    return float(value) if value.isfinite() else None
