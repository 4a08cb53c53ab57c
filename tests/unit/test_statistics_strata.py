"""Scores within strata."""

import polars as pl
import pytest

from clip_caer.statistics import strata_table

CLASSES = ["b", "a"]
CLIPS = pl.DataFrame(
    {
        "clip_id": ["1", "2", "3", "4"],
        "subject": ["s", "s", "t", "t"],
        "setting": ["library", "library", "dormitory", None],
        "label": ["b", "a", "a", "a"],
    }
)
SEEDS = pl.concat(
    CLIPS.with_columns(predicted=pl.Series(predicted), seed=pl.lit(seed))
    for seed, predicted in enumerate([["b", "a", "a", "b"], ["b", "b", "a", "b"]])
)
FACES = pl.DataFrame({"clip_id": ["1", "2", "3", "4", "5"], "frames": [4, 4, 4, 0, 4], "found": [4, 2, 0, 0, 4]})


def levels(stratum, faces=None, predictions=SEEDS):
    table = strata_table({("k", "m"): predictions}, CLASSES, faces).filter(stratum=stratum)
    return {
        row["level"]: (row["uar"], row["war"], row["clips"], row["subjects"]) for row in table.iter_rows(named=True)
    }


def test_scores_are_means_over_seeds_over_the_classes_a_level_has():
    assert levels("subject") == {"s": (0.75, 0.75, 2, 1), "t": (0.5, 0.5, 2, 1)}
    assert levels("class") == {"b": (1, 1, 1, 1), "a": pytest.approx((0.5, 0.5, 3, 2))}
    assert list(levels("class")) == CLASSES, "classes in their own order"


def test_clips_without_a_setting_are_left_out():
    assert levels("setting") == {"dormitory": (1, 1, 1, 1), "library": (0.75, 0.75, 2, 1)}
    unknown = SEEDS.with_columns(setting=pl.lit(None))
    assert levels("setting", predictions=unknown) == {}


def test_clips_are_grouped_by_how_often_the_face_was_found():
    assert levels("face_rate", FACES) == {"none": (1, 1, 1, 1), "up to half": (0.5, 0.5, 1, 1), "all": (1, 1, 1, 1)}
    assert levels("face_rate") == {}


def test_each_frame_counts_with_the_prediction_of_its_clip():
    found = levels("frames", FACES)
    assert found["with a face"] == pytest.approx(
        (0.75, (6 / 6 + 4 / 6) / 2, 2, 1)
    )  # 4 of b right, 2 of a half the time
    assert found["without a face"] == pytest.approx((5 / 6, 5 / 6, 2, 2))


def test_a_row_for_every_model():
    table = strata_table({("k", "m"): SEEDS, ("o", "n"): SEEDS}, CLASSES)
    assert table.select("protocol", "model").unique(maintain_order=True).rows() == [("k", "m"), ("o", "n")]
