"""What runs again after a change of the dataset: the shards with changed clips, and what follows from them."""

import os

import pytest

from clip_caer.dataset.index import shard_of
from clips import draw_frames, write_video
from experiments import SHEET, write_sheet

USABLE = "results/index/usable.parquet"  # the last file before clips are dealt into splits
PER_SHARD = {"frames", "faces", "features"}


def test_an_added_clip_dirties_one_shard(experiment):
    clip = {"video": "room 3/new.mp4", "label": "keen", "subject": "s7", "setting": "home", "split": "train"}
    write_video(experiment.folder / "data" / clip["video"], draw_frames())
    write_sheet(experiment.folder / "data", [*SHEET, clip])

    outcome = experiment.run(USABLE)

    shard = str(shard_of("room 3/new", 2))
    assert [outcome.values(rule, "shard") for rule in PER_SHARD] == [{shard}] * 3
    assert outcome.values("features", "view") == {"face", "context"}
    assert "room 3/new" in experiment.table("index/usable.parquet")["clip_id"]


def test_a_video_with_other_content_reruns_its_shard(experiment):
    write_video(experiment.folder / "data/room 1/1.mp4", draw_frames(9, seed=99))
    experiment.run("results/index/clips.parquet")

    plan = experiment.plan()

    shard = str(shard_of("room 1/1", 2))
    assert [plan.values(rule, "shard") for rule in PER_SHARD] == [{shard}] * 3
    assert "train" in plan.rules


def test_a_touched_video_costs_one_look_at_the_dataset(experiment):
    os.utime(experiment.folder / "data/room 1/1.mp4")

    assert experiment.run("results/summary/comparison.md").rules == {"index"}


@pytest.mark.parametrize("column", ["label", "subject"])
def test_a_corrected_line_of_the_sheet_costs_no_feature(experiment, column):
    other = {"label": "keen", "subject": "s2"}
    write_sheet(experiment.folder / "data", [SHEET[0] | {column: other[column]}, *SHEET[1:]])

    assert not experiment.run(USABLE).rules & PER_SHARD


def test_more_tolerance_for_damage_costs_no_feature(experiment):
    experiment.configure(dataset={"max_damaged": 0.5})

    assert not experiment.run(USABLE).rules & PER_SHARD


def test_files_beside_the_sheet_that_it_does_not_name_rerun_nothing(experiment):
    (experiment.folder / "data/notes.txt").write_text("not a clip")
    write_video(experiment.folder / "data/room 1/not listed.mp4", draw_frames())

    assert experiment.plan().rules == set()
