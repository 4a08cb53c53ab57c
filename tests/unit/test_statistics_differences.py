"""Paired differences: sign, tests, families, and what cannot be compared."""

import numpy as np
import polars as pl
import pytest
from statsmodels.stats.contingency_tables import mcnemar

from clip_caer.errors import UserError
from clip_caer.protocol.evaluation import uar
from clip_caer.statistics import compare_pairs, interval_table, student_confusions
from clip_caer.statistics.differences import draw_ranks, student_shares, swap_test

CLASSES = ["a", "b", "c"]


def predictions(rate, seeds, students=20, random_seed=0):
    """Out of 12 clips a student, `rate` are right."""
    random = np.random.default_rng([random_seed, seeds])
    clips = pl.DataFrame({"student": np.repeat(np.arange(students), 12), "clip": np.tile(np.arange(12), students)})
    clips = clips.select(
        clip_id=pl.format("{}-{}", "student", "clip"),
        subject=pl.format("s{}", "student"),
        label=pl.Series([CLASSES[clip % 3] for clip in clips["clip"]]),
    )
    wrong = clips["label"].replace_strict(dict(zip(CLASSES, "bca", strict=True)))
    return pl.concat(
        clips.with_columns(
            predicted=pl.Series(np.where(random.random(len(clips)) < rate, clips["label"], wrong)),
            seed=pl.lit(seed),
        )
        for seed in range(seeds)
    )


def compare(tables, **settings):
    pairs = compare_pairs({("k", model): table for model, table in tables.items()}, CLASSES, **settings)
    return {(row["a"], row["b"], row["metric"]): row for row in pairs.iter_rows(named=True)}


def test_a_real_difference_is_found_and_points_from_a_to_b():
    tables = {"good": predictions(0.8, seeds=3), "bad": predictions(0.5, seeds=2)}
    row = compare(tables)["good", "bad", "uar"]
    scores = [interval_table(tables[name], CLASSES, 50).filter(metric="uar")["value"].item() for name in tables]
    assert row["difference"] == pytest.approx(scores[0] - scores[1])
    assert 0 < row["low"] < row["difference"] < row["high"]
    assert row["p"] == row["p_holm"] < 0.01
    turned = compare(dict(reversed(tables.items())))["bad", "good", "uar"]
    assert turned["difference"] == pytest.approx(-row["difference"])
    assert turned["p"] == pytest.approx(row["p"], abs=1e-3)


def test_a_model_does_not_differ_from_itself():
    row = compare({"one": predictions(0.6, seeds=2), "same": predictions(0.6, seeds=2)})["one", "same", "war"]
    assert (row["difference"], row["low"], row["high"]) == (0, 0, 0)
    assert (row["p"], row["mcnemar_p"]) == (1, 1)


def test_holm_corrects_all_pairs_of_a_protocol_and_score():
    tables = {
        "x": predictions(0.8, 1),
        "y": predictions(0.65, 1, random_seed=1),
        "z": predictions(0.6, 1, random_seed=2),
    }
    pooled = {(protocol, model): table for protocol in "ko" for model, table in tables.items()}
    for _, family in compare_pairs(pooled, CLASSES).group_by("protocol", "metric"):
        p = family.sort("p")["p"].to_numpy()
        holm = np.minimum(np.maximum.accumulate(p * [3, 2, 1]), 1)
        np.testing.assert_allclose(family.sort("p")["p_holm"].to_numpy(), holm)


def test_a_pair_does_not_depend_on_other_models():
    x, y, z = (predictions(rate, 2, random_seed=number) for number, rate in enumerate((0.7, 0.6, 0.5)))
    alone, beside = compare({"x": x, "z": z})["x", "z", "uar"], compare({"x": x, "y": y, "z": z})["x", "z", "uar"]
    assert {**alone, "p_holm": None} == {**beside, "p_holm": None}


def test_mcnemar_is_of_the_first_replicates():
    tables = {"x": predictions(0.8, 3), "y": predictions(0.6, 1)}
    row = compare(tables, permutations=100)["x", "y", "war"]
    right = [(of := table.filter(seed=0).sort("clip_id"))["label"] == of["predicted"] for table in tables.values()]
    counts = [[(right[0] & right[1]).sum(), (right[0] & ~right[1]).sum()], [(~right[0] & right[1]).sum(), 0]]
    assert row["mcnemar_p"] == pytest.approx(mcnemar(counts, exact=True).pvalue)
    assert compare(tables, permutations=100)["x", "y", "uar"]["mcnemar_p"] is None


def test_seeds_that_scatter_widen_the_interval_and_weaken_the_test():
    """The mean is that of the steady model; but one lucky seed lifts every student."""
    steady, reference = [predictions(rate, 1, random_seed=number) for number, rate in enumerate((0.8, 0.5))]
    right, wrong = (predictions(rate, 1) for rate in (1.0, 0.3))
    scattered = pl.concat(
        of.with_columns(seed=pl.lit(seed, pl.Int32)) for seed, of in enumerate([right, right, wrong, right, wrong])
    )
    of_steady, of_scattered = (
        compare({"x": x, "y": reference.with_columns(pl.col("seed").cast(pl.Int32))})["x", "y", "war"]
        for x in (steady, scattered)
    )
    assert of_steady["p"] < 0.001 < 0.05 < of_scattered["p"]
    assert of_steady["low"] > 0 > of_scattered["low"]


def test_no_difference_is_larger_than_that_of_all_and_nothing():
    lucky = pl.concat([predictions(1.0, 1), predictions(0.2, 1).with_columns(seed=pl.lit(1))])  # one seed of two
    row = compare({"lucky": lucky, "none": predictions(0.0, 1)})["lucky", "none", "uar"]
    assert -1 <= row["low"] < row["difference"] < row["high"] == 1


def test_the_interval_is_what_the_test_does_not_reject():
    """Moved by an end of its interval, the difference is just not rejected; moved a little further, it is."""
    random, swaps = np.random.default_rng(0), np.random.default_rng(1).choice([-1.0, 1.0], size=(999, 12))
    weights, ranks = np.full(12, 1 / 12), draw_ranks(999, np.random.default_rng(2))
    a, b = random.normal(0.05, 0.02, (3, 12)), random.normal(0.03, 0.02, (2, 12))
    low, high, _ = swap_test(a, b, weights, swaps, ranks)
    for end, outwards in ((low, -1e-6), (high, 1e-6)):
        *_, p = swap_test(a - (end - outwards) * weights, b, weights, swaps, ranks)
        *_, beyond = swap_test(a - (end + outwards) * weights, b, weights, swaps, ranks)
        assert beyond <= 0.05 < p


def test_interval_and_p_agree_where_few_students_have_what_differs():
    """Two seeds of three, a difference in 8 students of 24, and 3 with the rarest class."""
    rows = [(f"{s}-{c}", f"s{s:02d}", c) for s in range(24) for c in "abc" if c == "a" or (c == "b" and s < 8) or s < 3]
    clips = pl.DataFrame(rows, schema=["clip_id", "subject", "label"], orient="row")
    right = pl.concat(clips.with_columns(predicted="label", seed=pl.lit(seed)) for seed in range(3))
    missed = pl.col("label").is_in(["b", "c"]) & ~((pl.col("seed") == 1) & (pl.col("subject") < "s02"))
    wrong = right.with_columns(predicted=pl.when(missed).then(pl.lit("a")).otherwise("label"))
    row = compare({"wrong": wrong, "right": right})["wrong", "right", "uar"]
    assert row["p"] < 0.05
    assert -1 < row["low"] < row["difference"] < row["high"] < 0


def test_of_five_students_nothing_can_be_said():
    row = compare({"x": predictions(1.0, 1, students=5), "y": predictions(0.0, 1, students=5)})["x", "y", "uar"]
    assert row["p"] > 0.05
    assert (row["low"], row["high"]) == (-1, 1)


def test_the_shares_of_the_students_sum_to_the_score():
    confusions = student_confusions(predictions(0.6, 2, students=4).filter(pl.col("clip_id") != "0-0"), CLASSES)
    np.testing.assert_allclose(student_shares(confusions, "uar").sum(1), uar(confusions.sum(1)))


def test_models_of_other_clips_are_refused():
    table = predictions(0.5, 1)
    relabelled = table.with_columns(label=pl.when(pl.col("clip_id") == "3-3").then(pl.lit("b")).otherwise("label"))
    with pytest.raises(UserError, match="x and z differ in 1 clips: 3-3"):
        compare({"x": table, "y": table, "z": relabelled})
    with pytest.raises(UserError, match="x and y differ in 12 clips"):
        compare({"x": table, "y": table.filter(pl.col("subject") != "s7")})


def test_one_model_has_no_pairs():
    assert compare({"x": predictions(0.5, 1)}) == {}
