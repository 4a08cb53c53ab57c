"""The target student: which of the faces found in a clip is followed, and what stands in for it where it is missing."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from clip_caer.faces.detections import Detections
from clip_caer.pictures.crops import CORNERS

SCHEMA = {
    "frame": pl.Int64,
    **dict.fromkeys(CORNERS, pl.Float32),
    "score": pl.Float32,
    "landmarks": pl.List(pl.Float32),
    "found": pl.Boolean,
    "source": pl.String,
}
FARTHEST = 2.0  # between two sightings of one face: the face sizes it moved, plus the times its size doubled


class Tracker:
    """Tells people apart in successive pictures of one place.

    Faces are linked to tracks, nearest first; a track waits through any gap for its face to come back.
    """

    def __init__(self) -> None:
        self._last: list[np.ndarray] = []  # box of each track where it was last seen

    def link(self, boxes: np.ndarray) -> list[int]:
        """The track, from 0, of each face of the next picture; boxes: [n, 4]."""
        links = [(_distance(last, box), t, i) for t, last in enumerate(self._last) for i, box in enumerate(boxes)]
        track_of: dict[int, int] = {}  # face: track
        for distance, t, i in sorted(links):
            if distance <= FARTHEST and i not in track_of and t not in track_of.values():
                track_of[i] = t
        for i, box in enumerate(boxes):
            if i not in track_of:
                track_of[i] = len(self._last)
                self._last.append(box)
            self._last[track_of[i]] = box
        return [track_of[i] for i in range(len(boxes))]


def _distance(first: np.ndarray, second: np.ndarray) -> float:
    moved = np.hypot(*(second - first).reshape(2, 2).mean(axis=0))
    sizes = _size(first), _size(second)
    return moved / max(sizes) + abs(np.log2(sizes[0] / sizes[1]))


def _size(box: np.ndarray) -> float:
    return float(np.sqrt((box[2] - box[0]) * (box[3] - box[1])))


def presence(detections: Sequence[Detections], tracks: Sequence[Sequence[int]]) -> dict[int, float]:
    """Sum of the face sizes of each track: large for who is near, and there for most of the clip."""
    total: dict[int, float] = {}
    for faces, of_frame in zip(detections, tracks, strict=True):
        for box, track in zip(faces.boxes, of_frame, strict=True):
            total[track] = total.get(track, 0.0) + _size(box)
    return total


def follow_student(detections: Sequence[Detections]) -> list[int | None]:
    """For each frame the index of the target student's face, or None where it was not detected.

    The student's is the track with the largest `presence`.
    """
    tracker = Tracker()
    tracks = [tracker.link(faces.boxes) for faces in detections]
    seen = presence(detections, tracks)
    student = max(sorted(seen), key=seen.get, default=None)
    return [of_frame.index(student) if student in of_frame else None for of_frame in tracks]


def clip_faces(detections: Sequence[Detections], frames: Sequence[int], fill_gap: int) -> pl.DataFrame:
    """The target student's face in each frame of a clip: the table of `faces_of`."""
    return faces_of(follow_student(detections), detections, frames, fill_gap)


def faces_of(
    chosen: Sequence[int | None], detections: Sequence[Detections], frames: Sequence[int], fill_gap: int
) -> pl.DataFrame:
    """One person's face in each frame of a clip: a table with SCHEMA, one row for each of `frames`.

    chosen: index of that face among the detections of each frame, or None.
    frames: frame numbers, ascending, at least one. fill_gap: the longest run of frames without a face that is filled.
    Boxes are in pixels. `found` says whether there is one, `source` where it comes from: detected, filled (interpolated
    in time, the nearest one at either end; no score, no landmarks) or null.
    """
    rows = {
        frame: (faces.boxes[i], faces.scores[i], faces.landmarks[i].ravel().tolist())
        for frame, faces, i in zip(frames, detections, chosen, strict=True)
        if i is not None
    }
    return _table(rows, frames, fill_gap, "detected")


def given_faces(boxes: pl.DataFrame, frames: Sequence[int], fill_gap: int) -> pl.DataFrame:
    """As `faces_of`, from boxes that came with the dataset; the source is given, filled or null.

    boxes: columns frame, x0, y0, x1, y1, some frames may be missing. They are kept as they are, also where they reach
    over the edge of the picture; a box without an area, or with a corner that is no number, counts as missing.
    """
    rows = {
        frame: (np.array(box), None, None)
        for frame, *box in boxes.select("frame", *CORNERS).drop_nulls().iter_rows()
        if np.isfinite(box).all() and box[0] < box[2] and box[1] < box[3]
    }
    return _table(rows, frames, fill_gap, "given")


def _table(
    known: dict[int, tuple[np.ndarray, float | None, list[float] | None]],
    frames: Sequence[int],
    fill_gap: int,
    source: str,
) -> pl.DataFrame:
    """One row a frame, from the known frames' (box, score, landmarks)."""
    numbers = np.array(frames)
    seen = np.array([frame in known for frame in frames], dtype=bool)
    filled = _fillable(numbers, seen, fill_gap)
    boxes = np.full((len(frames), 4), np.nan)
    if seen.any():
        corners = np.array([known[frame][0] for frame in numbers[seen]])
        boxes = np.column_stack([np.interp(numbers, numbers[seen], corner) for corner in corners.T])
    boxes[~(seen | filled)] = np.nan
    _, scores, landmarks = zip(*(known.get(frame, (None, None, None)) for frame in frames), strict=True)
    return pl.DataFrame(
        {
            "frame": numbers,
            **dict(zip(CORNERS, boxes.T, strict=True)),
            "score": scores,
            "landmarks": landmarks,
            "found": seen | filled,
            "source": [source if s else "filled" if f else None for s, f in zip(seen, filled, strict=True)],
        },
        schema=SCHEMA,
    ).with_columns(pl.col(CORNERS).fill_nan(None))


def _fillable(numbers: np.ndarray, seen: np.ndarray, fill_gap: int) -> np.ndarray:
    """Which frames lie in a run of at most `fill_gap` frames without a face, in a clip that has one; bool [n]."""
    edges = np.concatenate([[numbers[0] - 1], numbers[seen], [numbers[-1] + 1]])
    after = np.searchsorted(edges, numbers)
    return ~seen & (edges[after] - edges[after - 1] - 1 <= fill_gap) & seen.any()
