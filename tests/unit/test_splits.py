"""Splits keep students apart, and say so when they cannot."""

import numpy as np
import polars as pl
import pytest

from clip_caer.errors import UserError
from clip_caer.protocol.splits import make_splits, protocol_of, repeat_of, split_names


def sheet(students=20, each=8, roles=True):
    random = np.random.default_rng(0)
    n = students * each
    return pl.DataFrame(
        {
            "clip_id": [f"c{i:03}" for i in range(n)],
            "subject": [f"s{i // each}" for i in range(n)],
            "setting": [("Library", "Study hall", "Lab")[i // each % 3] for i in range(n)],  # each student in one
            "label": random.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1]),
            "role": random.choice(["train", "test"], n, p=[0.8, 0.2]) if roles else [None] * n,
        },
        schema_overrides={"role": pl.String},
    )


def students(clips, split, role):
    return set(clips.join(split.filter(role=role), on="clip_id", how="semi")["subject"])


def test_names_are_known_from_the_config_alone():
    protocols = {
        "official": {"seed": 0},
        "subject_kfold": {"folds": 2, "seed": 1, "repeats": 2},
        "leave_setting_out": {"settings": ["Library", "Raum 3/4 (Süd)"], "seed": 0},
    }
    names = split_names(protocols)
    assert names == [
        "official",
        "subject_kfold-1",
        "subject_kfold-2",
        "subject_kfold-1-repeat-2",
        "subject_kfold-2-repeat-2",
        "leave_setting_out-Library",
        "leave_setting_out-Raum_3_4__Süd_",
    ]
    assert [protocol_of(name) for name in names] == ["official", *["subject_kfold"] * 4, *["leave_setting_out"] * 2]
    assert [repeat_of(name) for name in names] == [1, 1, 1, 2, 2, 1, 1]


def test_a_setting_cannot_pass_for_a_repeat():
    (name,) = split_names({"leave_setting_out": {"settings": ["1-repeat-2"]}})
    assert repeat_of(name) == 1


def test_settings_with_one_name_for_files_are_told():
    with pytest.raises(UserError, match="'Room 1' and 'Room/1' would both be leave_setting_out-Room_1"):
        split_names({"leave_setting_out": {"settings": ["Room 1", "Library", "Room/1"]}})


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


def test_repeats_deal_anew_and_leave_the_first_as_it_was():
    once, thrice = (make_splits(sheet(), {"subject_kfold": {"folds": 4, "seed": 1} | r}) for r in ({}, {"repeats": 3}))
    assert all(once[name].equals(thrice[name]) for name in once)
    assert len(thrice) == 12
    tested = {}
    for name, split in thrice.items():
        tested.setdefault(repeat_of(name), []).append(frozenset(split.filter(role="test")["clip_id"]))
    assert all(len(frozenset().union(*folds)) == len(sheet()) for folds in tested.values())
    assert len({frozenset(folds) for folds in tested.values()}) == 3


def test_every_student_can_be_a_fold():
    splits = make_splits(sheet(students=5), {"subject_kfold": {"folds": 5, "seed": 0}})
    assert [len(students(sheet(students=5), split, "test")) for split in splits.values()] == [1] * 5


def test_a_train_role_of_one_class_is_told():
    train = pl.when(label="a").then(pl.lit("train"))
    clips = sheet().with_columns(role=train.when(label="b").then(pl.lit("val")).otherwise(pl.lit("test")))
    with pytest.raises(UserError, match=r"(?s)official.*all train clips are of one class"):
        make_splits(clips, {"official": {}})


def test_too_few_students_beside_the_test_fold_is_told():
    with pytest.raises(UserError, match=r"subject_kfold: beside the test students 1 student"):
        make_splits(sheet(students=2), {"subject_kfold": {"folds": 2, "seed": 0}})


def test_validation_has_like_shares_of_classes():
    clips = sheet(students=60)
    for split in make_splits(clips, {"subject_kfold": {"folds": 4, "seed": 1}}).values():
        share = [clips.join(split.filter(role=role), on="clip_id")["label"].eq("c").mean() for role in ("train", "val")]
        assert abs(share[0] - share[1]) < 0.05


def test_official_takes_validation_by_clip_where_train_has_one_student():
    clips = sheet().with_columns(
        role=pl.when(pl.col("subject") == "s0").then(pl.lit("train")).otherwise(pl.lit("test"))
    )
    (split,) = make_splits(clips, {"official": {}}).values()
    assert students(clips, split, "val") == students(clips, split, "train") == {"s0"}
    assert split.filter(role="test")["clip_id"].to_list() == clips.filter(role="test")["clip_id"].to_list()


def test_official_with_a_single_train_clip_is_told():
    clips = sheet().with_columns(role=pl.Series(["train"] + ["test"] * 159))
    with pytest.raises(UserError, match=r"official cannot be used.*\n.*no val clips"):
        make_splits(clips, {"official": {}})


def test_a_setting_left_out_is_the_test_role_and_its_students_are_in_no_other():
    wandering = pl.when(pl.col("clip_id") == "c000").then(pl.lit("Lab")).otherwise(pl.col("setting"))
    clips = sheet().with_columns(setting=wandering)  # c000 to c007 are of s0, a student of the Library
    splits = make_splits(clips, {"leave_setting_out": {"settings": ["Library", "Lab"], "seed": 0}})
    for setting, split in zip(["Library", "Lab"], splits.values(), strict=True):
        test = split.filter(role="test")["clip_id"].to_list()
        assert test == clips.filter(setting=setting)["clip_id"].to_list()
        roles = [students(clips, split, role) for role in ("train", "val", "test")]
        assert all(roles)
        assert not roles[0] & roles[1] and not (roles[0] | roles[1]) & roles[2]
    assert set(clips["clip_id"]) - set(splits["leave_setting_out-Lab"]["clip_id"]) == {f"c00{n}" for n in range(1, 8)}


def test_settings_that_are_not_there_are_all_told():
    clips = sheet().with_columns(setting=pl.when(pl.col("subject") != "s1").then(pl.col("setting")))
    with pytest.raises(UserError) as told:
        make_splits(clips, {"leave_setting_out": {"settings": ["Library", "library", "Garden"], "seed": 0}})
    message = str(told.value)
    assert "'library'" in message and "'Garden'" in message and "'Library'" not in message
    assert "8 of 160 clips have no setting" in message and "Lab, Library, Study hall" in message


def test_a_setting_that_nearly_everybody_knows_cannot_be_left_out():
    clips = sheet().with_columns(setting=pl.Series((["Library"] + ["Lab"] * 7) * 19 + ["Lab"] * 8))
    with pytest.raises(UserError, match="setting 'Library': beside the test students 1 student"):
        make_splits(clips, {"leave_setting_out": {"settings": ["Library"], "seed": 0}})
