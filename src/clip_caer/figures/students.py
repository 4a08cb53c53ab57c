"""Accuracy of every student: whether a mean hides students whom a model fails."""

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from clip_caer.comparison.wording import kinds_of, model_names, protocol_names
from clip_caer.figures.style import bare, finish, grid, looks

_GOLDEN = 0.6180339887498949  # its multiples, modulo 1, lie evenly however many they are


def students_figure(strata: pl.DataFrame, comparison: pl.DataFrame) -> Figure:
    """A dot a student: the share of the clips that a model gets right; one panel a protocol, a line the median.

    strata: protocol, model, stratum, level, war (0–1), clips; rows of the stratum `subject` are drawn.
    comparison: gives the names, kinds and order of the models.
    """
    students, kinds, names = strata.filter(stratum="subject"), kinds_of(comparison), model_names(comparison)
    models = [model for model in kinds if model in students["model"]]
    protocols = {key: name for key, name in protocol_names(comparison).items() if key in students["protocol"]}
    figure, axes = grid(len(protocols), 2, 2.9, 0.9 + 0.38 * len(models), margin=1.0, sharey=True)
    for axis, protocol in zip(axes, protocols, strict=True):
        for place, model in enumerate(models):
            rows = students.filter(protocol=protocol, model=model).sort("war", "level")
            if rows.is_empty():
                continue
            right, area = 100 * rows["war"].to_numpy(), 3 + 0.6 * rows["clips"].to_numpy().clip(max=60)
            height = place + 0.6 * ((np.arange(len(rows)) * _GOLDEN) % 1 - 0.5)
            colour = looks(kinds)[model].colour
            axis.scatter(right, height, area, colour, alpha=0.45, linewidths=0, clip_on=False, rasterized=True)
            axis.plot([np.median(right)] * 2, [place - 0.4, place + 0.4], color="black", linewidth=1.6)
        axis.set(xlim=(-1, 101), xlabel="accuracy (%)")
        axis.set_title(protocols[protocol], weight="bold")
        axis.set_yticks(range(len(models)), [names[model].replace(" (", "\n(") for model in models])
        axis.set_ylim(len(models) - 0.45, -0.55)
        bare(axis, "left")
    return finish(figure, "dot: a student, its area grows with the student's clips; line: the median student")
