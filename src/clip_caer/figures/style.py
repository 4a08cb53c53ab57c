"""What all pictures share: colours safe for colour-vision deficiency, the looks of a kind of model, and saving."""

from collections.abc import Mapping
from math import ceil
from pathlib import Path
from textwrap import fill
from typing import NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clip_caer.files import atomic

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
MARKERS = ("o", "s", "D", "^", "v", "P")
INK = "#333333"
GREY = "#6b6b6b"
PALE = "#d9d9d9"
matplotlib.rcParams.update(
    {
        "font.size": 9,
        "axes.titlesize": 9,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.7,
        "text.parse_math": False,  # a dollar in a name is a dollar
        "svg.hashsalt": "clip-caer",  # the same picture, the same bytes
        "svg.fonttype": "none",
        "pdf.fonttype": 42,
    }
)


class Look(NamedTuple):
    """How a model is drawn."""

    colour: str
    fill: str
    marker: str
    size: float
    width: float


def looks(kinds: Mapping[str, str]) -> dict[str, Look]:
    """Model → its look: ablations strong, each in its own colour; comparators plain; controls grey.

    kinds: model → kind, in the order in which models are shown.
    """
    found, number = {}, 0
    for model, kind in kinds.items():
        if kind == "ablation":
            colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
            found[model] = Look(colour, colour, marker, 5, 2.4)
            number += 1
        elif kind == "comparator":
            found[model] = Look(INK, "white", "o", 4.5, 1.2)
        else:
            found[model] = Look("#8c8c8c", "#8c8c8c", "o", 3.5, 1.2)
    return found


def grid(panels: int, columns: int, width: float, height: float, margin: float = 0.0, **shared) -> tuple[Figure, list]:
    """A figure of `panels` equal panels in rows of at most `columns`, and its axes; sizes in inches.

    margin: room at the left, for names. shared: sharex, sharey.
    """
    rows = ceil(panels / columns)
    columns = ceil(panels / rows)  # five are three and two, not four and one
    figure = Figure(figsize=(margin + columns * width, rows * height), layout="constrained")
    figure.get_layout_engine().set(wspace=0.06, hspace=0.06, h_pad=0.09)
    axes = figure.subplots(rows, columns, squeeze=False, **shared).ravel().tolist()
    for spare in axes[panels:]:
        spare.set_axis_off()
    return figure, axes[:panels]


def heading(figure: Figure, text: str) -> None:
    """What all panels are about, at the top left."""
    figure.suptitle(text, x=0.01, ha="left", fontsize=9, weight="bold")


def finish(figure: Figure, note: str = "") -> Figure:
    """Say below the picture what its marks mean, and settle its layout: drawn again, it would move a little."""
    figure.supxlabel(fill(note, round(16 * figure.get_figwidth())), fontsize=8, color=GREY)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure


def bare(axis: Axes, *sides: str) -> None:
    """Take away the spines of `sides` and the ticks on them."""
    axis.spines[list(sides)].set_visible(False)
    axis.tick_params(**{"left" if "left" in sides else "bottom": False})


def beside(axis: Axes, text: str, place: float, **style) -> None:
    """Write `text` right of the panel, at the height of a row."""
    where = {"xycoords": axis.get_yaxis_transform(), "textcoords": "offset points", "annotation_clip": False}
    axis.annotate(text, (1, place), (5, 0), va="center", fontsize=7.5, **where, **style)


def save(figure: Figure, path: str | Path) -> None:
    """Write `figure` atomically in the format of the suffix; the same figure gives the same bytes."""
    stamp = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}, ".png": {"Software": None}}
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=200, bbox_inches="tight", metadata=stamp[Path(path).suffix])
