"""How often a model is right when it says how sure it is, before and after temperature scaling."""

import polars as pl
from matplotlib.figure import Figure

from clip_caer.comparison.wording import kinds_of, model_names, percent, protocol_names
from clip_caer.figures.style import COLOURS, GREY, finish, grid, heading

_STATES = {"before": (COLOURS[5], "o", "white"), "after": (COLOURS[0], "s", COLOURS[0])}


def reliability_figure(
    reliability: pl.DataFrame, calibration: pl.DataFrame, comparison: pl.DataFrame, protocol: str
) -> Figure:
    """Accuracy against confidence under a protocol, one panel an ablation or comparator; dots grow with their clips.

    reliability: protocol, model, state, confidence, accuracy, clips. calibration: protocol, model, temperature,
    ece_before, ece_after. Values in 0–1. comparison: gives the names and order of the models.
    """
    bins = reliability.filter(pl.col("clips") > 0, protocol=protocol)
    names = model_names(comparison)
    models = [model for model, kind in kinds_of(comparison).items() if kind != "control" and model in bins["model"]]
    figure, axes = grid(len(models), 4, 1.9, 2.6, sharex=True, sharey=True)
    for axis, model in zip(axes, models, strict=True):
        axis.plot([0, 100], [0, 100], color=GREY, linestyle=":", linewidth=1, zorder=0)
        of_model = bins.filter(model=model).sort("confidence")
        for state, (colour, marker, fill) in _STATES.items():
            rows = of_model.filter(state=state)
            sure, right = 100 * rows["confidence"], 100 * rows["accuracy"]
            area = 5 + 30 * (rows["clips"] / of_model["clips"].max())
            axis.plot(sure, right, color=colour, linewidth=1, zorder=1)
            axis.scatter(sure, right, area, fill, marker=marker, edgecolors=colour, linewidths=1, zorder=2)
        found = calibration.filter(protocol=protocol, model=model).row(0, named=True)
        ece = f"ECE {percent(found['ece_before'])} → {percent(found['ece_after'])}, T = {found['temperature']:.2f}"
        axis.set_title(f"{names[model]}\n{ece}".replace(" (", "\n("), fontsize=8)
        axis.set(xlim=(0, 102), ylim=(0, 102), aspect="equal", xticks=[0, 50, 100], yticks=[0, 50, 100])
        axis.tick_params(labelbottom=True)
    columns = axes[0].get_gridspec().ncols
    for axis in axes[-columns:]:
        axis.set_xlabel("confidence (%)")
    for axis in axes[::columns]:
        axis.set_ylabel("accuracy (%)")
    for state, (colour, marker, fill) in _STATES.items():
        mark = {"color": colour, "marker": marker, "markerfacecolor": fill, "markersize": 5, "linewidth": 1}
        axes[0].plot([], [], label=f"{state} scaling", **mark)
    figure.legend(loc="upper right", ncols=2, fontsize=8, frameon=False)
    heading(figure, protocol_names(comparison)[protocol])
    return finish(figure, "dotted: as often right as sure; the area of a dot grows with its clips")
