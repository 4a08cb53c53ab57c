"""Intervals cover the truth, and tests cry wolf, as often as they say: on simulated students of RAER's shape."""

import numpy as np
import pytest

from clip_caer.evaluation import scores
from clip_caer.statistics.differences import draw_ranks, permutation_p, student_shares
from clip_caer.statistics.intervals import FEW_STUDENTS, intervals

CLASSES = ["neutrality", "enjoyment", "confusion", "fatigue", "distraction"]
STUDENTS = 141
HAVE = np.array([1, 0.32, 0.17, 0.36, 0.64])  # the share of students with a clip of the class
MEAN = np.array([12.3, 3.6, 1.9, 3.9, 5.9])  # clips of such a student; of all students 1748, 168, 45, 195, 533
LOGITS = np.log(  # of the true class (a row), for the average student
    [
        [0.74, 0.05, 0.02, 0.05, 0.14],
        [0.2, 0.7, 0.02, 0.03, 0.05],
        [0.35, 0.05, 0.4, 0.05, 0.15],
        [0.2, 0.02, 0.03, 0.6, 0.15],
        [0.3, 0.03, 0.02, 0.1, 0.55],
    ]
)


@pytest.fixture(scope="module")
def population():
    """Clips [students, K] of all students there are, 4–59 each."""
    random = np.random.default_rng(0)
    clips = (random.random((30_000, 5)) < HAVE) * (1 + random.negative_binomial(1.5, 1.5 / (MEAN + 0.5), (30_000, 5)))
    return clips[(clips.sum(1) >= 4) & (clips.sum(1) <= 59)]


def draw(random, population):
    """Some students of the population, at least 18 of them with each class."""
    while True:
        clips = population[random.integers(len(population), size=STUDENTS)]
        if ((clips > 0).sum(0) >= FEW_STUDENTS).all():
            return clips


def chances(effects):
    """How probable each guess is, [..., K, K]; effects are added to the logits."""
    odds = np.exp(LOGITS + effects)
    return odds / odds.sum(-1, keepdims=True)


def guess(random, clips, effects, replicates):
    """Confusions [replicates, students, K, K] of students with their own effects [students, K, K]."""
    return random.multinomial(clips, chances(effects), size=(replicates, *clips.shape)).astype(float)


def test_intervals_cover_the_truth_in_93_to_97_percent(population):
    random = np.random.default_rng(2)
    expected = chances(random.normal(size=(len(population), 5, 5))).mean(0) * population.sum(0)[:, None]
    truth = scores(expected, CLASSES)
    covered = dict.fromkeys(truth, 0.0)
    for _ in range(800):
        confusions = guess(random, draw(random, population), random.normal(size=(STUDENTS, 5, 5)), replicates=1)
        for metric, (low, high) in intervals(confusions, CLASSES, resamples=400, random=random).items():
            covered[metric] += (low <= truth[metric] <= high) / 800
    assert all(0.93 <= share <= 0.97 for share in covered.values()), covered


def claims(population, times, replicates, students_differ, seeds_differ, claim):
    """metric → how often p <= 0.05 for two models that are equally good on average over students and seeds.

    students_differ, seeds_differ: how much models differ in a student, and seeds of a model in all students alike.
    claim: p from the student shares of both, swaps and ranks.
    """
    random = np.random.default_rng(1)
    swaps, ranks = random.choice([-1.0, 1.0], size=(499, STUDENTS)), draw_ranks(499, random)
    found = {"uar": 0.0, "war": 0.0}
    for _ in range(times):
        clips, common, models = draw(random, population), random.normal(size=(STUDENTS, 5, 5)), []
        for _ in range(2):
            own = common + students_differ * random.normal(size=(STUDENTS, 5, 5))
            seeds = seeds_differ * random.normal(size=(replicates, 1, 5, 5))
            models.append(np.concatenate([guess(random, clips, own + of_seed, 1) for of_seed in seeds]))
        for metric in found:
            found[metric] += (claim(*(student_shares(of, metric) for of in models), swaps, ranks) <= 0.05) / times
    return found


def test_the_permutation_test_finds_a_difference_where_there_is_none_in_3_5_to_6_5_percent(population):
    found = claims(population, 2000, replicates=1, students_differ=0.5, seeds_differ=0, claim=permutation_p)
    assert all(0.035 <= share <= 0.065 for share in found.values()), found


def permutation_without_seeds(a, b, swaps, ranks):
    return permutation_p(a.mean(0, keepdims=True), b.mean(0, keepdims=True), swaps, ranks)


def test_identical_ablations_with_different_seeds_are_not_told_apart(population):
    seeds = {"replicates": 3, "students_differ": 0, "seeds_differ": 0.2}
    naive = claims(population, 200, **seeds, claim=permutation_without_seeds)
    assert min(naive.values()) > 0.15, "these seeds would not fool the permutation of students alone"
    found = claims(population, 1000, **seeds, claim=permutation_p)
    assert all(share <= 0.065 for share in found.values()), found
