"""Some clips of each class, as the views will see them."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from PIL import Image, ImageDraw
from tqdm import tqdm

from clip_caer.dataset import Dataset
from clip_caer.faces.detector import Detector
from clip_caer.faces.student import clip_faces, given_faces
from clip_caer.pictures.crops import CORNERS
from clip_caer.pictures.frames import frame_numbers
from clip_caer.pictures.video import Damaged
from clip_caer.pictures.views import context_crops, face_crops, person_boxes
from clip_caer.predicting.source import Source, decoded, open_source
from clip_caer.showing.anonymise import without_faces
from clip_caer.showing.palette import INK, PALE, PAPER, letters

FRAMES = 9  # of a clip that faces are looked for in
SIDE, GAP, LEFT = 128, 4, 120  # pixels


class Sample(NamedTuple):
    """One clip: the crops of its middle frame, None where there is no face; face_found: share of the frames tried."""

    clip_id: str
    label: str
    face: np.ndarray | None
    context: np.ndarray | None
    face_found: float


def choose(clips: pl.DataFrame, classes: Sequence[str], count: int) -> list[dict[str, Any]]:
    """`count` sound clips of each class, drawn by lot; of different students as long as there are some."""
    sound = clips.filter(status="ok").sample(fraction=1, shuffle=True, seed=0)
    chosen = []
    for name in classes:
        own = sound.filter(label=name).with_columns(turn=pl.int_range(pl.len()).over("subject"))
        chosen += own.sort("turn", maintain_order=True).head(count).rows(named=True)
    return chosen


def look_at(
    clips: Sequence[Mapping[str, Any]],
    dataset: Dataset,
    views: Mapping[str, Mapping],
    detector: Detector,
    fill_gap: int,
    ffmpeg: str,
    hider: Detector | None = None,
) -> list[Sample]:
    """The crops of these clips, without those that turn out damaged.

    views: that section of the config. hider: finds the faces that are to be blurred.
    """
    sources, samples = dict(dataset.clips.select("clip_id", "source").iter_rows()), []
    for clip in tqdm(clips, desc="samples", unit="clip"):
        boxes = dataset.boxes.filter(clip_id=clip["clip_id"])
        with suppress(Damaged):
            source = open_source(Path(dataset.folder, sources[clip["clip_id"]]), ffmpeg)
            samples.append(_look_at(clip, source, boxes, views, detector, fill_gap, hider))
    return samples


def _look_at(
    clip: Mapping[str, Any],
    source: Source,
    boxes: pl.DataFrame,
    views: Mapping[str, Mapping],
    detector: Detector,
    fill_gap: int,
    hider: Detector | None,
) -> Sample:
    chosen = set(frame_numbers(len(source.names), FRAMES))
    pictures = {n: decoded(frame) for n, frame in enumerate(source.frames(), start=1) if n in chosen}
    numbers, given = [source.numbers[n - 1] for n in pictures], boxes.filter(kind="face")
    if len(given):
        faces = given_faces(given, numbers, fill_gap)
    else:
        faces = clip_faces([detector.detect(p[None])[0] for p in pictures.values()], numbers, fill_gap=0)
    middle = _middle(faces)
    shown = list(pictures.values())[middle]
    if hider:
        box = faces.select(CORNERS).row(middle)
        shown = without_faces(shown, hider, [box] if box[0] is not None else [])
    (face,) = face_crops([shown], faces[[middle]], SIDE, **views["face"] | {"missing": "mask"})
    given_person = person_boxes(boxes).get(clip["clip_id"])
    (context,) = context_crops([shown], faces, SIDE, **views["context"], given=given_person)
    return Sample(clip["clip_id"], clip["label"], face, context, faces["found"].mean())


def samples_sheet(samples: Sequence[Sample], classes: Sequence[str]) -> Image.Image:
    """Two lines for each class, faces above contexts."""
    columns = max(sum(sample.label == name for sample in samples) for name in classes)
    size = LEFT + columns * (SIDE + GAP), len(classes) * (2 * SIDE + 5 * GAP)
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    for row, name in enumerate(classes):
        y = row * (2 * SIDE + 5 * GAP)
        draw.text((0, y + SIDE), name, font=letters(15), fill=INK, anchor="lm")
        for column, sample in enumerate(sample for sample in samples if sample.label == name):
            x = LEFT + column * (SIDE + GAP)
            for crop, top in ((sample.face, y), (sample.context, y + SIDE + GAP)):
                if crop is None:
                    draw.rectangle((x, top, x + SIDE - 1, top + SIDE - 1), fill=PALE)
                    draw.text((x + SIDE / 2, top + SIDE / 2), "no face", font=letters(13), fill=INK, anchor="mm")
                else:
                    sheet.paste(Image.fromarray(crop), (x, top))
    return sheet


def _middle(faces: pl.DataFrame) -> int:
    """The frame with a face that is nearest to the middle; the middle itself where there is none."""
    middle = len(faces) // 2
    found = [i for i, is_found in enumerate(faces["found"]) if is_found]
    return min(found, key=lambda i: abs(i - middle), default=middle)
