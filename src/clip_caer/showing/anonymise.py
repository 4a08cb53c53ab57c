"""Faces that may not be shown. What is blurred cannot be brought back: a face is left with 48 colours."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np

from clip_caer.faces.detector import Detector
from clip_caer.pictures.crops import Box, clipped
from clip_caer.trained.model import Trained

THRESHOLD = 0.2  # least score of what is blurred: rather too much than a face too little
LONGEST_SIDE = 1280  # pixels; so that small faces in the background are found too
GROWN = 0.3  # share of a face box that is blurred around it, on each side
REACH = 0.5  # seconds before and after a face is seen, during which its place is blurred
_MIRRORED = (
    0.25  # share of a picture that is mirrored beyond each edge: of a face cut by the edge, it makes a whole one
)
_LEFT = (6, 8)  # colours of a blurred face, across and down


def load_hider(trained: Trained) -> Detector:
    """The run's face detector, made to find every face rather than the right one."""
    return trained.load_detector(THRESHOLD, max(LONGEST_SIDE, trained.about["faces"]["longest_side"]))


def all_faces(picture: np.ndarray, hider: Detector) -> list[Box]:
    """Boxes of all that might be a face in uint8 [H, W, 3], also of faces that are cut by the edge; in pixels."""
    height, width = picture.shape[:2]
    y, x = int(_MIRRORED * height), int(_MIRRORED * width)
    wide = np.pad(picture, ((y, y), (x, x), (0, 0)), mode="reflect")
    boxes = hider.detect(wide[None])[0].boxes - (x, y, x, y)
    return [box for box in map(tuple, boxes.tolist()) if _has_area(clipped(box, width, height))]


def blurred(picture: np.ndarray, boxes: Iterable[Sequence[float]]) -> np.ndarray:
    """A copy of uint8 [H, W, 3] with these face boxes (x0, y0, x1, y1 in pixels) and a share around them blurred."""
    picture = picture.copy()
    grown = [
        (x0 - GROWN * (x1 - x0), y0 - GROWN * (y1 - y0), x1 + GROWN * (x1 - x0), y1 + GROWN * (y1 - y0))
        for x0, y0, x1, y1 in boxes
    ]
    for box in _united(grown):
        x0, y0, x1, y1 = clipped(box, picture.shape[1], picture.shape[0])
        face = picture[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))]
        if face.size:
            few = cv2.resize(face, _LEFT, interpolation=cv2.INTER_AREA)
            face[:] = cv2.resize(few, face.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return picture


def without_faces(picture: np.ndarray, hider: Detector, known: Iterable[Sequence[float]] = ()) -> np.ndarray:
    """A picture in which nobody can be recognised. known: boxes of faces that were found elsewhere."""
    return blurred(picture, [*all_faces(picture, hider), *known])


def stream_without_faces(
    pictures: Iterable[np.ndarray], hider: Detector, known: Sequence[Sequence[Sequence[float]]], reach: int
) -> Iterator[np.ndarray]:
    """The pictures of a video, in which nobody can be recognised, also while a face is missed for some frames.

    known: boxes of the faces that were found before, by frame. reach: frames, before and after, in which the place of a
    face is blurred. As many pictures are kept.
    """
    boxes: deque = deque(maxlen=2 * reach + 1)  # of the frames around the one that is given next
    waiting: deque = deque()
    for frame, picture in enumerate(pictures):
        boxes.append([*all_faces(picture, hider), *known[frame]])
        waiting.append(picture)
        if len(waiting) > reach:
            yield blurred(waiting.popleft(), [box for of_frame in boxes for box in of_frame])
    for picture in waiting:
        if len(boxes) == boxes.maxlen:
            boxes.popleft()
        yield blurred(picture, [box for of_frame in boxes for box in of_frame])


def _united(boxes: Iterable[Box]) -> list[Box]:
    """Boxes that overlap as one, so that nothing is blurred twice."""
    united: list[Box] = []
    for box in boxes:
        apart = []
        for other in united:
            meet = max(box[0], other[0]), max(box[1], other[1]), min(box[2], other[2]), min(box[3], other[3])
            if _has_area(meet):
                box = min(box[0], other[0]), min(box[1], other[1]), max(box[2], other[2]), max(box[3], other[3])
            else:
                apart.append(other)
        united = [*apart, box]
    return united


def _has_area(box: Box) -> bool:
    return box[0] < box[2] and box[1] < box[3]
