"""How names and numbers are written in pictures, tables and sentences."""

from collections.abc import Iterable, Mapping
from math import isfinite

import polars as pl

from clip_caer.statistics.rarest import A_POINT

KINDS = ("ablation", "comparator", "control")  # in the order in which they are shown
METRICS = {"uar": "UAR", "war": "WAR", "macro_f1": "macro F1"}  # and recall/{class}
MINUS = "\N{MINUS SIGN}"


def stamped(name: str, selected_on: str) -> str:
    """A model's name as it is shown: with a warning, unless its epoch was chosen on `val`."""
    return name if selected_on == "val" else f"{name} (selected on {selected_on})"


def with_sharing(protocol: str, students_shared: bool) -> str:
    """The name of a protocol or split as it stands beside its numbers."""
    return f"{protocol} (students shared)" if students_shared else protocol


def model_names(comparison: pl.DataFrame) -> dict[str, str]:
    """Model → the name it is shown with: with a warning if its epoch was not chosen on val."""
    return {model: stamped(model, role) for model, role in comparison.select("model", "selected_on").iter_rows()}


def kinds_of(comparison: pl.DataFrame) -> dict[str, str]:
    """Model → kind, in the order in which models are shown: ablations, comparators, controls."""
    kinds = dict(comparison.select("model", "kind").unique(maintain_order=True).iter_rows())
    return dict(sorted(kinds.items(), key=lambda item: KINDS.index(item[1])))


def protocol_names(comparison: pl.DataFrame) -> dict[str, str]:
    """Protocol → the name it is shown with: one whose test students stand in train too is called so everywhere."""
    shared = comparison.group_by("protocol", maintain_order=True).agg(pl.col("students_shared").any())
    return {protocol: with_sharing(protocol, students) for protocol, students in shared.iter_rows()}


def chance_of(comparison: pl.DataFrame) -> float:
    """UAR of a guess, in 0–1: one over the number of classes."""
    return 1 / comparison.filter(pl.col("metric").str.starts_with("recall/"))["metric"].n_unique()


def rarest_class(comparison: pl.DataFrame, protocol: str) -> tuple[str, int, int]:
    """The class with the fewest test clips of a protocol, its clips and its students."""
    recalls = comparison.filter(pl.col("metric").str.starts_with("recall/"), protocol=protocol)
    row = recalls.filter(pl.col("clips") > 0).sort("clips", "subjects", "metric").row(0, named=True)
    return row["metric"].removeprefix("recall/"), row["clips"], row["subjects"]


def notes(comparison: pl.DataFrame, protocol: str) -> list[str]:
    """What a reader must know before believing the numbers of a protocol, a sentence each."""
    table = comparison.filter(protocol=protocol)
    recalls = table.filter(pl.col("metric").str.starts_with("recall/"))
    empty = recalls.filter(clips=0)["metric"].str.strip_prefix("recall/").unique(maintain_order=True)
    rarest, clips, students = rarest_class(comparison, protocol)
    step = 1 / ((recalls["metric"].n_unique() - len(empty)) * clips)
    said = []
    if table["students_shared"].any():
        said.append("Test students also stand in train: these numbers do not tell how new students are recognised.")
    if len(empty):
        said.append(f"No test clip shows {listed(empty)}: UAR is the mean over the other classes.")
    said.append(
        f"The rarest class, {rarest}, has {count(clips, 'clip')} of {count(students, 'student')}; "
        f"one clip of it moves UAR by {percent(step)} points."
        + (" Judge differences by their intervals." if step > A_POINT else "")
    )
    if table["few_students"].any():
        said.append("* Too few students have a class: the true coverage of this interval may be below 95 %.")
    for role in table.filter(pl.col("selected_on") != "val")["selected_on"].unique().sort():
        names = table.filter(selected_on=role)["model"].unique(maintain_order=True)
        said.append(f"The epoch of {listed(names)} was selected on {role}: an optimistic number.")
    return said


def holds(pair: Mapping) -> bool:
    """Whether a row of the pairs is a difference that holds after correction, at 5 %."""
    return known(pair["p_holm"]) and pair["p_holm"] < 0.05


def known(value: float | None) -> bool:
    """Whether a number can be shown: neither null nor NaN."""
    return value is not None and isfinite(value)


def percent(value: float | None) -> str:
    """0.6123 → 61.2; unknown → –."""
    return f"{100 * value:.1f}" if known(value) else "–"


def interval(low: float | None, high: float | None) -> str:
    """[58.0, 64.1], or nothing where there is none."""
    return f"[{signless(low)}, {signless(high)}]" if known(low) and known(high) else ""


def points(difference: float) -> str:
    """A difference of shares in points, with its sign: +6.8."""
    text = f"{100 * difference:+.1f}"
    return "0.0" if text[1:] == "0.0" else text.replace("-", MINUS)


def signless(value: float) -> str:
    """A share in percent, with a true minus sign where it is a difference below zero."""
    text = f"{100 * value:.1f}"
    return "0.0" if text == "-0.0" else text.replace("-", MINUS)


def p_value(p: float | None) -> str:
    """`p = 0.012`, `p < 0.001`, or nothing where there is none."""
    if not known(p):
        return ""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def count(number: int, noun: str) -> str:
    """`1 clip`, `2,649 clips`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listed(words: Iterable[str]) -> str:
    """`a, b and c`."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
