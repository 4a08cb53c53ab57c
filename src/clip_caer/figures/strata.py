"""UAR within parts of the data: places, and how often the face was found."""

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from clip_caer.comparison.wording import count, kinds_of, model_names, protocol_names
from clip_caer.figures.style import GREY, PALE, bare, finish, heading, looks

_NAMES = {"setting": "setting", "face_rate": "frames with a found face"}


def strata_figure(strata: pl.DataFrame, comparison: pl.DataFrame, protocol: str) -> Figure:
    """UAR of the ablations within each setting and each rate of found faces, one panel a stratum.

    strata: protocol, model, stratum, level, uar (0–1), clips, subjects; levels are drawn in the order of the table.
    comparison: gives the names, kinds and order of the models.
    """
    strata, names = strata.filter(protocol=protocol), model_names(comparison)
    kinds = kinds_of(comparison)
    ablations = {model: look for model, look in looks(kinds).items() if kinds[model] == "ablation"}
    shown = [stratum for stratum in _NAMES if stratum in strata["stratum"]]
    levels = {stratum: _levels(strata, stratum) for stratum in shown}
    heights = [max(len(rows), 2) for rows in levels.values()]
    size = (4.6, 1.3 + 0.42 * sum(heights) + 0.3 * len(shown))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(shown), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    apart = np.linspace(-0.24, 0.24, len(ablations)) if len(ablations) > 1 else np.zeros(1)
    for axis, (stratum, rows) in zip(axes, levels.items(), strict=True):
        of_stratum = strata.filter(pl.col("uar").is_not_nan(), stratum=stratum)
        for place in range(len(rows)):
            axis.axhline(place, color=PALE, linewidth=0.7, zorder=0)
        for (model, look), shift in zip(ablations.items(), apart, strict=True):
            found = dict(of_stratum.filter(model=model).drop_nulls("uar").select("level", "uar").iter_rows())
            dots = [(100 * found[level], place + shift) for place, (level, *_) in enumerate(rows) if level in found]
            across, down = zip(*dots, strict=True) if dots else ((), ())
            mark = {"color": look.colour, "markerfacecolor": look.fill, "markersize": look.size - 0.5}
            axis.plot(across, down, look.marker, label=names[model], clip_on=False, **mark)
        labels = [f"{level}\n{count(clips, 'clip')}, {count(students, 'student')}" for level, clips, students in rows]
        axis.set_yticks(range(len(rows)), labels, fontsize=8)
        axis.set(xlim=(0, 101), ylim=(len(rows) - 0.5, -0.5))
        axis.set_title(_NAMES[stratum], fontsize=9, color=GREY, style="italic")
        bare(axis, "left")
    axes[-1].set_xlabel("UAR (%)")
    heading(figure, protocol_names(comparison)[protocol])
    legend = axes[0].get_legend_handles_labels()
    figure.legend(*legend, loc="outside upper right", ncols=min(3, len(ablations)), fontsize=8, frameon=False)
    return finish(figure, "UAR over the classes that a part has")


def _levels(strata: pl.DataFrame, stratum: str) -> list[tuple[str, int, int]]:
    """Level, clips, students."""
    rows = strata.filter(stratum=stratum).group_by("level", maintain_order=True)
    return rows.agg(pl.col("clips").max(), pl.col("subjects").max()).rows()
