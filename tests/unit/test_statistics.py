"""Replicates and intervals of prediction tables."""

import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from clip_caer.errors import UserError
from clip_caer.protocol.evaluation import confusion_of
from clip_caer.statistics import interval_table, rarest, student_confusions
from clip_caer.statistics.intervals import draw_students, tail

CLASSES = ["a", "b", "c"]


def predictions(hit_rate_of_student, seeds=2, each=10):
    random = np.random.default_rng(1)
    rows = []
    for student, rate in enumerate(hit_rate_of_student):
        for clip in range(each):
            label = CLASSES[clip % 3]
            for seed in range(seeds):
                predicted = label if random.random() < rate else CLASSES[(clip + 1) % 3]
                rows.append((f"{student}-{clip}", f"s{student:02d}", label, predicted, seed))
    return pl.DataFrame(rows, schema=["clip_id", "subject", "label", "predicted", "seed"], orient="row")


def by_metric(table):
    return {row["metric"]: row for row in table.iter_rows(named=True)}


def test_confusions_are_those_of_each_replicate_and_student():
    table = predictions([0.2, 0.9, 0.5])
    repeats = pl.concat([table.with_columns(repeat=pl.lit(repeat)) for repeat in (2, 1)])
    repeats = repeats.with_columns(
        predicted=pl.when(pl.col("repeat") == 2).then(pl.lit("a")).otherwise("predicted")
    ).sample(fraction=1, shuffle=True, seed=0)
    found = student_confusions(repeats, CLASSES)
    assert found.shape == (4, 3, 3, 3)
    for replicate, (repeat, seed) in enumerate([(1, 0), (1, 1), (2, 0), (2, 1)]):
        for student in range(3):
            rows = repeats.filter(repeat=repeat, seed=seed, subject=f"s{student:02d}")
            np.testing.assert_array_equal(found[replicate, student], confusion_of(rows, CLASSES))


def test_a_table_without_repeats_has_one():
    table = predictions([0.5, 0.5])
    same = student_confusions(table.with_columns(repeat=pl.lit(1)), CLASSES)
    np.testing.assert_array_equal(student_confusions(table, CLASSES), same)


def test_a_table_that_cannot_be_scored_says_all_that_is_wrong():
    table = predictions([0.5, 0.5])
    broken = pl.concat([table.filter(~((pl.col("seed") == 1) & (pl.col("clip_id") == "0-0"))), table[:1]])
    broken = broken.with_columns(predicted=pl.when(pl.col("clip_id") == "1-1").then(pl.lit("z")).otherwise("predicted"))
    with pytest.raises(UserError) as told:
        interval_table(broken, CLASSES)
    assert all(
        part in str(told.value) for part in ("'z' is not one of", "seed 0: 21 rows of 20", "seed 1: 19 rows of 19")
    )


def test_intervals_hold_the_value_and_count_what_they_are_measured_on():
    rows = by_metric(interval_table(predictions([0.7] * 20), CLASSES, resamples=500))
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows.values())
    assert (rows["uar"]["clips"], rows["uar"]["subjects"], rows["uar"]["seeds"]) == (200, 20, 2)
    assert (rows["recall/a"]["clips"], rows["recall/a"]["subjects"]) == (80, 20)
    assert not any(row["few_students"] for row in rows.values())


def test_students_that_differ_make_the_interval_wider_than_clips_would():
    def width(rates):
        row = by_metric(interval_table(predictions(rates), CLASSES, resamples=500))["war"]
        return row["high"] - row["low"]

    assert width([1.0] * 6 + [0.2] * 6) > 1.5 * width([0.6] * 12)


def test_the_value_is_the_mean_over_seeds_with_their_deviation():
    table = predictions([0.5] * 5, seeds=3)
    each = [(of.filter(pl.col("label") == pl.col("predicted")).height / of.height) for _, of in table.group_by("seed")]
    row = by_metric(interval_table(table, CLASSES, resamples=100))["war"]
    assert (row["value"], row["sd"]) == pytest.approx((np.mean(each), np.std(each, ddof=1)))
    assert by_metric(interval_table(table.filter(seed=0), CLASSES, resamples=100))["war"]["sd"] is None


def without_c_but_for(students, table):
    return table.filter((pl.col("label") != "c") | (pl.col("subject") < f"s{students:02d}"))


def test_a_class_of_few_students_marks_the_scores_that_need_it():
    rows = by_metric(interval_table(without_c_but_for(17, predictions([0.7] * 20)), CLASSES, resamples=100))
    marked = {metric for metric, row in rows.items() if row["few_students"]}
    assert marked == {"uar", "macro_f1", "recall/c"}


def test_no_resample_loses_a_class_of_few_students():
    clips = np.array([[3, 0, 0]] * 30 + [[2, 1, 0]] * 3 + [[2, 0, 2]] + [[1, 1, 1]])
    drawn = draw_students(clips, 500, np.random.default_rng(0))
    assert ((drawn @ clips) > 0).all()
    assert (drawn.sum(1) == len(clips)).all()


def test_a_class_without_clips_has_no_interval():
    row = by_metric(interval_table(predictions([0.7] * 20).filter(pl.col("label") != "c"), CLASSES, resamples=50))
    assert np.isnan([row["recall/c"][name] for name in ("value", "low", "high")]).all()
    assert row["recall/c"]["clips"] == 0
    assert row["uar"]["low"] < row["uar"]["value"] < row["uar"]["high"]
    assert not row["uar"]["few_students"]


def test_never_wrong_is_not_certain():
    rows = by_metric(interval_table(predictions([1.0] * 20), CLASSES, resamples=50))
    assert rows["recall/a"]["low"] == pytest.approx(0.025 ** (1 / 20))
    assert rows["uar"]["low"] == pytest.approx(1 - (1 - 0.025 ** (1 / 20)) / 3)
    assert rows["uar"]["high"] == 1
    always_a = predictions([1.0] * 20).with_columns(predicted=pl.lit("a"))
    rows = by_metric(interval_table(always_a, CLASSES, resamples=50))
    assert rows["recall/b"]["low"] == 0 < rows["recall/b"]["high"]
    assert rows["uar"]["low"] == pytest.approx(rows["uar"]["high"]), "a third by construction, whoever the students are"


def test_a_seed_that_is_always_right_and_one_that_never_is_are_not_certain_of_a_half():
    table = predictions([1.0] * 8, seeds=2).with_columns(
        predicted=pl.when(pl.col("seed") == 0).then(pl.lit("a")).otherwise("label")
    )
    row = by_metric(interval_table(table, CLASSES, resamples=50))["recall/b"]
    reach = 1 - 0.025 ** (1 / 8)
    assert (row["value"], row["low"], row["high"]) == pytest.approx((0.5, 0.5 - reach / 2, 0.5 + reach / 2))


def test_few_students_who_are_always_or_never_right_leave_uar_uncertain():
    """No resample differs from another, and yet three students of each class are three students."""
    never_c = predictions([1.0] * 3).with_columns(
        predicted=pl.when(pl.col("label") == "c").then(pl.lit("a")).otherwise("label")
    )
    row = by_metric(interval_table(never_c, CLASSES, resamples=200))["uar"]
    assert row["low"] < 2 / 3 - 0.1
    assert row["high"] > 2 / 3 + 0.1


def test_war_is_resampled_over_all_students_however_few_have_a_class():
    """Each student has a class of which few students have clips: strata of their own would leave nothing to vary."""
    table = predictions([1.0, 0.2, 0.6]).with_columns(
        label=pl.col("subject").replace_strict({"s00": "a", "s01": "b", "s02": "c"})
    )
    row = by_metric(interval_table(table, CLASSES, resamples=200))["war"]
    assert row["low"] + 0.05 < row["value"] < row["high"] - 0.05


def test_one_student_tells_nothing_of_others():
    rows = by_metric(interval_table(predictions([0.7]), CLASSES, resamples=50))
    assert all((row["low"], row["high"]) == (0, 1) for name, row in rows.items() if 0 < row["value"] < 1), rows


def test_fewer_students_leave_less_beyond_the_ends():
    assert tail(1e9) == pytest.approx(0.025)
    assert tail(18) == pytest.approx(0.0150, abs=1e-4)
    assert tail(1) == 0


def test_equal_input_gives_an_equal_table():
    table = predictions([0.3, 0.6, 0.8])
    shuffled = table.sample(fraction=1, shuffle=True, seed=3)
    assert interval_table(table, CLASSES, 200).equals(interval_table(shuffled, CLASSES, 200))


def test_the_rarest_class_and_what_one_clip_of_it_weighs():
    found = rarest(without_c_but_for(2, predictions([0.7] * 20)), CLASSES)
    assert found[:3] == ("c", 6, 2)
    assert found.step == pytest.approx(1 / 18)
    assert found.coarse
    assert not rarest(predictions([0.7] * 20), CLASSES).coarse


def test_a_notebook_needs_no_torch():
    heavy = "import sys, clip_caer.statistics; print({'torch', 'statsmodels', 'matplotlib'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True).stdout.strip() == "set()"
