"""Do two models differ? Paired differences with intervals and tests.

Two things could have been otherwise: the students, and the seeds of the training. The permutation test swaps the
predictions that two models make of a student. Alone it asks whether these trained weights differ: a seed that happens
to train well raises all students at once, which no swap can see, so two identical ablations with different seeds would
be told apart far too often. Therefore what the seeds move in common, beyond what students explain, is estimated from
the replicates and added to the null distribution. With one replicate a model there is nothing to estimate it from, and
the statement is about these weights only. Replicates count as independent, also the seeds within one repeat of the
folds.

The interval is what the test leaves: all differences that it does not reject. So it excludes 0 exactly where p is at
most 0.05. A bootstrap of the students would not do: with few of them in a class it hardly varies.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
import polars as pl
from scipy.special import stdtrit

from clip_caer.errors import reject
from clip_caer.statistics.intervals import LEVEL, student_clips
from clip_caer.statistics.replicates import count, number

METRICS = ("uar", "war")
DIGITS = 12  # to which ends of an interval count as equal
SCHEMA = {
    **dict.fromkeys(["protocol", "a", "b", "metric"], pl.String),
    **dict.fromkeys(["difference", "low", "high", "p", "p_holm", "mcnemar_p"], pl.Float64),
}


def compare_pairs(
    pooled: Mapping[tuple[str, str], pl.DataFrame],
    classes: Sequence[str],
    permutations: int = 10_000,
    seed: int = 0,
) -> pl.DataFrame:
    """Each pair of models of a protocol: protocol, a, b, metric, difference, low, high, p, p_holm, mcnemar_p.

    pooled: (protocol, model) → prediction table; a stands before b. metric: uar | war. difference: a − b in −1–1, with
    its 95 % interval. p: of the permutation of students, two-sided; at most 0.05 where the interval excludes 0. p_holm:
    corrected for all pairs of the protocol on this metric, which the interval is not; so give only models whose
    differences are asked for. mcnemar_p: for war, of the models' first
    replicates clip by clip (a majority vote of the seeds would be another model); null for uar. McNemar's test takes
    clips for independent and is given because readers ask for it; p is the one to trust.
    Raises UserError where the models of a protocol have not predicted the same clips.
    """
    parts = [pl.DataFrame(schema=SCHEMA)]
    for protocol in dict.fromkeys(protocol for protocol, _ in pooled):
        tables = {model: number(table, classes) for (of, model), table in pooled.items() if of == protocol}
        _check_same_clips(protocol, tables)
        rows = list(_pairs(tables, classes, permutations, np.random.default_rng(seed)))
        parts += [_corrected([{"protocol": protocol, **row} for row in rows if row["metric"] == of]) for of in METRICS]
    return pl.concat(parts)


def _check_same_clips(protocol: str, tables: Mapping[str, pl.DataFrame]) -> None:
    (first, expected), *others = ((model, set(_clips(table))) for model, table in tables.items())
    differing = {model: sorted({row[0] for row in set(clips) ^ expected}) for model, clips in others}
    reject(
        [
            f"{first} and {model} differ in {len(ids)} clips: {', '.join(ids[:3])}"
            for model, ids in differing.items()
            if ids
        ],
        f"Models under {protocol} must have predicted the same clips, with the same students and labels",
    )


def _clips(numbered: pl.DataFrame) -> list[tuple[str, str, str]]:
    return numbered.filter(replicate=0).select("clip_id", "subject", "label").rows()


def _pairs(
    tables: Mapping[str, pl.DataFrame], classes: Sequence[str], permutations: int, random: np.random.Generator
) -> Iterator[dict]:
    """The rows of `compare_pairs`. All pairs see the same swaps: a row depends on its two models only."""
    confusions = {model: count(table, len(classes)) for model, table in tables.items()}
    clips = student_clips(next(iter(confusions.values())))
    swaps = random.choice([-1.0, 1.0], size=(permutations, len(clips)))
    ranks = draw_ranks(permutations, random)
    for metric in METRICS:
        shares = {model: student_shares(of_model, metric) for model, of_model in confusions.items()}
        weights = clips @ clip_weights(clips, metric)
        for a, b in combinations(tables, 2):
            low, high, p = swap_test(shares[a], shares[b], weights, swaps, ranks)
            yield {
                "a": a,
                "b": b,
                "metric": metric,
                "difference": float(shares[a].sum(1).mean() - shares[b].sum(1).mean()),
                "low": low,
                "high": high,
                "p": p,
                "mcnemar_p": mcnemar_p(tables[a], tables[b]) if metric == "war" else None,
            }


def student_shares(confusions: np.ndarray, metric: str) -> np.ndarray:
    """What each student adds to uar or war: [replicates, students], whose sum over students is the score."""
    return confusions.diagonal(0, -2, -1) @ clip_weights(student_clips(confusions), metric)


def clip_weights(clips: np.ndarray, metric: str) -> np.ndarray:
    """What one right clip of each class adds to uar or war, [K], from clips [students, K]."""
    of_class = clips.sum(0)
    if metric == "war":
        return np.ones(len(of_class)) / of_class.sum()
    return np.divide(1 / np.count_nonzero(of_class), of_class, out=np.zeros(len(of_class)), where=of_class > 0)


def swap_test(
    a: np.ndarray, b: np.ndarray, weights: np.ndarray, swaps: np.ndarray, ranks: np.ndarray
) -> tuple[float, float, float]:
    """Interval (low, high) and two-sided p of the difference of two models' mean scores, a − b, swapping students.

    a, b: [replicates, students] of `student_shares`; the numbers of replicates may differ. weights: [students], what
    a student could add at most. swaps: [permutations, students] of −1 and 1. ranks: [permutations] of `draw_ranks`.

    If the models truly differed by x, then by as much in every student, but for chance: without x times its weight, a
    student's part of the difference has either sign equally often. (No swap changes how many clips a class has, so it
    turns the sign.) A swap then comes as far from x as the observed difference does wherever x lies between two ends.
    p counts the swaps with 0 between them; where too few have x between them, x is rejected and not in the interval.
    """
    of_student = a.mean(0) - b.mean(0)
    difference = of_student.sum()
    noise = seed_noise(a, b, ((of_student - difference * weights) ** 2).sum(), ranks)
    swapped, turned = swaps @ of_student, swaps @ weights
    with np.errstate(divide="ignore", invalid="ignore"):  # |swapped − x turned + noise| = |difference − x|
        ends = (difference - swapped - noise) / (1 - turned), (difference + swapped + noise) / (1 + turned)
    nobody_or_all = np.abs(swaps.sum(1)) == swaps.shape[1]  # as far as observed, whatever x is
    low, high = np.where(nobody_or_all, [[-np.inf], [np.inf]], np.sort(ends, 0)).round(DIGITS)
    as_far = np.sum((low <= 0) & (high >= 0))
    few = int((1 - LEVEL) * (1 + len(swaps)))  # so many swaps, and the observed one, are more than 5 %
    reached = np.sort(low)[few - 1], np.sort(high)[-few]
    return float(max(reached[0], -1)), float(min(reached[1], 1)), float((1 + as_far) / (1 + len(swaps)))


def seed_noise(a: np.ndarray, b: np.ndarray, of_students: float, ranks: np.ndarray) -> np.ndarray:
    """By how much the difference of two models might change with other seeds, beyond what single students change.

    a, b: [replicates, students] of `student_shares`. of_students: the variance of what the draws, one for each of
    `ranks`, are added to. Their own variance is that of the mean score over replicates, less the part that students
    who change independently of each other explain, as the students' chance holds that already (and is no smaller). They
    follow a t distribution: with few seeds this variance is poorly known. Its degrees of freedom are Welch's, of both
    chances.
    """
    trained = [shares for shares in (a, b) if len(shares) > 1]
    whole = np.array([shares.sum(1).var(ddof=1) / len(shares) for shares in trained])
    explained = sum(shares.var(0, ddof=1).sum() / len(shares) for shares in trained)
    in_common = whole.sum() - explained
    if in_common <= 0:
        return np.zeros(len(ranks))
    of_students = max(of_students, explained)
    of_whole = sum(of**2 / (len(shares) - 1) for of, shares in zip(whole, trained, strict=True))
    freedom = (of_students + in_common) ** 2 / (of_students**2 / (a.shape[1] - 1) + of_whole)
    return np.sqrt(in_common) * stdtrit(freedom, ranks)


def draw_ranks(number: int, random: np.random.Generator) -> np.ndarray:
    """So many evenly spread shares in 0–1, shuffled: where the draws of `seed_noise` stand in their distribution."""
    return (random.permutation(number) + 0.5) / number


def mcnemar_p(a: pl.DataFrame, b: pl.DataFrame) -> float:
    """P of McNemar's exact test between the first replicates of two tables of `number`."""
    from statsmodels.stats.contingency_tables import mcnemar

    right = [(table["guess"] == table["true"]).to_numpy() for table in (a.filter(replicate=0), b.filter(replicate=0))]
    table = [
        [np.sum((right[0] == first) & (right[1] == second)) for second in (True, False)] for first in (True, False)
    ]
    return float(mcnemar(table, exact=True).pvalue)


def _corrected(rows: list[dict]) -> pl.DataFrame:
    """The rows of one family as a table, with Holm's correction."""
    from statsmodels.stats.multitest import multipletests

    table = pl.DataFrame(rows, schema=SCHEMA)
    return table.with_columns(p_holm=multipletests(table["p"].to_numpy(), method="holm")[1]) if rows else table
