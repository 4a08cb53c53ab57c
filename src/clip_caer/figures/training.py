"""Training curves: whether models have converged, and when they began to learn by heart."""

from math import ceil

import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from clip_caer.comparison.wording import chance_of, kinds_of, model_names
from clip_caer.figures.style import COLOURS, GREY, INK, finish

_LOSSES = {"train/loss": COLOURS[1], "val/loss": COLOURS[0]}


def training_figure(history: pl.DataFrame, comparison: pl.DataFrame) -> Figure:
    """Loss, and UAR on validation, by epoch, of every trained model: thin a run, strong the mean, dots the best epochs.

    history: model, split, seed, epoch (from 1), train/loss, val/loss, val/uar (0–1); val is the role on which the epoch
    was chosen. comparison: gives the names and order of the models, and this role. The best epoch of a run has the
    highest UAR, and of equal ones the lower loss.
    """
    names = model_names(comparison)
    models = [model for model in kinds_of(comparison) if model in history["model"]]
    shown = comparison.filter(pl.col("model").is_in(models))
    chosen_on = " or ".join(shown["selected_on"].unique().sort(descending=True))
    blocks = ceil(len(models) / 4)
    columns = ceil(len(models) / blocks)
    figure = Figure(figsize=(0.5 + 1.75 * columns, 3.3 * blocks), layout="constrained")
    axes = figure.subplots(2 * blocks, columns, squeeze=False, sharex=True, sharey=False)
    for spare in axes.ravel():
        spare.set_axis_off()
    highest = max(history.group_by("model", "epoch").agg(pl.col(name).mean())[name].max() for name in _LOSSES)
    for number, model in enumerate(models):
        block, column = divmod(number, columns)
        rows = history.filter(model=model).sort("split", "seed", "epoch")
        loss, uar = axes[2 * block, column], axes[2 * block + 1, column]
        for name, colour in _LOSSES.items():
            _curves(loss, rows, name, colour, label="train" if name == "train/loss" else chosen_on)
        _curves(uar, rows.with_columns(pl.col("val/uar") * 100), "val/uar", COLOURS[0])
        best = (
            rows.sort("val/uar", "val/loss", "epoch", descending=[True, False, False]).group_by("split", "seed").first()
        )
        best = best.sort("split", "seed")
        uar.plot(best["epoch"], 100 * best["val/uar"], "o", color=INK, markersize=2.5, zorder=3)
        loss.set(ylim=(0, 1.15 * highest))
        loss.set_title(names[model].replace(" (", "\n("))
        uar.axhline(100 * chance_of(comparison), color=GREY, linestyle=":", linewidth=1)
        uar.set(ylim=(0, 103), xlabel="epoch")
        uar.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        for axis, label in ((loss, "loss"), (uar, f"UAR on {chosen_on} (%)")):
            axis.set_axis_on()
            axis.set_ylabel(label if column == 0 else "")
            axis.tick_params(labelleft=column == 0, labelbottom=axis is uar)
    legend = axes[0, 0].get_legend_handles_labels()
    figure.legend(*legend, loc="outside upper right", ncols=2, fontsize=8, frameon=False)
    figure.align_ylabels()
    return finish(figure, "thin: a split and seed; strong: their mean; dot: the chosen epoch; dotted: chance")


def _curves(axis, rows: pl.DataFrame, name: str, colour: str, label: str | None = None) -> None:
    for _, run in rows.group_by("split", "seed", maintain_order=True):
        axis.plot(run["epoch"], run[name], color=colour, linewidth=0.5, alpha=0.4)
    mean = rows.group_by("epoch").agg(pl.col(name).mean()).sort("epoch")
    axis.plot(mean["epoch"], mean[name], color=colour, linewidth=1.8, label=label)
