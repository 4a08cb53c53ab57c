"""Predictions for many videos, with the pictures that were asked for."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl
from tqdm import tqdm

from clip_caer.comparison.wording import count
from clip_caer.figures import save
from clip_caer.files import write_parquet, write_text
from clip_caer.pictures.video import Damaged
from clip_caer.predicting.predict import Prediction, columns, predict_video
from clip_caer.predicting.source import Source, open_source, short_names
from clip_caer.predicting.windows import Span
from clip_caer.showing.annotate import annotated, boxes_by_frame
from clip_caer.showing.anonymise import REACH, load_hider, stream_without_faces
from clip_caer.showing.clock import repeated, steady_clock
from clip_caer.showing.course import named, span
from clip_caer.showing.h264 import write_h264
from clip_caer.showing.timeline import timeline_figure
from clip_caer.trained.model import Trained


class Pictures(NamedTuple):
    """What is drawn beside the table. anonymise: blur every face in it."""

    annotate: bool = False
    timeline: bool = False
    anonymise: bool = False


NO_PICTURES = Pictures()


def predict_videos(
    videos: Sequence[Path],
    trained: Trained,
    folder: Path,
    ffmpeg: str,
    window: Span | None = None,
    step: Span | None = None,
    students: str = "one",
    pictures: Pictures = NO_PICTURES,
    names: Sequence[str] | None = None,
) -> pl.DataFrame:
    """The table of predictions for all videos; see `columns`, and before them `video`, behind them `message`.

    window, step, students: as in `predict_video`. A damaged video has one row, with a message and no prediction.
    folder: where {name}.annotated.mp4 and {name}.timeline.png go. names: of the outputs of each video.
    """
    detector = trained.load_detector()
    schema = {"video": pl.String, **columns(trained), "message": pl.String}
    tables = [pl.DataFrame(schema=schema)]
    for video, name in zip(videos, names or short_names(videos), strict=True):
        try:
            source = open_source(video, ffmpeg)
            with tqdm(total=len(source.names), desc=name, unit="frame") as progress:
                prediction = predict_video(source, trained, detector, window, step, students, progress.update)
            draw_pictures(source, prediction, trained, folder / name, pictures)
            table = prediction.table.with_columns(pl.lit(None, pl.String).alias("message"))
        except Damaged as damage:
            table = pl.DataFrame([{"message": str(damage)}], schema=dict(list(schema.items())[1:]))
        tables.append(table.select(pl.lit(str(video)).alias("video"), pl.all()))
    return pl.concat(tables)


def write_predictions(table: pl.DataFrame, folder: Path) -> None:
    """Write predictions.parquet and predictions.csv, atomically."""
    write_parquet(table, folder / "predictions.parquet")
    write_text(table.write_csv(), folder / "predictions.csv")


def as_text(table: pl.DataFrame, shown: int = 20) -> str:
    """The first predictions for people, a line each."""
    lines, table = [], table.filter(pl.col("message").is_null())
    for row in table.head(shown).rows(named=True):
        start, stop = span(row)
        when = (
            f"{start:.1f}–{stop:.1f} s"
            if row["start"] is not None
            else f"frames {row['first_frame']}–{row['last_frame']}"
        )
        views = [
            f"{name.removeprefix('share_')} {100 * share:.0f} %"
            for name, share in row.items()
            if name.startswith("share_") and share is not None
        ]
        chance = 100 * row[f"calibrated_{row['predicted']}"]
        told_by = f"  (told by {', '.join(views)})" if len(views) > 1 else ""
        lines.append(f"{row['video']}  {when}  {named(row['student'])}: {row['predicted']} {chance:.0f} %{told_by}")
    if len(table) > shown:
        lines.append(f"… and {count(len(table) - shown, 'more row')}")
    return "\n".join(lines)


def draw_pictures(source: Source, prediction: Prediction, trained: Trained, stem: Path, pictures: Pictures) -> None:
    """Write {stem}.annotated.mp4 and {stem}.timeline.png, as far as they are wanted. Raises Damaged."""
    if pictures.annotate:
        fill_gap = trained.about["faces"]["fill_gap"]
        shown = source.pictures()
        if pictures.anonymise:
            known = _boxes(source, prediction, fill_gap)
            shown = stream_without_faces(shown, load_hider(trained), known, reach=round(REACH * source.rate))
        frames = annotated(shown, source, prediction, trained.classes, fill_gap)
        progress = tqdm(frames, desc=f"{stem.name}.annotated.mp4", unit="frame", total=len(source.names))
        rate, ticks = steady_clock(source)
        write_h264(repeated(progress, ticks), stem.with_name(f"{stem.name}.annotated.mp4"), rate, source.ffmpeg)
    if pictures.timeline:
        figure = timeline_figure(prediction.table, trained.classes, stem.name)
        save(figure, stem.with_name(f"{stem.name}.timeline.png"))


def _boxes(source: Source, prediction: Prediction, fill_gap: int) -> list[list[tuple[float, ...]]]:
    """Boxes of all faces known in each frame, those in short gaps too."""
    known: list[list[tuple[float, ...]]] = [[] for _ in source.names]
    for frame, _, *box in prediction.faces.rows():
        known[frame].append(tuple(box))
    for student in prediction.faces["student"].drop_nulls().unique():
        for frame, box in boxes_by_frame(prediction.faces, student, fill_gap).items():
            known[frame].append(box)
    return known
