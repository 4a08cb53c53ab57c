"""What there is to know of every clip before anything is trained."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import polars as pl
from tqdm import tqdm

from clip_caer.dataset import Dataset
from clip_caer.pictures.video import Damaged
from clip_caer.predicting.source import Source, decoded, open_source

_FOUND = {
    "n_frames": pl.Int64,
    "seconds": pl.Float64,  # null for pictures, which have no times
    "width": pl.Int64,
    "height": pl.Int64,
    "status": pl.String,  # ok | damaged
    "message": pl.String,
}


def survey(dataset: Dataset, ffmpeg: str, quick: bool = False, workers: int = 1) -> pl.DataFrame:
    """A row for each clip: clip_id, label, subject, setting, role, kind, and n_frames, seconds, width, height, status,
    message.

    quick: look at the first frame only; damage farther on is not found. Otherwise every frame is decoded.
    """
    look = partial(_look, dataset.folder, ffmpeg, quick)
    with ThreadPoolExecutor(workers) as pool:
        found = list(tqdm(pool.map(look, dataset.clips["source"]), "clips", len(dataset.clips), unit="clip"))
    of_dataset = dataset.clips.select("clip_id", "label", "subject", "setting", "role", "kind")
    return of_dataset.hstack(pl.DataFrame(found, _FOUND, orient="row"))


def _look(folder: Path, ffmpeg: str, quick: bool, path: str) -> tuple:
    try:
        source = open_source(folder / path, ffmpeg)
        height, width = _decode(source, quick)
    except Damaged as damage:
        return None, None, None, None, "damaged", str(damage)
    seconds = None if source.times is None else len(source.names) / source.rate
    return len(source.names), seconds, width, height, "ok", None


def _decode(source: Source, quick: bool) -> tuple[int, int]:
    """Height and width of the first frame; the others are read too, unless it has to be quick."""
    frames = source.frames()
    size = decoded(next(frames)).shape[:2]
    count = 1
    for encoded in () if quick else frames:
        count += 1
        if isinstance(encoded, Path):
            decoded(encoded)
    if not quick and count != len(source.names):
        raise Damaged(f"decoded {count} of {len(source.names)} frames")
    return size
