"""The clips to explain: given videos, or hits and misses of a run."""

from pathlib import Path
from typing import NamedTuple

import polars as pl

from clip_caer.errors import UserError
from clip_caer.files import read_parquet
from clip_caer.pictures.video import find_ffmpeg
from clip_caer.pictures.views import person_boxes
from clip_caer.trained.settings import read_settings


class Case(NamedTuple):
    """A clip: a video, or a folder of pictures, and the ffmpeg that opens it.

    label: its true class, where known. faces, person: boxes that came with the dataset, if any.
    """

    name: str
    path: Path
    ffmpeg: str
    label: str | None = None
    faces: pl.DataFrame | None = None
    person: tuple[float, ...] | None = None


def worst(run: Path, count: int) -> list[str]:
    """Ids of the clips that the run took most surely for another class than they have, the worst first."""
    return _ranked(run).filter(pl.col("margin") > 0)["clip_id"].tail(count).reverse().to_list()


def best(run: Path, count: int) -> list[str]:
    """Ids of the clips that the run recognised most surely, one class after the other, the surest first."""
    hits = _ranked(run).filter(pl.col("margin") < 0)
    in_turn = hits.with_columns(turn=pl.int_range(pl.len()).over("label")).sort("turn", "margin", maintain_order=True)
    return in_turn["clip_id"].head(count).to_list()


def cases_of_run(run: Path, clip_ids: list[str]) -> list[Case]:
    """The clips of a run's dataset with these ids. Raises UserError for an unknown one, or if the data are gone."""
    settings, results = read_settings(run), run.resolve().parents[3]
    clips = read_parquet(results / "index" / "clips.parquet")
    cases, ffmpeg = [], find_ffmpeg(settings["frames"]["ffmpeg"])
    for clip_id in clip_ids:
        found = clips.filter(clip_id=clip_id)
        if not len(found):
            raise UserError(f"--clips: the dataset of {run} has no clip {clip_id!r}.")
        clip = found.row(0, named=True)
        path = Path(settings["dataset"], clip["source"])
        if not path.exists():
            raise UserError(f"{path} is gone. Bring the dataset back to where it was when the run was trained.")
        boxes = read_parquet(results / "index" / "boxes" / f"{clip['shard']}.parquet").filter(clip_id=clip_id)
        faces = boxes.filter(kind="face")
        person = person_boxes(boxes).get(clip_id)
        cases.append(Case(clip_id, path, ffmpeg, clip["label"], faces if len(faces) else None, person))
    return cases


def _ranked(run: Path) -> pl.DataFrame:
    """The predictions of a run for the test role, from the surest hit to the surest miss."""
    path = run / "predictions.parquet"
    if not path.is_file():
        raise UserError(f"{run}: this run has no predictions.parquet. Start snakemake again to complete it.")
    predictions = read_parquet(path).filter(role="test")
    largest = pl.col("probability").list.max()
    hit = pl.col("label") == pl.col("predicted")
    # a miss is the worse, the surer it is; a hit the better
    return predictions.with_columns(margin=pl.when(hit).then(-largest).otherwise(largest)).sort("margin", "clip_id")
