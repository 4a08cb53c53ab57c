"""A student's emotions over time: which window tells of which moment."""

from typing import Any, NamedTuple

import polars as pl


class Part(NamedTuple):
    """A stretch of a video, and the row of the predictions that tells of it.

    start, stop: seconds; frame numbers where there are no times. row: by column.
    """

    start: float
    stop: float
    row: dict[str, Any]


def course(table: pl.DataFrame, student: int | None) -> list[Part]:
    """The course of one student in a table of predictions; a moment belongs to the window whose middle is nearest."""
    rows = table.filter(pl.col("student").eq_missing(student)).rows(named=True)
    spans = [span(row) for row in rows]
    parts = []
    for i, ((start, stop), row) in enumerate(zip(spans, rows, strict=True)):
        if i and spans[i - 1][1] > start:
            start = (sum(spans[i - 1]) + sum(spans[i])) / 4
        if i + 1 < len(spans) and spans[i + 1][0] < stop:
            stop = (sum(spans[i]) + sum(spans[i + 1])) / 4
        parts.append(Part(start, stop, row))
    return parts


def span(row: dict[str, Any]) -> tuple[float, float]:
    """Begin and end of a window, in seconds or, where there are no times, in frames."""
    if row["start"] is None:
        return row["first_frame"] - 1.0, float(row["last_frame"])
    return row["start"], row["end"]


def part_at(parts: list[Part], moment: float) -> Part | None:
    """The part that a moment lies in."""
    return next((part for part in parts if part.start <= moment < part.stop), None)


def students(table: pl.DataFrame) -> list[int | None]:
    """Students of a table of predictions in order; None, if anywhere, last: there nobody was found."""
    return sorted(table["student"].unique().to_list(), key=lambda student: (student is None, student))


def named(student: int | None) -> str:
    """How a student is called in pictures."""
    return "nobody found" if student is None else f"student {student}"
