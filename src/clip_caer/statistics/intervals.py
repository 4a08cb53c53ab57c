"""95 % intervals for scores: a bootstrap over students.

The clips of one student are alike, so students, not clips, are what could have been otherwise. All replicates see the
same resample; the interval says how a score would vary with other students, not with other seeds (for those there is
the standard deviation over replicates, and `differences` adds them to its intervals).

Plain percentile intervals are too narrow where few students have a class: 91–93 % for the recall of a class of 18
students. So the percentiles are moved outwards as a t interval is wider than a normal one, for as many students as
effectively carry the score (the expanded percentile interval: T. Hesterberg, What Teachers Should Know About the
Bootstrap, The American Statistician 69, 2015; L. Kish, Survey Sampling, 1965, for the effective number).

Where few students have a class, a bootstrap of UAR hardly varies, or not at all. There its interval is at least as wide
as those of the recalls make it (G. Y. Zou and A. Donner, Construction of Confidence Limits about Effect Measures,
Statistics in Medicine 27, 2008). One student tells nothing of others: the interval is 0–1.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from scipy.special import ndtr, stdtrit

from clip_caer.protocol.evaluation import recall, scores, war
from clip_caer.statistics.replicates import student_confusions

FEW_STUDENTS = 18  # with fewer students in a class the coverage of an interval that needs it is not known to be 93–97 %
LEVEL = 0.95


def interval_table(
    predictions: pl.DataFrame, classes: Sequence[str], resamples: int = 2000, seed: int = 0
) -> pl.DataFrame:
    """Every score with its interval: metric, value, low, high, sd, clips, subjects, seeds, few_students.

    sd: over replicates; null with one. clips, subjects: what the score is measured on: for a recall, those of its
    class. seeds: the number of replicates. few_students: the interval cannot be trusted, because a class that the score
    needs has fewer than `FEW_STUDENTS` students. The recall of a class without clips is NaN. Values in 0–1.
    Raises UserError where the table cannot be scored.
    """
    confusions = student_confusions(predictions, classes)
    value = scores(confusions.sum(1), classes)
    found = intervals(confusions, classes, resamples, np.random.default_rng(seed))
    clips = student_clips(confusions)
    rows = []
    for metric, (low, high) in found.items():
        measured = clips[:, [name == metric.removeprefix("recall/") for name in classes]] if "/" in metric else clips
        needed = measured.sum(1, keepdims=True) if metric == "war" else measured
        rows.append(
            {
                "metric": metric,
                "value": float(value[metric].mean()),
                "low": low,
                "high": high,
                "sd": float(value[metric].std(ddof=1)) if len(confusions) > 1 else None,
                "clips": int(measured.sum()),
                "subjects": int((measured.sum(1) > 0).sum()),
                "seeds": len(confusions),
                "few_students": bool(_in_classes(needed).min(initial=FEW_STUDENTS) < FEW_STUDENTS),
            }
        )
    return pl.DataFrame(rows, schema_overrides={"sd": pl.Float64})


def intervals(
    confusions: np.ndarray, classes: Sequence[str], resamples: int, random: np.random.Generator
) -> dict[str, tuple[float, float]]:
    """metric → (low, high) of every score, from confusion counts [replicates, students, K, K]."""
    clips = student_clips(confusions)
    resampled = scores(resample(draw_students(clips, resamples, random), confusions), classes)
    resampled["war"] = war(resample(_draw(np.ones(len(clips), bool), resamples, random), confusions))
    for k, name in enumerate(classes):
        if (has := clips[:, k] > 0).any():
            resampled[f"recall/{name}"] = recall(resample(_draw(has, resamples, random), confusions))[..., k]
    students, values = effective_students(clips, classes), scores(confusions.sum(1), classes)
    found = {}
    for metric, of_replicates in values.items():
        if ((of_replicates > 0) & (of_replicates < 1)).any():
            found[metric] = _between(resampled[metric].mean(1), students[metric])
        else:
            found[metric] = _at_the_ends(metric, of_replicates, students)
    if _in_classes(clips).min() < FEW_STUDENTS and np.count_nonzero(confusions.sum((0, 1, 2))) > 1:
        found["uar"] = _as_wide_as_recalls(found, {metric: float(of.mean()) for metric, of in values.items()})
    return found


def _in_classes(clips: np.ndarray) -> np.ndarray:
    """How many students each class has that has any, from clips [students, K]."""
    students = (clips > 0).sum(0)
    return students[students > 0]


def resample(drawn: np.ndarray, confusions: np.ndarray) -> np.ndarray:
    """Confusion counts [resamples, replicates, K, K] of students drawn so often [resamples, students]."""
    return np.einsum("rn,snij->rsij", drawn, confusions, optimize=True)


def student_clips(confusions: np.ndarray) -> np.ndarray:
    """How many clips of each class a student has, [students, K]; the same in every replicate."""
    return confusions[0].sum(-1)


def draw_students(clips: np.ndarray, resamples: int, random: np.random.Generator) -> np.ndarray:
    """How often each student stands in each resample, float64 [resamples, students], from clips [students, K].

    Students are drawn with replacement. Where fewer than `FEW_STUDENTS` have a class, they are drawn within strata, the
    students of each such class and all others, so that no resample loses it. (Who has several such classes counts for
    the rarest.)
    """
    has = clips > 0
    stratum = np.full(len(clips), -1)
    for k in np.argsort(-has.sum(0), kind="stable"):  # the rarest class has the last word
        if has[:, k].sum() < FEW_STUDENTS:
            stratum[has[:, k]] = k
    drawn = np.empty((resamples, len(clips)))
    for members in (np.flatnonzero(stratum == each) for each in np.unique(stratum)):
        drawn[:, members] = random.multinomial(len(members), np.full(len(members), 1 / len(members)), size=resamples)
    return drawn


def _draw(members: np.ndarray, resamples: int, random: np.random.Generator) -> np.ndarray:
    """As `draw_students`, of these students alone, bool [students]: the others are in no resample."""
    return random.multinomial(members.sum(), members / members.sum(), size=resamples).astype(float)


def effective_students(clips: np.ndarray, classes: Sequence[str]) -> dict[str, float]:
    """metric → how many students with equally many clips would tell as much, from clips [students, K].

    A recall rests on the students of its class; UAR on as many as, standing in every class, would give the sum of the
    recalls the same variance: their harmonic mean. WAR rests on all students; so does macro F1, which also counts the
    false alarms of everybody. NaN without clips.
    """
    everybody = _effective(clips.sum(1))
    of_class = np.array([_effective(of) for of in clips.T])
    return {
        "uar": float(1 / np.nanmean(1 / of_class)),
        "war": everybody,
        "macro_f1": everybody,
        **{f"recall/{name}": float(of_class[k]) for k, name in enumerate(classes)},
    }


def _effective(clips: np.ndarray) -> float:
    return float(clips.sum() ** 2 / (clips**2).sum()) if clips.any() else np.nan


def tail(students: float) -> float:
    """The share of the resamples beyond either end of an interval that rests on so many effective students."""
    if students <= 1:
        return 0.0
    return float(ndtr(stdtrit(students - 1, (1 - LEVEL) / 2) * np.sqrt(students / (students - 1))))


def _between(resampled: np.ndarray, students: float) -> tuple[float, float]:
    if students < 1 + 1e-9:
        return 0.0, 1.0
    low, high = np.nanquantile(resampled, [tail(students), 1 - tail(students)])
    return float(low), float(high)


def _as_wide_as_recalls(found: dict[str, tuple[float, float]], values: dict[str, float]) -> tuple[float, float]:
    """UAR's interval, at least as wide as independent recalls with their intervals make it."""
    ends = [(*found[name], value) for name, value in values.items() if name.startswith("recall/") and value == value]
    below = np.linalg.norm([value - low for low, _, value in ends]) / len(ends)
    above = np.linalg.norm([high - value for _, high, value in ends]) / len(ends)
    low, high = found["uar"]
    return float(max(0, min(low, values["uar"] - below))), float(min(1, max(high, values["uar"] + above)))


def _at_the_ends(metric: str, of_replicates: np.ndarray, students: dict[str, float]) -> tuple[float, float]:
    """The interval of a score that is 0 or 1 in each replicate, where all resamples are alike.

    It is the mean of the exact binomial ones, a student a trial. UAR could be as far off as its class with the fewest
    students makes it. NaN for the recall of a class without clips.
    """
    of_recalls = [of for name, of in students.items() if name.startswith("recall/")]
    trials, parts = (np.nanmin(of_recalls), np.isfinite(of_recalls).sum()) if metric == "uar" else (students[metric], 1)
    reach = (1 - ((1 - LEVEL) / 2) ** (1 / trials)) / parts
    never = of_replicates == 0
    low, high = np.where(never, 0, of_replicates - reach), np.where(never, reach, of_replicates)
    return float(low.mean()), float(high.mean())
