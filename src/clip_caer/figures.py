"""Pictures for the report and the paper. Colours are told apart by readers with colour-vision deficiency."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import polars as pl
from matplotlib.figure import Figure

from clip_caer.files import atomic
from clip_caer.summary import stamped

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
GREY = "#6b6b6b"
matplotlib.rcParams.update(
    {
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "svg.hashsalt": "clip-caer",  # the same picture, the same bytes
        "svg.fonttype": "none",
        "pdf.fonttype": 42,
    }
)


def save(figure: Figure, path: str | Path) -> None:
    """Write `figure` atomically in the format of the suffix; the same figure gives the same bytes."""
    stamp = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}, ".png": {"Software": None}}
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=200, bbox_inches="tight", metadata=stamp[Path(path).suffix])


def comparison_figure(comparison: pl.DataFrame) -> Figure:
    """UAR of every ablation with its interval, one panel a protocol; chance, and ceilings where known."""
    uar = comparison.filter(pl.col("metric") == "uar")
    chance = 1 / comparison.filter(pl.col("metric").str.starts_with("recall/"))["metric"].n_unique()
    protocols = uar["protocol"].unique(maintain_order=True)
    ablations = uar["ablation"].unique(maintain_order=True).to_list()
    chosen = dict(uar.select("ablation", "selected_on").iter_rows()) if "selected_on" in uar.columns else {}
    names = [stamped(ablation, chosen.get(ablation, "val")).replace(" (", "\n(") for ablation in ablations]
    figure = Figure(figsize=(1.6 + 3.2 * len(protocols), 0.9 + 0.45 * len(ablations)), layout="constrained")
    figure.get_layout_engine().set(wspace=0.08)
    axes = figure.subplots(1, len(protocols), sharey=True, squeeze=False)[0]
    for axis, protocol in zip(axes, protocols, strict=True):
        rows = uar.filter(pl.col("protocol") == protocol)
        axis.axvline(100 * chance, color=GREY, linestyle=":", linewidth=1)
        axis.annotate(
            "chance", (100 * chance, -0.6), xytext=(3, 0), textcoords="offset points", color=GREY, va="center"
        )
        for row in rows.iter_rows(named=True):
            place = ablations.index(row["ablation"])
            colour = COLOURS[place % len(COLOURS)]
            value, low, high = (100 * row[name] for name in ("value", "low", "high"))
            axis.plot([low, high], [place, place], color=colour, linewidth=2, solid_capstyle="butt")
            axis.plot(value, place, "o", color=colour, markersize=7)
            axis.annotate(
                f"{value:.1f}", (low, place), xytext=(-5, 0), textcoords="offset points", ha="right", va="center"
            )
            if row.get("ceiling") is not None:
                axis.plot(100 * row["ceiling"], place, "|", color="black", markersize=16, markeredgewidth=1.5)
        axis.set(
            xlim=(0, 103),
            xlabel="UAR (%)",
            title=f"{protocol}: {rows['clips'][0]} clips, {rows['subjects'][0]} students",
        )
        axis.set_yticks(range(len(ablations)), names)
        axis.set_ylim(len(ablations) - 0.5, -0.9)
        axis.tick_params(axis="y", length=0)
    note = "dot: mean over seeds; bar: 95 % interval over students"
    if "ceiling" in comparison.columns:
        note += "; black line: the best that is possible"
    figure.supxlabel(note, fontsize=8, color=GREY)
    return figure


def confusion_figure(confusion: np.ndarray, classes: Sequence[str], title: str) -> Figure:
    """Confusion matrix [K, K]: shade and first line are the share of the true class, in brackets the clips."""
    clips = confusion.sum(1, keepdims=True)
    share = np.divide(confusion, clips, out=np.zeros_like(confusion), where=clips > 0)
    side = 1.6 + 0.75 * len(classes)
    figure = Figure(figsize=(side, side - 0.3), layout="constrained")
    axis = figure.subplots()
    axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), value in np.ndenumerate(share):
        count = f"{confusion[row, column]:.3g}"
        colour = "white" if value > 0.55 else "black"
        axis.text(column, row, f"{100 * value:.0f} %\n({count})", ha="center", va="center", color=colour, fontsize=8)
    axis.set_xticks(range(len(classes)), classes, rotation=35, ha="right")
    axis.set_yticks(range(len(classes)), classes)
    axis.set(xlabel="predicted", ylabel="true", title=title)
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    return figure
