"""A picture of each student's emotions over time."""

from collections.abc import Sequence
from math import ceil

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from clip_caer.showing.course import Part, course, named, students
from clip_caer.showing.palette import Colour, class_colours, letters, letters_on

_WIDTH = 9  # inches
_LETTERS, _LINE = 8, 0.13  # points; the height of a line of them, of a panel's


def timeline_figure(table: pl.DataFrame, classes: Sequence[str], title: str) -> Figure:
    """A panel for each student of a table of predictions: the probabilities of all classes, one upon the other.

    Each class is named inside its area, where it has most room for that, and all of them below the panels.
    """
    who = students(table)
    columns = max(1, int(_WIDTH / (0.45 + max(map(_length, classes)))))
    height = 0.9 + 1.5 * len(who) + 0.2 * ceil(len(classes) / columns)
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    axes = figure.subplots(len(who), sharex=True, squeeze=False)[:, 0]
    courses = {student: course(table, student) for student in who}
    moments = [moment for parts in courses.values() for part in parts for moment in (part.start, part.stop)]
    inch = (max(moments) - min(moments)) / (0.8 * _WIDTH)  # in seconds or frames; a panel may be a little wider
    for axis, (student, parts) in zip(axes, courses.items(), strict=True):
        _draw_areas(axis, parts, classes, inch)
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
    patches = [Patch(color=_of_matplotlib(colour), label=name) for name, colour in class_colours(classes).items()]
    style = {"fontsize": _LETTERS, "frameon": False, "handlelength": 1, "handleheight": 1, "columnspacing": 1.4}
    figure.legend(handles=patches, loc="outside lower center", ncols=min(columns, len(classes)), **style)
    figure.suptitle(f"{title}: how likely each emotion is", fontsize=10, x=0.01, ha="left")
    return figure


def _draw_areas(axis, parts: Sequence[Part], classes: Sequence[str], inch: float) -> None:
    """Draw the areas of one student. inch: its worth in seconds or frames."""
    colours = class_colours(classes)
    edges = np.array([(part.start, part.stop) for part in parts])
    height = np.array([[part.row[f"calibrated_{name}"] for name in classes] for part in parts])
    top = height.cumsum(axis=1)
    bottom = top - height
    for k, name in enumerate(classes):
        colour = _of_matplotlib(colours[name])
        axis.bar(edges[:, 0], height[:, k], np.diff(edges)[:, 0], bottom[:, k], align="edge", color=colour, linewidth=0)
        x, low, high = _roomiest(edges, bottom[:, k], top[:, k], inch * _length(name))
        if high - low > _LINE:
            letter = _of_matplotlib(letters_on(colours[name]))
            axis.text(x, (low + high) / 2, name, ha="center", va="center", fontsize=_LETTERS, color=letter)


def _roomiest(edges: np.ndarray, bottom: np.ndarray, top: np.ndarray, width: float) -> tuple[float, float, float]:
    """Where something of this width has most room within an area: the middle of a part, and from where to where, 0–1.

    edges [N, 2]: where each part begins and ends, ascending; bottom, top [N]: of the area in it. Two equal heights, if
    there is no room.
    """
    best = (edges[0, 0], 0.0, 0.0)
    apart = np.append(edges[1:, 0] > edges[:-1, 1], True)  # from the next part
    for x in edges.mean(axis=1):
        first = int(np.searchsorted(edges[:, 1], x - width / 2, side="right"))
        last = int(np.searchsorted(edges[:, 0], x + width / 2, side="left")) - 1
        inside = edges[first, 0] <= x - width / 2 and x + width / 2 <= edges[last, 1]
        if inside and not apart[first:last].any():
            low, high = bottom[first : last + 1].max(), top[first : last + 1].min()
            if high - low > best[2] - best[1]:
                best = (x, low, high)
    return best


def _length(name: str) -> float:
    """Of a class's name, in inches."""
    return letters(10 * _LETTERS).getlength(name) / 720  # ten times as large, since lengths are whole pixels


def _of_matplotlib(colour: Colour) -> tuple[float, ...]:
    return tuple(value / 255 for value in colour)
