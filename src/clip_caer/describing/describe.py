"""The description of a dataset: a page, and a table of its clips."""

from pathlib import Path

import numpy as np
import polars as pl

from clip_caer.describing.page import page
from clip_caer.describing.place import Place, detector_weights
from clip_caer.describing.samples import choose, look_at, samples_sheet
from clip_caer.describing.survey import survey
from clip_caer.faces.detector import load_detector
from clip_caer.files import write_text
from clip_caer.pictures.video import find_ffmpeg
from clip_caer.showing.anonymise import LONGEST_SIDE, THRESHOLD


def describe(
    place: Place,
    name: str,
    path: Path,
    samples: int = 6,
    quick: bool = False,
    anonymise: bool = False,
    workers: int = 1,
) -> pl.DataFrame:
    """Write the page to `path`, and the survey beside it as .csv; return the survey.

    samples: clips of each class that are shown; 0 for none. quick: see `survey`. anonymise: blur every face shown.
    """
    config, ffmpeg = place.config, find_ffmpeg(place.config["frames"]["ffmpeg"])
    clips = survey(place.dataset, ffmpeg, quick, workers)
    face_found = sheet = None
    chosen = choose(clips, place.classes, samples)
    if chosen:
        weights, faces = detector_weights(config), config["faces"]
        detector = load_detector(faces["detector"], weights, faces["longest_side"], faces["threshold"], faces["nms"])
        wide = max(LONGEST_SIDE, faces["longest_side"])
        hider = load_detector(faces["detector"], weights, wide, THRESHOLD, faces["nms"]) if anonymise else None
        seen = look_at(chosen, place.dataset, config["views"], detector, faces["fill_gap"], ffmpeg, hider)
        if seen:
            face_found = float(np.mean([sample.face_found for sample in seen]))
            sheet = samples_sheet(seen, place.classes)
    write_text(page(name, clips, place.classes, face_found, sheet), path)
    write_text(clips.write_csv(), path.with_suffix(".csv"))
    return clips
