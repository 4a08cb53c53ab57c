"""Paired differences between models: which hold after correction."""

import polars as pl
from matplotlib.figure import Figure

from clip_caer.comparison.wording import holds, known, p_value, points, protocol_names
from clip_caer.figures.style import COLOURS, GREY, bare, beside, finish, grid


def pairs_figure(pairs: pl.DataFrame, comparison: pl.DataFrame) -> Figure:
    """Difference of every pair with its interval, one panel a protocol; those that hold after correction are strong.

    pairs: protocol, a, b, metric, difference, low, high, p_holm; values in 0–1. comparison: gives the protocols' names.
    """
    rows, names = pairs.filter(metric="uar"), protocol_names(comparison)
    places = {pair: place for place, pair in enumerate(rows.select("a", "b").unique(maintain_order=True).rows())}
    protocols = [protocol for protocol in names if protocol in rows["protocol"]]
    figure, axes = grid(len(protocols), 2, 2.9, 1.0 + 0.23 * len(places), margin=1.2, sharex=True, sharey=True)
    for axis, protocol in zip(axes, protocols, strict=True):
        axis.axvline(0, color="black", linewidth=0.8, zorder=0)
        for row in rows.filter(protocol=protocol).iter_rows(named=True):
            _draw(axis, row, places[row["a"], row["b"]])
        axis.set_title(names[protocol], weight="bold")
        axis.set(xlabel="difference in UAR (points)")
        axis.set_yticks(list(places.values()), [f"{a} − {b}" for a, b in places])
        axis.set_ylim(len(places) - 0.4, -0.6)
        axis.tick_params(labelbottom=True)
        bare(axis, "left")
    return finish(figure, "bar: 95 % interval of the pair alone; p: by permutation, Holm-corrected; strong: p < 0.05")


def _draw(axis, row: dict, place: int) -> None:
    strong = holds(row)
    colour, fill, width = (COLOURS[0], COLOURS[0], 2.2) if strong else (GREY, "white", 1.2)
    if known(row["low"]) and known(row["high"]):
        axis.plot([100 * row["low"], 100 * row["high"]], [place] * 2, color=colour, linewidth=width)
    axis.plot(100 * row["difference"], place, "o", color=colour, markerfacecolor=fill, markersize=5)
    text = f"{points(row['difference'])}  {p_value(row['p_holm'])}"
    beside(axis, text, place, color="black" if strong else GREY, weight="bold" if strong else "normal")
