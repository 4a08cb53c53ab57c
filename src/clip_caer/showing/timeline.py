"""A picture of each student's emotions over time."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from clip_caer.showing.course import Part, course, named, students
from clip_caer.showing.palette import class_colours, letters_on


def timeline_figure(table: pl.DataFrame, classes: Sequence[str], title: str) -> Figure:
    """A panel for each student of a table of predictions: the probabilities of all classes, one upon the other.

    Each class is named inside its area, where that is largest.
    """
    who = students(table)
    figure = Figure(figsize=(9, 0.9 + 1.5 * len(who)), layout="constrained")
    axes = figure.subplots(len(who), sharex=True, squeeze=False)[:, 0]
    for axis, student in zip(axes, who, strict=True):
        parts = course(table, student)
        _draw_areas(axis, parts, classes)
        axis.set(ylim=(0, 1))
        axis.set_ylabel(named(student), rotation=0, ha="right", va="center")
        axis.set_yticks([0, 0.5, 1], ["0", "50 %", "100 %"], fontsize=7)
        axis.spines[["top", "right"]].set_visible(False)
    axes[-1].margins(x=0)
    if table["start"].null_count():
        axes[-1].set_xlabel("frame")
    elif table["end"].max() < 60:
        axes[-1].set_xlabel("seconds")
    else:
        axes[-1].set_xlabel("minutes:seconds")
        axes[-1].xaxis.set_major_locator(MaxNLocator(steps=[1, 1.5, 3, 6, 10]))
        axes[-1].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{int(value // 60)}:{int(value % 60):02}"))
    figure.suptitle(f"{title}: how likely each emotion is", fontsize=10, x=0.01, ha="left")
    return figure


def _draw_areas(axis, parts: Sequence[Part], classes: Sequence[str]) -> None:
    colours = class_colours(classes)
    edges = np.array([(part.start, part.stop) for part in parts])
    height = np.array([[part.row[f"probability_{name}"] for name in classes] for part in parts])
    bottom = height.cumsum(axis=1) - height
    for k, name in enumerate(classes):
        colour = tuple(value / 255 for value in colours[name])
        axis.bar(edges[:, 0], height[:, k], np.diff(edges)[:, 0], bottom[:, k], align="edge", color=colour, linewidth=0)
        widest = _largest(edges, height[:, k])
        if height[widest, k] > 0.15:
            place = edges[widest].mean(), bottom[widest, k] + height[widest, k] / 2
            letter = tuple(value / 255 for value in letters_on(colours[name]))
            axis.text(*place, name, ha="center", va="center", fontsize=8, color=letter, clip_on=True)


def _largest(edges: np.ndarray, height: np.ndarray) -> int:
    """The part in the middle of the longest stretch in which an area is high."""
    likely = np.flatnonzero(height >= 0.5 * height.max())
    stretches = np.split(likely, np.flatnonzero(np.diff(likely) > 1) + 1)
    longest = max(stretches, key=lambda stretch: edges[stretch[-1], 1] - edges[stretch[0], 0])
    return int(longest[len(longest) // 2])
