"""What was taken for what."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clip_caer.comparison.wording import kinds_of, model_names, protocol_names
from clip_caer.figures.style import bare, finish, grid, heading


def confusion_figure(confusion: np.ndarray, classes: Sequence[str], title: str) -> Figure:
    """Confusion matrix [K, K]: shade and first line are the share of the true class, in brackets the clips."""
    figure, (axis,) = grid(1, 1, 1.6 + 0.75 * len(classes), 1.3 + 0.75 * len(classes))
    _draw(axis, confusion, classes, title)
    axis.set(ylabel="true")
    return finish(figure)


def confusions_figure(
    confusions: Mapping[tuple[str, str], np.ndarray], classes: Sequence[str], comparison: pl.DataFrame, protocol: str
) -> Figure:
    """Confusion matrices of the ablations under a protocol, side by side.

    confusions: (protocol, model) → clips [K, K]. comparison: gives the names and kinds of the models.
    """
    names = model_names(comparison)
    ablations = [model for model, kind in kinds_of(comparison).items() if kind == "ablation"]
    side = 0.46 * len(classes)
    figure, axes = grid(len(ablations), 3, side, side + 1.4, margin=0.8, sharey=True)
    for axis, model in zip(axes, ablations, strict=True):
        _draw(axis, confusions[protocol, model], classes, names[model], fontsize=6.5)
    axes[0].set(ylabel="true")
    heading(figure, protocol_names(comparison)[protocol])
    return finish(figure, "shade and number: share of the true class; in brackets: clips, mean over seeds")


def _draw(axis: Axes, confusion: np.ndarray, classes: Sequence[str], title: str, fontsize: float = 8) -> None:
    clips = confusion.sum(1, keepdims=True)
    share = np.divide(confusion, clips, out=np.zeros(confusion.shape), where=clips > 0)
    axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), value in np.ndenumerate(share):
        counted = f"{confusion[row, column]:,.1f}".removesuffix(".0")
        text = f"{100 * value:.0f} %\n({counted})"
        colour = "white" if value > 0.55 else "black"
        axis.text(column, row, text, ha="center", va="center", color=colour, fontsize=fontsize, linespacing=1.1)
    axis.set_xticks(range(len(classes)), classes, rotation=45, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(len(classes)), classes)
    axis.set(xlabel="predicted", title=title)
    bare(axis, "left", "right", "top", "bottom")
    axis.tick_params(length=0)
