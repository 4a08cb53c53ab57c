"""Do two models differ? Paired differences with intervals and tests.

Two things could have been otherwise: the students, and the seeds of the training. The permutation test swaps the
predictions that two models make of a student. Alone it asks whether these trained weights differ: a seed that happens
to train well raises all students at once, which no swap can see, so two identical ablations with different seeds would
be told apart far too often. Therefore what the seeds move in common, beyond what students explain, is estimated from
the replicates and added to the null distribution, and likewise to the bootstrap's. With one replicate a model there is
nothing to estimate it from, and the statement is about these weights only. Replicates count as independent, also the
seeds within one repeat of the folds.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
import polars as pl
from scipy.special import stdtrit

from clip_caer.errors import reject
from clip_caer.evaluation import uar, war
from clip_caer.statistics.intervals import draw_students, effective_students, student_clips, tail
from clip_caer.statistics.replicates import count, number

SCORES = {"uar": uar, "war": war}
SCHEMA = {
    **dict.fromkeys(["protocol", "a", "b", "metric"], pl.String),
    **dict.fromkeys(["difference", "low", "high", "p", "p_holm", "mcnemar_p"], pl.Float64),
}


def compare_pairs(
    pooled: Mapping[tuple[str, str], pl.DataFrame],
    classes: Sequence[str],
    resamples: int = 2000,
    permutations: int = 10_000,
    seed: int = 0,
) -> pl.DataFrame:
    """Each pair of models of a protocol: protocol, a, b, metric, difference, low, high, p, p_holm, mcnemar_p.

    pooled: (protocol, model) → prediction table; a stands before b. metric: uar | war. difference: a − b in −1–1, with
    its 95 % interval. p: of the permutation of students, two-sided. p_holm: corrected for all pairs of the protocol on
    this metric; so give only models whose differences are asked for. mcnemar_p: for war, of the models' first
    replicates clip by clip (a majority vote of the seeds would be another model); null for uar. McNemar's test takes
    clips for independent and is given because readers ask for it; p is the one to trust.
    Raises UserError where the models of a protocol have not predicted the same clips.
    """
    parts = [pl.DataFrame(schema=SCHEMA)]
    for protocol in dict.fromkeys(protocol for protocol, _ in pooled):
        tables = {model: number(table, classes) for (of, model), table in pooled.items() if of == protocol}
        _check_same_clips(protocol, tables)
        rows = list(_pairs(tables, classes, resamples, permutations, np.random.default_rng(seed)))
        parts += [_corrected([{"protocol": protocol, **row} for row in rows if row["metric"] == of]) for of in SCORES]
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
    tables: Mapping[str, pl.DataFrame],
    classes: Sequence[str],
    resamples: int,
    permutations: int,
    random: np.random.Generator,
) -> Iterator[dict]:
    """The rows of `compare_pairs`. All pairs see the same resamples and swaps: a row depends on its two models only."""
    confusions = {model: count(table, len(classes)) for model, table in tables.items()}
    clips = student_clips(next(iter(confusions.values())))
    drawn = draw_students(clips, resamples, random)
    swaps = random.choice([-1.0, 1.0], size=(permutations, len(clips)))
    ranks = {size: draw_ranks(size, random) for size in (resamples, permutations)}
    effective = effective_students(clips, classes)
    for metric, score in SCORES.items():
        shares = {model: student_shares(of_model, metric) for model, of_model in confusions.items()}
        resampled = {model: score(np.tensordot(drawn, of_model.mean(0), 1)) for model, of_model in confusions.items()}
        for a, b in combinations(tables, 2):
            spread = resampled[a] - resampled[b]
            spread = spread + seed_noise(shares[a], shares[b], spread.var(), ranks[resamples])
            tails = [tail(effective[metric]), 1 - tail(effective[metric])]
            low, high = np.quantile(spread, tails).clip(-1, 1)  # the t of few seeds reaches farther than scores can
            yield {
                "a": a,
                "b": b,
                "metric": metric,
                "difference": float(shares[a].sum(1).mean() - shares[b].sum(1).mean()),
                "low": float(low),
                "high": float(high),
                "p": permutation_p(shares[a], shares[b], swaps, ranks[permutations]),
                "mcnemar_p": mcnemar_p(tables[a], tables[b]) if metric == "war" else None,
            }


def student_shares(confusions: np.ndarray, metric: str) -> np.ndarray:
    """What each student adds to uar or war: [replicates, students], whose sum over students is the score."""
    hits, clips = confusions.diagonal(0, -2, -1), student_clips(confusions).sum(0)
    weight = np.ones(len(clips)) / clips.sum()
    if metric == "uar":
        weight = np.divide(1 / np.count_nonzero(clips), clips, out=np.zeros(len(clips)), where=clips > 0)
    return hits @ weight


def permutation_p(a: np.ndarray, b: np.ndarray, swaps: np.ndarray, ranks: np.ndarray) -> float:
    """Two-sided p of the difference of two models' mean scores, swapping their predictions of a student.

    a, b: [replicates, students] of `student_shares`; the numbers of replicates may differ. swaps: [permutations,
    students] of −1 and 1. ranks: [permutations] of `draw_ranks`.
    """
    of_student = a.mean(0) - b.mean(0)  # no swap changes how many clips a class has, so it turns a student's sign
    chance = swaps @ of_student + seed_noise(a, b, of_student.var() * len(of_student), ranks)
    as_far = np.abs(chance) >= abs(of_student.sum()) - 1e-12
    return float((1 + as_far.sum()) / (1 + len(swaps)))


def seed_noise(a: np.ndarray, b: np.ndarray, of_students: float, ranks: np.ndarray) -> np.ndarray:
    """By how much the difference of two models might change with other seeds, beyond what single students change.

    a, b: [replicates, students] of `student_shares`. of_students: the variance of what the draws, one for each of
    `ranks`, are added to. Their own variance is that of the mean score over replicates, less the part that students
    who change independently of each other explain, as the students' chance holds that already. They follow a t
    distribution: with few seeds this variance is poorly known. Its degrees of freedom are Welch's, of both chances.
    """
    trained = [shares for shares in (a, b) if len(shares) > 1]
    whole = np.array([shares.sum(1).var(ddof=1) / len(shares) for shares in trained])
    explained = sum(shares.var(0, ddof=1).sum() / len(shares) for shares in trained)
    in_common = whole.sum() - explained
    if in_common <= 0:
        return np.zeros(len(ranks))
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
