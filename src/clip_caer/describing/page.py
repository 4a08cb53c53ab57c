"""The description of a dataset as one HTML page that needs nothing else."""

import base64
import io
from collections.abc import Sequence
from typing import Any

import polars as pl
from jinja2 import Environment, PackageLoader
from PIL import Image

from clip_caer.describing.findings import findings

FEW, MANY = 12, 24  # rows of a table


def page(
    name: str, clips: pl.DataFrame, classes: Sequence[str], face_found: float | None, sheet: Image.Image | None
) -> str:
    """HTML. clips: the survey. face_found: share of the frames tried in the samples, 0–1. sheet: of the samples."""
    sound = clips.filter(status="ok")
    environment = Environment(loader=PackageLoader("clip_caer.describing", "."), autoescape=True, trim_blocks=True)
    return environment.get_template("page.html.jinja").render(
        name=name,
        facts=_facts(clips, sound),
        findings=findings(clips, classes),
        tables=[
            ("by class", _counts(sound, "label", classes)),
            ("by setting", _counts(sound, "setting")),
            ("by role of the official split", _counts(sound, "role")),
            ("by number of frames", _lengths(sound)),
            (
                "by size of the picture",
                _counts(sound.with_columns(size=pl.format("{} × {}", "width", "height")), "size"),
            ),
            ("by student", _counts(sound, "subject")),
        ],
        damaged=clips.filter(status="damaged").select("clip_id", "message").rows(),
        face_found=face_found,
        sheet=_embedded(sheet) if sheet else None,
    )


def _facts(clips: pl.DataFrame, sound: pl.DataFrame) -> list[tuple[str, str]]:
    seconds = sound["seconds"].sum()
    return [
        (f"{len(clips):,}", "clips"),
        (f"{clips['subject'].n_unique():,}", "students"),
        (f"{sound['n_frames'].sum():,}", "frames"),
        *([(f"{seconds / 60:,.1f}", "minutes")] if seconds else []),
        (f"{len(clips) - len(sound):,}", "damaged"),
    ]


def _counts(clips: pl.DataFrame, column: str, order: Sequence[str] | None = None) -> dict[str, Any]:
    """Clips and students of each value of a column, the most frequent first or in the given order."""
    known = clips.filter(pl.col(column).is_not_null())
    of_value = known.group_by(column).agg(pl.len().alias("clips"), pl.col("subject").n_unique().alias("students"))
    if order:
        of_value = (
            pl.DataFrame({column: list(order)})
            .join(of_value, on=column, how="left", maintain_order="left")
            .fill_null(0)
        )
    else:
        of_value = of_value.sort(["clips", column], descending=[True, False])
    rows = of_value.rows()
    return _table(rows[:MANY], left_out=len(rows[MANY:]), with_students=column != "subject")


def _lengths(clips: pl.DataFrame) -> dict[str, Any]:
    """Clips in equal steps of their number of frames."""
    if not len(clips):
        return _table([])
    least, most = clips["n_frames"].min(), clips["n_frames"].max()
    step = max(1, -(-(most - least + 1) // FEW))
    binned = clips.with_columns(bin=(pl.col("n_frames") - least) // step)
    counts = {
        number: (n, students)
        for number, n, students in binned.group_by("bin").agg(pl.len(), pl.col("subject").n_unique()).rows()
    }
    rows = []
    for number in range((most - least) // step + 1):
        first, last = least + number * step, least + (number + 1) * step - 1
        rows.append((str(first) if step == 1 else f"{first}–{last}", *counts.get(number, (0, 0))))
    return _table(rows)


def _table(rows: Sequence[tuple], left_out: int = 0, with_students: bool = True) -> dict[str, Any]:
    largest = max((clips for _, clips, _ in rows), default=1)
    lines = [
        (value, clips, students if with_students else None, 100 * clips / max(largest, 1))
        for value, clips, students in rows
    ]
    return {"rows": lines, "left_out": left_out, "with_students": with_students}


def _embedded(picture: Image.Image) -> str:
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True)
    return base64.b64encode(stream.getvalue()).decode()
