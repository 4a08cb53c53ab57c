"""Intervals cover the truth, and tests cry wolf, as often as they say: on simulated students of RAER's shape."""

import numpy as np
import pytest

from clip_caer.protocol.evaluation import scores
from clip_caer.statistics.differences import clip_weights, draw_ranks, student_shares, swap_test
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


def draw(random, population, students=STUDENTS):
    """Some students of the population; each class has at least 18 of all of them, and one of fewer."""
    least = FEW_STUDENTS if students == STUDENTS else 1
    while True:
        clips = population[random.integers(len(population), size=students)]
        if ((clips > 0).sum(0) >= least).all():
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


def found(random, clips, replicates, students_differ, seeds_differ, better=0.0, test=swap_test):
    """metric → (low, high, p) of `test`, for two models of students with these clips.

    students_differ, seeds_differ: how much models differ in a student, and seeds of a model in all students alike.
    better: what the first model's logits of the true class have above the second's.
    """
    common, models = random.normal(size=(len(clips), 5, 5)), []
    for bonus in (better * np.eye(5), 0):
        own = common + bonus + students_differ * random.normal(size=(len(clips), 5, 5))
        seeds = seeds_differ * random.normal(size=(replicates, 1, 5, 5))
        models.append(np.concatenate([guess(random, clips, own + of_seed, 1) for of_seed in seeds]))
    swaps, ranks = random.choice([-1.0, 1.0], size=(499, len(clips))), draw_ranks(499, random)
    weights = {metric: clips @ clip_weights(clips, metric) for metric in ("uar", "war")}
    return {
        metric: test(*(student_shares(of, metric) for of in models), weights[metric], swaps, ranks)
        for metric in weights
    }


def claims(population, times, students=STUDENTS, **settings):
    """metric → how often p <= 0.05 for two models that are equally good on average over students and seeds."""
    random, claimed = np.random.default_rng(1), {"uar": 0.0, "war": 0.0}
    for _ in range(times):
        for metric, (low, high, p) in found(random, draw(random, population, students), **settings).items():
            assert (p <= 0.05) == (not low <= 0 <= high), "the interval and the test must say the same"
            claimed[metric] += (p <= 0.05) / times
    return claimed


def test_the_permutation_test_finds_a_difference_where_there_is_none_in_3_5_to_6_5_percent(population):
    claimed = claims(population, 2000, replicates=1, students_differ=0.5, seeds_differ=0)
    assert all(0.035 <= share <= 0.065 for share in claimed.values()), claimed


def swap_test_without_seeds(a, b, *others):
    return swap_test(a.mean(0, keepdims=True), b.mean(0, keepdims=True), *others)


def test_identical_ablations_with_different_seeds_are_not_told_apart(population):
    seeds = {"replicates": 3, "students_differ": 0, "seeds_differ": 0.2}
    naive = claims(population, 200, **seeds, test=swap_test_without_seeds)
    assert min(naive.values()) > 0.15, "these seeds would not fool the permutation of students alone"
    claimed = claims(population, 1000, **seeds)
    assert all(share <= 0.075 for share in claimed.values()), claimed


@pytest.mark.parametrize("students", [3, 5, 8, 12])
def test_few_students_and_seeds_are_not_told_apart_too_often(population, students):
    claimed = claims(population, 500, students, replicates=2, students_differ=0.5, seeds_differ=0.2)
    assert all(share <= (0.075 if students > 5 else 0.02) for share in claimed.values()), claimed


@pytest.mark.parametrize("students", [12, STUDENTS])
def test_intervals_of_differences_cover_the_truth_in_92_to_99_percent(population, students):
    random = np.random.default_rng(3)
    effects, recalls = np.sqrt(1 + 0.5**2 + 0.2**2) * random.normal(size=(100_000, 5, 5)), []
    for bonus in (0.8 * np.eye(5), 0):
        recalls.append(chances(effects + bonus).mean(0).diagonal())
    truth = float(np.mean(recalls[0] - recalls[1]))
    covered = 0.0
    for _ in range(500):
        drawn = draw(random, population, students)
        low, high, _ = found(random, drawn, 3, students_differ=0.5, seeds_differ=0.2, better=0.8)["uar"]
        covered += (low <= truth <= high) / 500
    assert 0.92 <= covered <= 0.99, covered
