"""The question answered in words, from the tables alone: which differences hold, and what the data cannot tell."""

from collections.abc import Iterator, Mapping
from math import hypot

import polars as pl
from scipy.stats import t

from clip_caer.comparison.wording import (
    chance_of,
    count,
    holds,
    interval,
    kinds_of,
    known,
    listed,
    model_names,
    p_value,
    percent,
)

MOST = 6  # pairs named in a sentence; the table has all


def answer(comparison: pl.DataFrame, pairs: pl.DataFrame, protocol: str) -> str:
    """What a protocol tells of the ablations, a paragraph: their UAR, the differences between them, the controls."""
    comparison = comparison.filter(protocol=protocol)
    names, chance = model_names(comparison), chance_of(comparison)
    scores = {row["model"]: row for row in comparison.filter(metric="uar").iter_rows(named=True)}
    ablations, controls = (
        [scores[model] for model, kind in kinds_of(comparison).items() if kind == wanted]
        for wanted in ("ablation", "control")
    )
    reached = listed(f"{_score(row)} for {names[row['model']]}" for row in ablations)
    of_ablations = pl.col("a", "b").is_in([row["model"] for row in ablations])
    between = pairs.filter(of_ablations, protocol=protocol, metric="uar").iter_rows(named=True)
    sentences = [
        f"UAR is {reached}; chance is {percent(chance)} %.",
        *_differences(list(between)),
        *_controls(ablations, controls, chance),
    ]
    return " ".join(sentences)


def _differences(pairs: list[dict]) -> Iterator[str]:
    """Those that hold after correction, and those that do not; the largest first."""
    pairs = sorted(pairs, key=lambda row: -abs(row["difference"]))
    strong, weak = ([row for row in pairs if holds(row) is wanted] for wanted in (True, False))
    if strong:
        yield f"After Holm's correction these differences hold: {_some(strong, '{better} above {worse} by {by}')}."
    if weak:
        yield f"The data do not tell apart {_some(weak, '{better} and {worse} ({by})')}."
    if weak and not strong:
        yield "That no difference is shown does not show that there is none."


def _some(pairs: list[dict], sentence: str) -> str:
    said = [sentence.format(**_in_words(row)) for row in pairs[:MOST]]
    rest = len(pairs) - len(said)
    return "; ".join([*said, *[count(rest, "further pair")] * bool(rest)])


def _in_words(pair: Mapping) -> dict[str, str]:
    """The better, the worse, and by how much: a difference is told as a positive number."""
    a, b, low, high = pair["a"], pair["b"], pair["low"], pair["high"]
    if pair["difference"] < 0:
        a, b = b, a
        low, high = (-high, -low) if known(low) and known(high) else (low, high)
    points = f"{percent(abs(pair['difference']))} points {interval(low, high)}".rstrip()
    return {"better": a, "worse": b, "by": ", ".join(filter(None, [points, p_value(pair["p_holm"])]))}


def _controls(ablations: list[dict], controls: list[dict], chance: float) -> Iterator[str]:
    if controls:
        highest = max(controls, key=lambda row: row["value"])
        yield f"The highest control, {highest['model']}, reaches {_score(highest)}."
        if ablations and highest["value"] >= max(row["value"] for row in ablations):
            yield "No ablation does better: what they learn may be no more than what this control knows."
    for row in controls:
        if row["model"] == "shuffled_labels" and known(row["low"]):
            yield f"With shuffled labels UAR is {_score(row)}, {_beside_chance(row, chance)}"


def _beside_chance(row: Mapping, chance: float) -> str:
    """What is to be said of shuffled labels. Each seed shuffles anew, and may be lucky with whole groups of clips."""
    if row["low"] <= chance:
        return "not above chance, as it must be."
    if row["seeds"] < 2:
        return "above chance, but this is one shuffle: only more seeds can tell luck from a leak."
    luck = t.ppf(0.975, row["seeds"] - 1) * row["sd"] / row["seeds"] ** 0.5
    if row["value"] - hypot(row["value"] - row["low"], luck) <= chance:
        return f"not above chance, as it must be, if the scatter of the seeds counts too (± {percent(row['sd'])})."
    return "above chance: look for a leak before you trust this."


def _score(row: Mapping) -> str:
    return f"{percent(row['value'])} % {interval(row['low'], row['high'])}".rstrip()
