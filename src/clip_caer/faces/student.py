"""The target student: which of the faces found in a clip is followed, and what stands in for it where it is missing."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from clip_caer.faces.detections import Detections

CORNERS = ("x0", "y0", "x1", "y1")
SCHEMA = {
    "frame": pl.Int64,
    **dict.fromkeys(CORNERS, pl.Float32),
    "score": pl.Float32,
    "landmarks": pl.List(pl.Float32),
    "found": pl.Boolean,
    "source": pl.String,
}
FARTHEST = 2.0  # between two sightings of one face: the face sizes it moved, plus the times its size doubled


class _Track:
    """One person's face through a clip."""

    def __init__(self) -> None:
        self.faces: dict[int, int] = {}  # index of the frame: index of the face in it
        self.box = np.zeros(4)  # the last one
        self.presence = 0.0  # sum of the faces' sizes

    def add(self, frame: int, face: int, box: np.ndarray) -> None:
        self.faces[frame], self.box = face, box
        self.presence += _size(box)

    def distance(self, box: np.ndarray) -> float:
        moved = np.hypot(*(box - self.box).reshape(2, 2).mean(axis=0))
        sizes = _size(self.box), _size(box)
        return moved / max(sizes) + abs(np.log2(sizes[0] / sizes[1]))


def _size(box: np.ndarray) -> float:
    return float(np.sqrt((box[2] - box[0]) * (box[3] - box[1])))


def follow_student(detections: Sequence[Detections]) -> list[int | None]:
    """For each frame the index of the target student's face, or None where it was not detected.

    Faces of successive frames are linked to tracks, nearest first; a track waits through any gap for its face to come
    back. The student's is the track with the largest sum of face sizes: large, and there for most of the clip.
    """
    tracks: list[_Track] = []
    for frame, faces in enumerate(detections):
        links = [(track.distance(box), t, i) for t, track in enumerate(tracks) for i, box in enumerate(faces.boxes)]
        track_of: dict[int, int] = {}  # face: track
        for distance, t, i in sorted(links):
            if distance <= FARTHEST and i not in track_of and t not in track_of.values():
                track_of[i] = t
        for i, box in enumerate(faces.boxes):
            if i not in track_of:
                track_of[i] = len(tracks)
                tracks.append(_Track())
            tracks[track_of[i]].add(frame, i, box)
    student = max(tracks, key=lambda track: track.presence, default=_Track())
    return [student.faces.get(frame) for frame in range(len(detections))]


def clip_faces(detections: Sequence[Detections], frames: Sequence[int], fill_gap: int) -> pl.DataFrame:
    """The target student's face in each frame of a clip: a table with SCHEMA, one row for each of `frames`.

    frames: frame numbers, ascending, at least one. fill_gap: the longest run of frames without a face that is filled.
    Boxes are in pixels. `found` says whether there is one, `source` where it comes from: detected, filled (interpolated
    in time, the nearest one at either end; no score, no landmarks) or null.
    """
    chosen = follow_student(detections)
    rows = {
        frame: (faces.boxes[i], faces.scores[i], faces.landmarks[i].ravel().tolist())
        for frame, faces, i in zip(frames, detections, chosen, strict=True)
        if i is not None
    }
    return _table(rows, frames, fill_gap, "detected")


def given_faces(boxes: pl.DataFrame, frames: Sequence[int], fill_gap: int) -> pl.DataFrame:
    """As `clip_faces`, from boxes that came with the dataset; the source is given, filled or null.

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
