"""Splits keep students apart, and say so when they cannot."""

import numpy as np
import polars as pl
import pytest

from clip_caer.errors import UserError
from clip_caer.splits import make_splits, protocol_of, split_names


def sheet(students=20, each=8, roles=True):
    random = np.random.default_rng(0)
    n = students * each
    return pl.DataFrame(
        {
            "clip_id": [f"c{i:03}" for i in range(n)],
            "subject": [f"s{i // each}" for i in range(n)],
            "label": random.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1]),
            "role": random.choice(["train", "test"], n, p=[0.8, 0.2]) if roles else [None] * n,
        },
        schema_overrides={"role": pl.String},
    )


def students(clips, split, role):
    return set(clips.join(split.filter(role=role), on="clip_id", how="semi")["subject"])


def test_names_are_known_from_the_config_alone():
    assert split_names({"official": {"seed": 0}, "subject_kfold": {"folds": 2, "seed": 1}}) == [
        "official",
        "subject_kfold-1",
        "subject_kfold-2",
    ]
    assert [protocol_of(name) for name in ("official", "subject_kfold-2")] == ["official", "subject_kfold"]


def test_no_student_stands_in_two_roles_and_every_clip_is_tested_once():
    clips = sheet()
    splits = make_splits(clips, {"subject_kfold": {"folds": 4, "seed": 1}})
    tested = []
    for split in splits.values():
        assert split["clip_id"].to_list() == clips["clip_id"].to_list()
        roles = [students(clips, split, role) for role in ("train", "val", "test")]
        assert all(roles)
        assert not roles[0] & roles[1] and not roles[0] & roles[2] and not roles[1] & roles[2]
        tested += split.filter(role="test")["clip_id"].to_list()
    assert sorted(tested) == clips["clip_id"].to_list()


def test_classes_are_dealt_alike():
    clips = sheet(students=40)
    splits = make_splits(clips, {"subject_kfold": {"folds": 4, "seed": 1}})
    share = [
        clips.join(split.filter(role="test"), on="clip_id", how="semi")["label"].eq("a").mean()
        for split in splits.values()
    ]
    assert max(share) - min(share) < 0.1


def test_official_keeps_the_test_list_and_takes_validation_students_out_of_train():
    clips = sheet()
    (split,) = make_splits(clips, {"official": {}}).values()
    assert split.filter(role="test")["clip_id"].to_list() == clips.filter(role="test")["clip_id"].to_list()
    assert students(clips, split, "val")
    assert not students(clips, split, "val") & students(clips, split, "train")


def test_official_with_a_given_validation_list_is_taken_as_it_is():
    clips = sheet().with_columns(role=pl.Series(["train", "val", "test", "train"] * 40))
    (split,) = make_splits(clips, {"official": {}}).values()
    assert split["role"].to_list() == clips["role"].to_list()


def test_the_seed_deals_anew():
    deal = [make_splits(sheet(), {"subject_kfold": {"folds": 4, "seed": s}})["subject_kfold-1"] for s in (1, 1, 2)]
    assert deal[0].equals(deal[1])
    assert not deal[0].equals(deal[2])


def test_more_folds_than_students_is_told():
    with pytest.raises(UserError, match=r"3 student.*4 folds"):
        make_splits(sheet(students=3), {"subject_kfold": {"folds": 4, "seed": 0}})


def test_official_without_lists_is_told():
    with pytest.raises(UserError, match="column `split`"):
        make_splits(sheet(roles=False), {"official": {}})


def test_classes_with_one_clip_each_can_still_be_dealt():
    clips = sheet(students=6, each=2).with_columns(label=pl.Series([f"l{i}" for i in range(12)]))
    assert len(make_splits(clips, {"subject_kfold": {"folds": 3, "seed": 0}})) == 3
