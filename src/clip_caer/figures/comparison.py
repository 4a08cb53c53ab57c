"""UAR of every model with its interval: the picture that answers the question."""

from math import ceil

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clip_caer.comparison.wording import (
    chance_of,
    count,
    interval,
    kinds_of,
    known,
    model_names,
    percent,
    protocol_names,
    rarest_class,
)
from clip_caer.figures.style import GREY, bare, beside, finish, grid, looks

HEADINGS = {"ablation": "ablations", "comparator": "comparators", "control": "controls"}


def comparison_figure(comparison: pl.DataFrame) -> Figure:
    """UAR of every model with its interval, one panel a protocol; chance, and ceilings where known.

    comparison: protocol, model, kind, metric, value, low, high, clips, subjects, few_students (the true coverage may be
    below 95 %), selected_on, students_shared, and, where known, ceiling; values in 0–1.
    """
    uar = comparison.filter(metric="uar")
    kinds, names, protocols = kinds_of(uar), model_names(uar), protocol_names(uar)
    places, headings, bottom = _places(kinds)
    about = {protocol: _about(comparison, protocol) for protocol in protocols}
    shown = [name for name in ("value", "high", "ceiling") if name in uar.columns]
    end = min(101, 10 * ceil(10 * uar.select(pl.max_horizontal(*shown).fill_nan(None).max()).item() + 0.1))
    figure, axes = grid(len(protocols), 2, 3.2, 1.75 + 0.24 * bottom, margin=1.2, sharex=True, sharey=True)
    for axis, protocol in zip(axes, protocols, strict=True):
        _chance(axis, 100 * chance_of(comparison))
        for row in uar.filter(protocol=protocol).iter_rows(named=True):
            _draw(axis, row, places[row["model"]], looks(kinds)[row["model"]])
        _title(axis, protocols[protocol], about[protocol], max(map(len, about.values())))
        axis.set(xlim=(0, end), xlabel="UAR (%)")
        axis.tick_params(labelbottom=True)
        bare(axis, "left")
    for axis in axes[:: axes[0].get_gridspec().ncols]:
        axis.set_yticks(list(places.values()), [names[model].replace(" (", "\n(") for model in places])
        axis.set_ylim(bottom - 0.4, -1.3)
        for label, kind in zip(axis.get_yticklabels(), kinds.values(), strict=True):
            label.set(color=GREY if kind == "control" else "black", weight="bold" if kind == "ablation" else "normal")
        for heading, place in headings.items():
            where = {"xycoords": axis.get_yaxis_transform(), "textcoords": "offset points"}
            axis.annotate(heading, (0, place), (-7, 0), ha="right", va="center", color=GREY, style="italic", **where)
    ceilings = "; black line: the best that can be expected" if "ceiling" in comparison.columns else ""
    return finish(figure, f"dot: mean over seeds; bar and brackets: 95 % interval over students{ceilings}")


def _draw(axis: Axes, row: dict, place: float, look) -> None:
    if known(row["low"]) and known(row["high"]):
        ends = [100 * row["low"], 100 * row["high"]]
        axis.plot(ends, [place] * 2, color=look.colour, linewidth=look.width, solid_capstyle="butt")
    mark = {"color": look.colour, "markerfacecolor": look.fill, "markersize": look.size}
    axis.plot(100 * row["value"], place, "o", clip_on=False, zorder=3, **mark)
    if known(row.get("ceiling")):
        axis.plot(100 * row["ceiling"], place, "|", color="black", markersize=14, markeredgewidth=1.6, zorder=4)
    colour, weight = {"ablation": ("black", "bold"), "comparator": ("black", "normal")}.get(
        row["kind"], (GREY, "normal")
    )
    beside(axis, f"{percent(row['value'])} {interval(row['low'], row['high'])}", place, color=colour, weight=weight)


def _chance(axis: Axes, chance: float) -> None:
    axis.axvline(chance, color=GREY, linestyle=":", linewidth=1, zorder=0)
    axis.annotate("chance", (chance, -0.9), (3, 0), textcoords="offset points", color=GREY, fontsize=8, va="center")


def _about(comparison: pl.DataFrame, protocol: str) -> list[str]:
    """How much data the numbers of a protocol stand on."""
    rows = comparison.filter(metric="uar", protocol=protocol)
    rarest, clips, students = rarest_class(comparison, protocol)
    return [
        f"{count(rows['clips'].max(), 'clip')}, {count(rows['subjects'].max(), 'student')}",
        f"rarest class, {rarest}: {count(clips, 'clip')}, {count(students, 'student')}",
        *["a class has few students: intervals may be too narrow"] * rows["few_students"].any(),
    ]


def _title(axis: Axes, name: str, about: list[str], lines: int) -> None:
    """The protocol, and below it `about`, with room for as many lines as any panel needs."""
    axis.set_title(name, weight="bold", pad=8 + 10 * lines)
    where = {"xycoords": "axes fraction", "textcoords": "offset points"}
    style = {"fontsize": 7.5, "color": GREY, "linespacing": 1.2}
    axis.annotate("\n".join(about), (0, 1), (0, 5 + 10 * lines), va="top", **style, **where)


def _places(kinds: dict[str, str]) -> tuple[dict[str, float], dict[str, float], float]:
    """Heights of the models and of the headings of their kinds, from the top, and the bottom of all.

    A single kind needs no heading.
    """
    places, headings, place, last = {}, {}, -0.2, None
    several = len(set(kinds.values())) > 1
    for model, kind in kinds.items():
        if several and kind != last:
            place += 0.3 * bool(last)
            headings[HEADINGS[kind]] = place
            place += 1
        places[model] = place
        place, last = place + 1, kind
    return places, headings, place
