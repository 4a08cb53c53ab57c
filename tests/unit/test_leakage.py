"""Leaks are found and named; a clean split has none."""

import io
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from clip_caer.caching.features import FeatureTable, encode_clips
from clip_caer.demo.dataset import draw_clip, plan_clips
from clip_caer.encoder import ImageEncoder, load_clip
from clip_caer.errors import UserError
from clip_caer.protocol.leakage import leakage_tables, leaks_as_text, near_duplicates, shared_students

WIDTH, STUDENTS, EACH = 32, 12, 6
TINY_CLIP = Path(__file__).parents[2] / "workflow/demo/tiny-clip"


def index(**changed):
    """Six clips of each student, all of one setting."""
    ids = [f"s{student:02}/{clip}" for student in range(STUDENTS) for clip in range(EACH)]
    table = pl.DataFrame({"clip_id": ids, "subject": [name[:3] for name in ids], "setting": "Library", "sha256": ids})
    return table.with_columns(**changed)


def split(clips, test=("s00", "s01"), val=("s02",)):
    role = pl.when(pl.col("subject").is_in(test)).then(pl.lit("test"))
    role = role.when(pl.col("subject").is_in(val)).then(pl.lit("val")).otherwise(pl.lit("train"))
    return clips.select("clip_id", role=role)


def features(clips, copies=(), noise=0.2, views=("face", "context"), still=False):
    """Features of clips in which a student looks alike in every clip, and moves otherwise; copies: (copy, original)."""
    random, tables = np.random.default_rng(0), {}
    for view in views:
        look = {student: random.normal(size=WIDTH) for student in clips["subject"].unique(maintain_order=True)}
        frames = {}
        for clip_id, student in clips.select("clip_id", "subject").iter_rows():
            moves = random.normal(size=(random.integers(15, 40), WIDTH)).cumsum(0) * (0 if still else 0.2)
            frames[clip_id] = look[student] + 0.1 * random.normal(size=WIDTH) + moves
        for copy, original in copies:
            frames[copy] = frames[original] + noise * random.normal(size=frames[original].shape)
        rows = torch.from_numpy(np.concatenate(list(frames.values())))
        found = torch.ones(len(rows), dtype=torch.bool)
        sha256 = dict(clips.select("clip_id", "sha256").iter_rows())
        ids = [(clip_id, sha256[clip_id], len(of_clip)) for clip_id, of_clip in frames.items()]
        tables[view] = FeatureTable.of(ids, torch.stack([rows, rows], 1).half(), found, {})
    return tables


def shards(tables, of=1):
    """The tables as caches of so many shards."""
    return {
        view: [partial(table.select, table.clip_ids[number::of]) for number in range(of)]
        for view, table in tables.items()
    }


def row(table, roles):
    return table.filter(roles=roles).row(0, named=True)


def test_a_clean_split_has_no_leak_although_each_student_looks_alike_in_all_clips():
    clips = index()
    splits = {"subject_kfold-1": split(clips)}
    leakage, pairs = leakage_tables(clips, splits, shards(features(clips)))
    assert leakage["roles"].to_list() == ["train-test", "train-val", "val-test"]
    assert leakage.select("students", "clips", "same_files").sum().row(0) == (0, 0, 0)
    assert leakage["settings"].to_list() == [1, 1, 1]
    assert pairs.is_empty()
    assert leaks_as_text(clips, splits, pairs) == []


def test_a_test_clip_copied_into_train_under_another_name_is_found_and_named():
    clips, copies = index(), [("s09/5", "s00/1"), ("s02/3", "s01/0")]
    splits = {"subject_kfold-1": split(clips), "official": split(clips, test=["s04"], val=["s05"])}
    leakage, pairs = leakage_tables(clips, splits, shards(features(clips, copies)))
    first = leakage.filter(split="subject_kfold-1")
    assert first.select("clips", "same_files").rows() == [(1, 0), (0, 0), (1, 0)]
    assert leakage.filter(split="official")["clips"].to_list() == [0, 0, 0]
    assert pairs.select("split", "roles", "clip_a", "clip_b", "subject_a", "subject_b", "same_file").rows() == [
        ("subject_kfold-1", "train-test", "s09/5", "s00/1", "s09", "s00", False),
        ("subject_kfold-1", "val-test", "s02/3", "s01/0", "s02", "s01", False),
    ]
    assert pairs["similarity"].min() > 0.7
    assert leaks_as_text(clips, splits, pairs) == [
        "subject_kfold-1: 1 pair of clips nearly the same in train and test: s09/5 ≈ s00/1; "
        "1 pair of clips nearly the same in val and test: s02/3 ≈ s01/0"
    ]


def test_students_in_two_roles_are_counted_and_named():
    clips = index(subject=pl.col("clip_id").str.slice(0, 3).replace("s05", "s00"))
    official = split(clips).with_columns(
        role=pl.when(pl.col("clip_id") > "s05").then(pl.lit("train")).otherwise("role")
    )
    assert shared_students(clips, official) == ["s00"]
    assert shared_students(clips, official, "train", "val") == []
    leakage, pairs = leakage_tables(clips, {"official": official}, {})
    assert row(leakage, "train-test")["students"] == 1
    (line,) = leaks_as_text(clips, {"official": official}, pairs)
    assert line == "official: 1 of 2 test students also stand in train: s00"


def test_only_the_first_names_are_listed():
    clips = index(subject=pl.col("clip_id").str.slice(4))  # every student has a clip in every role
    (line,) = leaks_as_text(clips, {"x": split(index())}, leakage_tables(clips, {"x": split(index())}, {})[1], most=2)
    assert "6 of 6 test students also stand in train: 0, 1, …; 6 of 6 val students" in line


def test_equal_files_are_told_with_and_without_features():
    clips = index(sha256=pl.col("clip_id").replace("s09/5", "s00/1"))
    for tables, alike in ((features(clips), 1), ({}, None)):
        leakage, pairs = leakage_tables(clips, {"x": split(clips)}, shards(tables))
        assert (row(leakage, "train-test")["clips"], row(leakage, "train-test")["same_files"]) == (alike, 1)
        assert pairs.select("clip_a", "clip_b", "similarity", "same_file").rows() == [("s09/5", "s00/1", 1.0, True)]


def test_clips_in_no_role_do_not_count():
    clips = index()
    left_out = split(clips).filter(pl.col("clip_id") != "s09/5")
    leakage, pairs = leakage_tables(clips, {"x": left_out}, shards(features(clips, [("s09/5", "s00/1")])))
    assert pairs.is_empty() and leakage["clips"].sum() == 0


def test_a_copy_is_found_where_one_view_shows_nothing():
    clips, copies = index(), [("s09/5", "s00/1")]
    tables = features(clips, copies, noise=0.02)
    face = tables["face"]
    for clip in ("s09/5", "s00/1"):
        start, length = (int(x[face.clip_ids.index(clip)]) for x in (face.start, face.length))
        face.found[start : start + length] = False
    (found,) = near_duplicates(clips, shards(tables)).rows()
    assert found[:2] == ("s00/1", "s09/5") and found[2] > 0.85


@pytest.mark.parametrize("still", [True, False])
def test_clips_without_any_change_or_features_are_no_copies(still):
    clips = index()
    tables = features(clips, still=still)
    if not still:
        for table in tables.values():
            table.found[:] = False
    assert near_duplicates(clips, shards(tables)).is_empty()


def test_the_order_of_clips_and_the_sizes_of_blocks_and_shards_change_nothing(monkeypatch):
    clips, copies = index(), [("s09/5", "s00/1"), ("s02/3", "s01/0")]
    tables = features(clips, copies)
    whole = near_duplicates(clips, shards(tables))
    monkeypatch.setattr("clip_caer.protocol.leakage.COMPARED", 7 * len(clips))
    assert near_duplicates(clips.reverse(), shards(tables, 3)).equals(whole)
    assert len(whole) == 2


def test_a_clip_that_no_cache_has_or_that_is_another_one_now_is_told():
    clips = index()
    for changed, why in (
        (clips.filter(pl.col("clip_id") != "s09/5"), "is missing"),
        (index(sha256=pl.col("clip_id").replace("s09/5", "new")), "is of other data"),
    ):
        with pytest.raises(UserError, match=f"face view of clip 's09/5' {why}"):
            near_duplicates(clips, shards(features(changed)))


def test_a_drawn_clip_is_recognised_after_compression_and_mirroring():
    """The demo's own drawings and CLIP: two views of 16 clips, and of copies of two of them in bad JPEG."""
    plans = plan_clips(6, 16, seed=1)
    drawn = {f"c{n:02}": list(islice(draw_clip(plan, seed=1), 12)) for n, plan in enumerate(plans)}
    drawn |= {"copy": [compressed(frame) for frame in drawn["c00"]]}
    drawn |= {"mirrored": [compressed(frame)[:, ::-1] for frame in drawn["c01"]]}
    encoder = ImageEncoder(load_clip(f"local-dir:{TINY_CLIP}", None, "fp32", torch.device("cpu")), "clip")
    clips = pl.DataFrame({"clip_id": list(drawn), "sha256": list(drawn)})
    tables = {}
    for view, box in {"context": (0, 0, 320, 240), "face": (80, 0, 240, 160)}.items():
        crops = {clip: [cropped(frame, box, encoder.image_size) for frame in frames] for clip, frames in drawn.items()}
        tables[view] = encode_clips(((clip, clip) for clip in drawn), crops.get, encoder, 64)
    assert near_duplicates(clips, shards(tables)).select("clip_a", "clip_b").rows() == [
        ("c00", "copy"),
        ("c01", "mirrored"),
    ]


def compressed(frame):
    stream = io.BytesIO()
    Image.fromarray(frame).save(stream, "JPEG", quality=60)
    return np.asarray(Image.open(stream))


def cropped(frame, box, size):
    return np.asarray(Image.fromarray(frame).crop(box).resize((size, size)))
