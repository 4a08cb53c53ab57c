"""One clip explained."""

from typing import NamedTuple

import numpy as np

from clip_caer.caching.features import Crops
from clip_caer.explaining.clips import Case
from clip_caer.explaining.heat import heat_maps
from clip_caer.faces.detector import Detector
from clip_caer.faces.student import clip_faces, given_faces
from clip_caer.pictures.crops import CORNERS
from clip_caer.pictures.frames import shrunk
from clip_caer.predicting.attribution import decide, shares
from clip_caer.predicting.look import encode, look
from clip_caer.predicting.plan import Plan, make_plan
from clip_caer.predicting.source import Encoded, Source, decoded, frame_size, open_source
from clip_caer.predicting.windows import Window
from clip_caer.showing.anonymise import without_faces
from clip_caer.trained.model import Trained

SHOWN = 4  # of a clip's segments


class Explanation(NamedTuple):
    """What the model made of a clip.

    probability: of the predicted class, calibrated; share: of each view in the decision; both in 0–1.
    segments: those that are shown, and frames: their numbers. crops: of each view and segment, None where it saw
    nothing; heat: {view: {segment: [h, w]}} in 0–1, for the predicted class.
    """

    name: str
    label: str | None
    predicted: str
    probability: float
    share: dict[str, float]
    segments: list[int]
    frames: list[int]
    crops: dict[str, Crops]
    heat: dict[str, dict[int, np.ndarray]]


def explain(case: Case, trained: Trained, detector: Detector, hider: Detector | None = None) -> Explanation:
    """Explain what was predicted for one student in one clip.

    hider: finds the faces that are to be blurred in the pictures shown, not in those that the model sees.
    Raises Damaged.
    """
    source = open_source(case.path, case.ffmpeg)
    plan = make_plan(source, trained.about, Window(0, len(source.names)))
    numbers, fill_gap = [source.numbers[frame] for frame in plan.used], trained.about["faces"]["fill_gap"]
    kept, detections = _read(source, plan, detector, search=case.faces is None)
    if case.faces is None:
        faces = clip_faces(detections, numbers, fill_gap)
    else:
        faces = given_faces(case.faces, numbers, fill_gap)
    size = frame_size(kept[plan.shown[0]])
    crops = look(trained, plan, lambda frame, shrink: decoded(kept[frame], shrink), size, faces, case.person)
    features, found = encode(trained, [crops])
    decision = decide(trained, features, found)
    k = int(decision.probability[0].argmax())
    step = len(plan.shown) / min(SHOWN, len(plan.shown))
    segments = [int(step * (i + 0.5)) for i in range(min(SHOWN, len(plan.shown)))]
    shown = crops
    if hider:
        boxes = dict(zip(plan.used, faces.select(CORNERS).rows(), strict=True))
        blurred = {
            frame: without_faces(decoded(kept[frame]), hider, [boxes[frame]] if boxes[frame][0] is not None else [])
            for frame in plan.pictures
        }
        shown = look(trained, plan, lambda frame, shrink: shrunk(blurred[frame], shrink), size, faces, case.person)
    return Explanation(
        case.name,
        case.label,
        trained.classes[k],
        float(decision.calibrated[0, k]),
        {view: float(share[0]) for view, share in shares(decision.contributions).items()},
        segments,
        [source.numbers[plan.shown[t]] for t in segments],
        shown,
        heat_maps(trained, crops, features, found, segments, k),
    )


def _read(source: Source, plan: Plan, detector: Detector, search: bool) -> tuple[dict[int, Encoded], list]:
    """The frames that the model is shown, and the faces found in each frame used, if they are searched for."""
    kept, detections, used, shown = {}, [], set(plan.used), set(plan.shown)
    for frame, encoded in enumerate(source.frames()):
        if frame in shown:
            kept[frame] = encoded
        if search and frame in used:
            detections += detector.detect(decoded(encoded)[None])
    return kept, detections
