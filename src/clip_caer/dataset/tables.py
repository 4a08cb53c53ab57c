"""What every reader gives: a table of clips and a table of given boxes."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

CLIPS = {
    "clip_id": pl.String,
    "source": pl.String,  # path relative to the dataset's folder, with /; absolute if outside of it
    "kind": pl.String,  # video | frames (a folder of pictures 1.jpg, 2.jpg, …)
    "label": pl.String,
    "subject": pl.String,
    "setting": pl.String,
    "role": pl.String,  # of the official split: train | val | test | null
    "votes": pl.List(pl.Float64),
}
BOXES = {
    "clip_id": pl.String,
    "frame": pl.Int64,  # 1-based; 0: the one box of the whole clip
    "kind": pl.String,  # face | person
    "x0": pl.Float32,  # pixels, may lie outside the picture
    "y0": pl.Float32,
    "x1": pl.Float32,
    "y1": pl.Float32,
}


@dataclass(frozen=True)
class Dataset:
    """A dataset that passed its reader's checks. `clips` is sorted by clip_id, `boxes` by clip_id, frame and kind."""

    folder: Path
    clips: pl.DataFrame
    boxes: pl.DataFrame

    @classmethod
    def of(cls, folder: Path, clips: Iterable[dict], boxes: Iterable[tuple] = ()) -> "Dataset":
        """Build the tables from rows: `clips` as dicts (what is left out is null), `boxes` in the order of BOXES."""
        return cls(
            folder=folder,
            clips=pl.DataFrame(list(clips), schema=CLIPS).sort("clip_id"),
            boxes=pl.DataFrame(list(boxes), schema=BOXES, orient="row").sort("clip_id", "frame", "kind"),
        )
