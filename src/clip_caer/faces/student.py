"""The target student: which of the faces found in a clip is followed, and what stands in for it where it is missing."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import polars as pl

from clip_caer.faces.detections import Detections

SCHEMA = {
    "frame": pl.Int64,
    **dict.fromkeys(("x0", "y0", "x1", "y1", "score"), pl.Float32),
    "landmarks": pl.List(pl.Float32),
    "found": pl.Boolean,
    "source": pl.String,
}
FARTHEST = 2.0  # between two sightings of one face: how many face sizes it moved, plus how many times it doubled


def follow_student(detections: Sequence[Detections]) -> list[int | None]:
    """For each frame the index of the target student's face, or None where it was not detected.

    Faces of successive frames are linked, nearest first, to tracks; a track waits through any gap for its face to come
    back. The student is the track with the largest sum of face sizes: large, and there most of the time.
    """
    tracks: list[dict[int, int]] = []  # frame index: face index
    places: list[np.ndarray] = []  # of each track's last face: centre x, y and size
    for frame, faces in enumerate(detections):
        seen = _places(faces.boxes)
        taken = set()
        links = ((_distance(places[track], seen[face]), track, face) for track, face in product(
            range(len(tracks)), range(len(seen))))
        for distance, track, face in sorted(links):
            if distance <= FARTHEST and frame not in tracks[track] and face not in taken:
                tracks[track][frame], places[track] = face, seen[face]
                taken.add(face)
        for face in set(range(len(seen))) - taken:
            tracks.append({frame: face})
            places.append(seen[face])
    if not tracks:
        return [None] * len(detections)
    student = max(tracks, key=lambda track: sum(_places(detections[t].boxes)[face, 2] for t, face in track.items()))
    return [student.get(frame) for frame in range(len(detections))]
