"""Readers, label sets and the index."""

import json
import logging
import shutil

import polars as pl
import pytest

from clip_caer.dataset import class_names, read_dataset, write_index
from clip_caer.dataset.index import shard_of
from clip_caer.errors import UserError
from clips import FFMPEG, RAER_CLIPS, RaerClip, draw_frames, write_pictures, write_raer, write_video

FINE = ["neutrality", "enjoyment", "confusion", "fatigue", "distraction"]
COARSE = {"attentive": FINE[:3], "inattentive": FINE[3:]}


def config(path, reader="csv", labels="fine", coarse=COARSE):
    return {"reader": reader, "path": str(path), "labels": labels, "label_sets": {"fine": FINE, "coarse": coarse}}


def write_sheet(folder, *lines, heading="video,label,subject"):
    """A sheet beside files a.mp4 to d.mp4, which no reader opens."""
    for name in "abcd":
        (folder / f"{name}.mp4").write_bytes(name.encode())
    sheet = folder / "clips.csv"
    sheet.write_text("\n".join([heading, *lines]) + "\n", encoding="utf-8")
    return sheet


def complaint(path, **options):
    with pytest.raises(UserError) as error:
        read_dataset(config(path, **options))
    return str(error.value)


# ---- label sets ----


def test_class_names_are_those_of_the_set_in_use():
    assert class_names(config("x")) == FINE
    assert class_names(config("x", labels="coarse")) == ["attentive", "inattentive"]
    assert class_names(config("x", labels="coarse", coarse=["b", "a"])) == ["b", "a"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"labels": "corse"}, "did you mean 'coarse'"),
        ({"coarse": {"up": ["neutrality", "fatigu"]}}, "did you mean 'fatigue'"),
        ({"coarse": {"up": ["fatigue"], "down": ["fatigue"]}}, "both 'up' and 'down'"),
    ],
)
def test_label_sets_that_do_not_fit_together(options, expected):
    with pytest.raises(UserError, match=expected):
        class_names(config("x", **options))


def test_coarse_labels_are_given_or_follow_from_the_fine_ones(tmp_path):
    sheet = write_sheet(
        tmp_path,
        *("a.mp4,fatigue,S1,", "b.mp4,enjoyment,S1,attentive", "c.mp4,,S2,inattentive"),
        heading="video,label,subject,label_coarse",
    )
    assert read_dataset(config(sheet, labels="coarse")).clips["label"].to_list() == [
        *("inattentive", "attentive", "inattentive")
    ]
    assert "line 4: the label is empty" in complaint(sheet)


def test_contradicting_labels_are_a_problem_whichever_set_is_used(tmp_path):
    sheet = write_sheet(tmp_path, "a.mp4,fatigue,S1,attentive", heading="video,label,subject,label_coarse")
    for labels in ("fine", "coarse"):
        assert "'attentive' contradicts the label 'fatigue', which belongs to 'inattentive'" in complaint(
            sheet, labels=labels
        )


def test_votes_are_counts_by_label_and_are_added_up_for_coarse_labels(tmp_path):
    sheet = write_sheet(
        tmp_path, "a.mp4,fatigue,S1,1;0;2;3;0.5", "b.mp4,fatigue,S1,", heading="video,label,subject,votes"
    )
    assert read_dataset(config(sheet)).clips["votes"].to_list() == [[1, 0, 2, 3, 0.5], None]
    assert read_dataset(config(sheet, labels="coarse")).clips["votes"].to_list() == [[3, 3.5], None]


def test_votes_that_are_all_for_labels_of_no_class_are_told(tmp_path):
    sheet = write_sheet(tmp_path, "a.mp4,fatigue,S1,9;0;0;0;0", heading="video,label,subject,votes")
    told = complaint(sheet, labels="coarse", coarse={"tired": ["fatigue"]})
    assert "line 2: votes '9;0;0;0;0': none is for a label of tired" in told


# ---- the sheet ----


def test_a_sheet_with_everything(tmp_path):
    (tmp_path / "videos").mkdir()
    names = ["a b.mp4", "été 'x' \"y\".mkv", "line\nend.mp4", " 3.5.mov"]
    for name in names:
        (tmp_path / "videos" / name).touch()
    write_pictures(tmp_path / "v1.0" / "frames", draw_frames(2))
    cells = [*(f"videos/{name}".replace('"', '""') for name in names), str(tmp_path / "v1.0" / "frames")]
    roles = ["train", "val", "test", "train", "train"]
    rows = [f'"{cell}", neutrality ,S{i},Hall,{role}' for i, (cell, role) in enumerate(zip(cells, roles, strict=True))]
    sheet = tmp_path / "my sheet.csv"
    sheet.write_text("\r\n".join(["video,label,subject,setting,split", *rows]) + "\r\n\r\n", encoding="utf-8-sig")
    clips = read_dataset(config(sheet)).clips
    assert dict(clips.select("clip_id", "source").iter_rows()) == {
        "videos/a b": "videos/a b.mp4",
        "videos/été 'x' \"y\"": "videos/été 'x' \"y\".mkv",
        "videos/line\nend": "videos/line\nend.mp4",
        "videos/ 3.5": "videos/ 3.5.mov",
        "v1.0/frames": "v1.0/frames",
    }
    assert clips["clip_id"].is_sorted()
    assert clips["kind"].value_counts(sort=True).rows() == [("video", 4), ("frames", 1)]
    assert clips.filter(clip_id="videos/line\nend").row(0, named=True) == {
        **{"clip_id": "videos/line\nend", "source": "videos/line\nend.mp4", "kind": "video", "label": "neutrality"},
        **{"subject": "S2", "setting": "Hall", "role": "test", "votes": None},
    }


def test_videos_outside_of_the_sheets_folder(tmp_path):
    sheets = tmp_path / "sheets"
    sheets.mkdir()
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.mp4").touch()
    for spelling in ("../videos/a.mp4", str(tmp_path / "videos" / "a.mp4"), "x/../../videos/./a.mp4"):
        clips = read_dataset(config(write_sheet(sheets, f"{spelling},fatigue,S1"))).clips
        assert clips.select("clip_id", "source").row(0) == ("videos/a", str(tmp_path / "videos" / "a.mp4"))


def test_two_videos_with_one_name_but_for_the_suffix_are_told(tmp_path):
    for name in ("a.mkv", "a.mp4"):
        (tmp_path / name).touch()
    sheet = write_sheet(tmp_path, "a.mkv,fatigue,S1", "a.mp4,fatigue,S1", "a.mp4,fatigue,S1")
    told = complaint(sheet)
    assert "line 3: duplicate clip 'a'; it is in line 2 already, there a.mkv: a suffix is no part of" in told
    assert "line 4: duplicate clip 'a'; it is in line 2 already, there a.mkv: a suffix is no part of" in told


def test_every_problem_is_told_with_its_line(tmp_path):
    write_pictures(tmp_path / "gap", draw_frames(4))
    (tmp_path / "gap" / "2.jpg").unlink()
    (tmp_path / "none").mkdir()
    (tmp_path / "a.mkv").touch()
    sheet = write_sheet(
        tmp_path,
        "a.mp4,hapy,S1,train,,",
        "b.mp4,fatigue, ,train,,",
        '"no\nsuch.mp4",fatigue,S1,train,,',
        "c.mp4,fatigue,S1,,,",
        "a.mkv,fatigue,S1,dev,,",
        "./c.mp4,fatigue,S1,train,,",
        ",fatigue,S1,train,,",
        "d.mp4,fatigue",
        "gap,fatigue,S1,test,,",
        "none,fatigue,S1,test,,",
        "d.mp4,fatigue,S1,test,1;2,",
        "d.mp4,fatigue,S1,test,1;2;x;0;0,sleepy",
        ".,fatigue,S1,test,,",
        heading="video,label,subject,split,votes,label_coarse",
    )
    message = complaint(sheet)
    for expected in [
        f"unknown label 'hapy'; expected one of {', '.join(FINE)}",
        "line 3: the subject is empty",
        "line 4: no such file: no\nsuch.mp4",
        "line 6: the split is empty; give it for all clips or for none",
        "line 7: unknown split 'dev'; expected one of train, val, test",
        "line 7: duplicate clip 'a'; it is in line 2 already",
        "line 8: duplicate clip 'c'; it is in line 6 already",
        "line 9: the video is empty",
        "line 10: 2 cells; expected 6, as in the heading",
        "line 11: the pictures of gap are not numbered from 1 without gaps: 2 is missing",
        "line 12: no pictures 1.jpg, 2.jpg, … in none",
        "line 13: votes '1;2': expected 5 counts",
        "line 14: votes '1;2;x;0;0': expected numbers",
        "line 14: unknown coarse label 'sleepy'",
        "line 15: the video '.' is no path of a clip",
    ]:
        assert expected in message
    assert "16 problems" in message  # the sixteenth: line 14 is a duplicate, too


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty; expected a heading with video, label, subject"),
        (b"\n \n", "is empty"),
        (b"video,label,subject\n", "has no clips"),
        (b"video;label;subject\na.mp4;fatigue;S1\n", "separated by ';'; expected commas"),
        (b"video\tlabel\tsubject\na.mp4\tfatigue\tS1\n", r"separated by '\\t'; expected commas"),
        (b"video,label,subject,spilt\n", "unknown column 'spilt'.*did you mean 'split'"),
        (b"video,label,subject,video\n", "'video' stands there more than once"),
        ("video,label,subject\né.mp4,fatigue,S1\n".encode("latin-1"), "not UTF-8 .byte 20"),
        (b'video,label,subject\n"a"b.mp4,fatigue,S1\n', "not proper csv below line 1"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "not UTF-8"),
        (b"video,label,subject\n\0,fatigue,S1\n", "line 2|below line 1"),
    ],
)
def test_files_that_are_no_sheet(tmp_path, content, expected):
    sheet = tmp_path / "clips.csv"
    sheet.write_bytes(content)
    with pytest.raises(UserError, match=expected):
        read_dataset(config(sheet))


def test_paths_that_are_no_dataset(tmp_path):
    assert "No such file" in complaint(tmp_path / "none.csv")
    assert "Is a directory" in complaint(tmp_path)
    assert "must be the folder that holds images/" in complaint(tmp_path, reader="raer")
    assert "did you mean" not in complaint(tmp_path, reader="cvs")
    with pytest.raises(UserError, match="needs a path"):
        read_dataset(config("x") | {"path": None})


# ---- RAER's folder ----


def test_raer_boxes_keep_negative_corners_and_may_be_missing(tmp_path):
    boxes = read_dataset(config(write_raer(tmp_path), reader="raer")).boxes
    first, second = "Class/Classroom/Class001/P001/1", "Class/Classroom/Class001/P001/2"
    assert boxes.filter(clip_id=first, kind="face")["frame"].to_list() == list(range(1, 12))  # not 1, 10, 11, 2
    assert boxes.filter(clip_id=first, kind="person").row(0)[1:] == (0, "person", -9, -4, 70, 60)
    assert boxes.filter(clip_id=second).rows() == [(second, 1, "face", 10, 5, 30, 25.5)]
    assert set(boxes["clip_id"]) == {first, second, "Class/Laboratory/P002/1", "SelfStudy/Dormitory/P004/2"}


@pytest.mark.parametrize("prefix", ["/data/images/RAER", "RAER", ".", "D:/RAER", "/other name/RAER"])
def test_raer_prefixes_are_left_out(tmp_path, prefix):
    dataset = read_dataset(config(write_raer(tmp_path, RAER_CLIPS[:1], prefix), reader="raer"))
    assert dataset.clips.row(0, named=True) == {
        "clip_id": "Class/Classroom/Class001/P001/1",
        "source": "images/Class/Classroom/Class001/P001/1",
        "kind": "frames",
        "label": "neutrality",
        "subject": "Class/Classroom/Class001/P001",
        "setting": "classroom",
        "role": "train",
        "votes": None,
    }
    assert len(dataset.boxes) == 12


def test_raer_without_boxes(tmp_path):
    folder = write_raer(tmp_path, RAER_CLIPS[:2])
    (folder / "face.json").unlink()
    (folder / "body.json").unlink()
    assert read_dataset(config(folder, reader="raer")).boxes.is_empty()


def test_raer_boxes_of_unknown_clips_are_left_out_with_a_warning(tmp_path, caplog):
    folder = write_raer(tmp_path, RAER_CLIPS[:1])
    body = {"/x/RAER/images/Class/Classroom/Class009/P001/1": [0, 0, 1, 1], "elsewhere": [0, 0, 1, 1]}
    (folder / "body.json").write_text(json.dumps(body))
    face = {f"images/{RAER_CLIPS[0].path}": {"1.jpg": [5, 5, 5, 9], "2.jpg": None, "3.jpg": [], "4.jpg": [1, 2, 3, 4]}}
    (folder / "face.json").write_text(json.dumps(face))
    with caplog.at_level(logging.WARNING):
        assert read_dataset(config(folder, reader="raer")).boxes["frame"].to_list() == [4]
    assert "body.json: left out 2 clips" in caplog.text
    assert "1 boxes without area" in caplog.text


def test_every_problem_of_a_raer_folder_is_told(tmp_path):
    folder = write_raer(tmp_path, RAER_CLIPS[:3])
    shutil.rmtree(folder / "images" / RAER_CLIPS[2].path)
    (folder / "images" / RAER_CLIPS[0].path / "12.jpg").rename(folder / "images" / RAER_CLIPS[0].path / "13.jpg")
    (folder / "images" / RAER_CLIPS[1].path / "5.jpg").unlink()
    with open(folder / "test.txt", "a") as stream:
        stream.write(f"RAER/images/{RAER_CLIPS[0].path} 12 6\nClass/Classroom/P1/1 5 1\nx 5\nimages/a/../b/c 5 1\n")
    boxes = {"1.jpg": [1, 2, 3], "2.jpg": [1, 2, "3", 4], "x.jpg": [1, 2, 3, 4], "3.jpg": [0, 0, float("nan"), 1]}
    (folder / "face.json").write_text(json.dumps({f"images/{RAER_CLIPS[0].path}": boxes}))
    message = complaint(folder, reader="raer")
    for expected in [
        "train.txt line 1: the pictures of images/Class/Classroom/Class001/P001/1 are not numbered from 1 without",
        "train.txt line 2: no such folder: images/Class/Laboratory/P002/1",
        "test.txt line 1: 5 frames are listed, but images/Class/Classroom/Class001/P001/2 holds 4 pictures",
        "test.txt line 2: unknown label '6'; expected one of 1, 2, 3, 4, 5",
        "test.txt line 2: duplicate clip 'Class/Classroom/Class001/P001/1'; it is in train.txt line 1 already",
        "test.txt line 3: expected a path images/ACTIVITY/SETTING/…/STUDENT/CLIP, got 'Class/Classroom/P1/1'",
        "test.txt line 4: expected `frame_dir num_frames label`, got 'x 5'",
        "test.txt line 5: expected a path",
        "got [1, 2, 3] (1.jpg)",
        "got [1, 2, '3', 4] (2.jpg)",
        "'x.jpg' is no frame",
        "got [0, 0, nan, 1] (3.jpg)",
    ]:
        assert expected in message
    (folder / "face.json").write_text("[1")
    assert "face.json is not proper JSON" in complaint(folder, reader="raer")


# ---- the index ----


def test_raer_gives_the_same_index_as_the_same_clips_as_videos(tmp_path):
    raer = write_raer(tmp_path)
    rows = []
    for seed, clip in enumerate(RAER_CLIPS):
        write_video(tmp_path / "videos" / f"{clip.path}.mp4", draw_frames(clip.n_frames, seed=seed))
        subject, setting = clip.path.rsplit("/", 1)[0], clip.path.split("/")[1].lower()
        rows.append(f"{clip.path}.mp4,{FINE[clip.label - 1]},{subject},{setting},{clip.role}")
    sheet = tmp_path / "videos" / "clips.csv"
    sheet.write_text("\n".join(["video,label,subject,setting,split", *rows]))
    indices = [
        write_index(read_dataset(config(path, reader=reader)), 3, tmp_path / reader, FFMPEG, workers=2)
        for reader, path in (("raer", raer), ("csv", sheet))
    ]
    same = ["clip_id", "n_frames", "label", "subject", "setting", "role", "votes", "shard", "status", "message"]
    assert indices[0].select(same).equals(indices[1].select(same))
    assert len(indices[0]) == len(RAER_CLIPS)


def test_index_files(tmp_path):
    dataset = read_dataset(config(write_raer(tmp_path, RAER_CLIPS[:2]), reader="raer"))
    clips = write_index(dataset, 5, tmp_path / "index", FFMPEG)
    assert pl.read_parquet(tmp_path / "index" / "clips.parquet").equals(clips)
    assert clips.schema["shard"] == pl.Int32
    assert clips["shard"].to_list() == [shard_of(clip_id, 5) for clip_id in clips["clip_id"]]
    shards = [pl.read_parquet(tmp_path / "index" / "shards" / f"{shard}.parquet") for shard in range(5)]
    assert [shard["clip_id"].to_list() for shard in shards] == [
        clips.filter(shard=shard)["clip_id"].to_list() for shard in range(5)
    ]
    assert shards[0].columns == ["clip_id", "source", "kind", "n_frames", "sha256", "status", "message"]
    boxes = [pl.read_parquet(tmp_path / "index" / "boxes" / f"{shard}.parquet") for shard in range(5)]
    assert [set(box["clip_id"]) <= set(shard["clip_id"]) for box, shard in zip(boxes, shards, strict=True)] == [
        True
    ] * 5
    assert pl.concat(boxes).sort("clip_id", "frame", "kind").equals(dataset.boxes)


def test_shards_are_stable():
    assert [shard_of(clip_id, 7) for clip_id in ("a", "b", "Class/Classroom/Class001/P001/3", "é")] == [1, 6, 1, 6]


def test_equal_content_gives_equal_bytes_wherever_it_lies(tmp_path):
    for place, order in (("one", 1), ("another", -1)):
        write_video(tmp_path / place / "v.mp4", draw_frames())
        write_pictures(tmp_path / place / "p", draw_frames(11))
        (tmp_path / place / "broken.mp4").write_text("no video")
        lines = ["v.mp4,fatigue,S1", "p,fatigue,S1", "broken.mp4,fatigue,S2"][::order]
        sheet = tmp_path / place / "clips.csv"
        sheet.write_text("\n".join(["video,label,subject", *lines]))
        write_index(read_dataset(config(sheet)), 2, tmp_path / place / "index", FFMPEG, workers=2)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one" / "index").rglob("*.parquet"))
    assert len(files) == 5
    assert all((tmp_path / "one" / file).read_bytes() == (tmp_path / "another" / file).read_bytes() for file in files)
    clips = pl.read_parquet(tmp_path / "one" / "index" / "clips.parquet")
    assert clips.select("clip_id", "n_frames", "status").rows() == [
        ("broken", 0, "damaged"),
        ("p", 11, "ok"),
        ("v", 5, "ok"),
    ]
    assert clips["message"][0] and str(tmp_path) not in clips["message"][0]


def test_content_digest_follows_frames_in_numeric_order(tmp_path):
    frames = draw_frames(11)
    swapped = frames[[0, 9, 2, 3, 4, 5, 6, 7, 8, 1, 10]]
    digests = []
    for name, content in (("a", frames), ("b", frames), ("c", swapped)):
        folder = write_raer(tmp_path / name, [RaerClip("Class/Classroom/P1/1", "train", 1, 11)])
        shutil.rmtree(folder / "images")
        write_pictures(folder / "images" / "Class/Classroom/P1/1", content)
        index = write_index(read_dataset(config(folder, reader="raer")), 1, tmp_path / name, FFMPEG)
        digests.append(index["sha256"][0])
    assert digests[0] == digests[1] != digests[2]
