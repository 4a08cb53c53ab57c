"""Whatever stands in a sheet, in RAER's lists or in its boxes: it is read, or refused with file, line and reason."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_caer.dataset import read_dataset
from clip_caer.dataset.state import dataset_state
from clip_caer.errors import UserError
from clips import RAER_CLIPS, draw_frames, write_pictures, write_raer

CONFIG = {"labels": "fine", "label_sets": {"fine": ["calm", "keen"], "coarse": {"all": ["calm", "keen"]}}, "shards": 1}
ODD_TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            *("", " ", ".", "..", "/", "~", "~nobody/x", "a/../..", "\0", "x" * 5000, "1e999", "nan", "-1", "٣", "’"),
            *("1;2", "9" * 5000, "\ud800", "{x}", "$(x)", "calm\n", "=1+1", '"', "/dev/zero", "pipe.mp4", "loop.mp4"),
        ]
    ),
)


def read(reader: str, path: Path, **changes) -> str | None:
    """What the user is told; None if the dataset is taken. Anything but a UserError fails the test."""
    config = CONFIG | {"reader": reader, "path": str(path)} | changes
    try:
        dataset_state(config)
        dataset = read_dataset(config)
    except UserError as error:
        assert str(error).encode(errors="backslashreplace") and "Traceback" not in str(error)
        return str(error)
    assert dataset.clips["clip_id"].is_unique().all()
    assert all(".." not in clip_id.split("/") for clip_id in dataset.clips["clip_id"])
    return None


# ---- the sheet ----


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two videos (nobody opens them), a folder of pictures, and things that only look like videos."""
    folder = tmp_path_factory.mktemp("sheet")
    for name in ("a.mp4", "b.mp4"):
        (folder / name).write_bytes(b"video")
    write_pictures(folder / "pictures", draw_frames(2))
    (folder / "folder.mp4").mkdir()
    os.mkfifo(folder / "pipe.mp4")
    (folder / "loop.mp4").symlink_to("loop.mp4")
    (folder / "gone.mp4").symlink_to("nowhere.mp4")
    return folder


CELLS = {
    "video": st.one_of(st.sampled_from(["a.mp4", "b.mp4", "./a.mp4", "pictures", "folder.mp4"]), ODD_TEXTS),
    "label": st.one_of(st.sampled_from(["calm", "keen"]), ODD_TEXTS),
    "subject": st.one_of(st.just("s1"), ODD_TEXTS),
    "setting": ODD_TEXTS,
    "split": st.one_of(st.sampled_from(["train", "test"]), ODD_TEXTS),
    "label_coarse": st.one_of(st.just("all"), ODD_TEXTS),
    "votes": st.one_of(st.just("1;2"), ODD_TEXTS),
}
HEADINGS = st.lists(st.one_of(st.sampled_from(list(CELLS)), ODD_TEXTS), max_size=8)


@st.composite
def sheets(draw) -> bytes:
    """Lines below a heading, quoted or not, and at times spoiled as a whole."""
    heading = draw(st.one_of(st.just(list(CELLS)), st.just(["video", "label", "subject"]), HEADINGS))
    rows = draw(st.lists(st.tuples(*(CELLS.get(name, ODD_TEXTS) for name in heading)), max_size=4))
    quoted = draw(st.booleans())
    cells = [[f'"{cell}"' if quoted else cell for cell in row] for row in [heading, *rows]]
    text = draw(st.sampled_from(["\n", "\r\n", "\r"])).join(",".join(row) for row in cells)
    content = text.encode(draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"])), errors="ignore")
    return content[: draw(st.integers(0, len(content)))] if draw(st.booleans()) else content


@given(content=st.one_of(sheets(), st.binary(max_size=200)), labels=st.sampled_from(["fine", "coarse"]))
def test_any_sheet_is_read_or_refused(folder, content, labels):
    (folder / "clips.csv").write_bytes(content)
    told = read("csv", folder / "clips.csv", labels=labels)
    assert told is None or "clips.csv" in told


@pytest.mark.parametrize(
    ("video", "reason"),
    [
        ("pipe.mp4", "neither a file nor a folder"),
        ("/dev/zero", "neither a file nor a folder"),
        ("loop.mp4", "Too many levels of symbolic links"),
        ("gone.mp4", "no such file"),
        ("folder.mp4", "no pictures 1.jpg, 2.jpg, …"),
        ("x" * 300, "File name too long"),
        ("../a.mp4/b.mp4", "Not a directory|no such file"),
        ("clips.parquet.mp4", "the name 'clips.parquet' is taken by a table"),
        ("a/1.jpg.mp4", "the name 'a/1.jpg' is taken by a frame of another clip"),
    ],
)
def test_what_is_no_video_is_told_with_its_line(folder, video, reason):
    (folder / "a").mkdir(exist_ok=True)
    for name in ("clips.parquet.mp4", "a/1.jpg.mp4"):
        (folder / name).write_bytes(b"video")
    (folder / "clips.csv").write_text(f"video,label,subject\na.mp4,calm,s1\n{video},keen,s2\n")
    config = CONFIG | {"reader": "csv", "path": str(folder / "clips.csv")}
    with pytest.raises(UserError, match=rf"clips\.csv line 3: .*({reason})"):
        read_dataset(config)


@pytest.mark.parametrize("reader", ["csv", "raer"])
@pytest.mark.parametrize("path", ["pipe.mp4", "loop.mp4", "/dev/zero", "~nobody/x", "x" * 300, "a.mp4/b", "nowhere"])
def test_a_path_that_is_no_dataset_is_told_and_never_waited_for(folder, reader, path):
    assert "dataset.path" in read(reader, folder / path if not path.startswith("~") else Path(path))


# ---- RAER's folder ----


@pytest.fixture(scope="module")
def raer(tmp_path_factory):
    return write_raer(tmp_path_factory.mktemp("raer"), RAER_CLIPS[:2])


LINES = st.one_of(
    st.sampled_from([f"images/{clip.path} {clip.n_frames} {clip.label}" for clip in RAER_CLIPS[:2]]),
    st.tuples(ODD_TEXTS, ODD_TEXTS, ODD_TEXTS).map(" ".join),
    ODD_TEXTS.map(lambda name: f"images/Class/Classroom/P1/{name} 5 1"),
    ODD_TEXTS.map(lambda count: f"images/{RAER_CLIPS[1].path} {count} 2"),
)
NUMBERS = st.one_of(st.floats(), st.integers(), st.just(10**400), st.booleans(), st.none(), ODD_TEXTS)
BOXES = st.one_of(st.just([1, 2, 30, 40]), st.lists(NUMBERS, max_size=5), NUMBERS)
FRAMES = st.one_of(st.sampled_from(["1.jpg", "2.jpg", "99999999999999999999.jpg", "0.png"]), ODD_TEXTS)
FOLDERS = st.one_of(st.sampled_from([f"{prefix}images/{RAER_CLIPS[0].path}" for prefix in ("", "/x/RAER/")]), ODD_TEXTS)
JSON = st.recursive(NUMBERS, lambda inner: st.one_of(st.lists(inner), st.dictionaries(ODD_TEXTS, inner)), max_leaves=6)


@given(
    train=st.one_of(st.lists(LINES, max_size=4).map("\n".join), st.text()),
    face=st.one_of(st.dictionaries(FOLDERS, st.one_of(st.dictionaries(FRAMES, BOXES), BOXES)), JSON),
    body=st.one_of(st.dictionaries(FOLDERS, BOXES), JSON),
)
def test_any_lists_and_boxes_are_read_or_refused(raer, train, face, body):
    (raer / "train.txt").write_text(train, encoding="utf-8", errors="ignore")
    for name, content in (("face", face), ("body", body)):
        (raer / f"{name}.json").write_text(json.dumps(content))
    told = read("raer", raer, label_sets={"fine": ["a", "b", "c", "d", "e"]})
    assert told is None or any(f"{name}." in told for name in ("train", "test", "face", "body")) or "no clips" in told


@given(content=st.binary(max_size=100), name=st.sampled_from(["train.txt", "test.txt", "face.json", "body.json"]))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content, name):
    folder = write_raer(tmp_path_factory.mktemp("raer"), RAER_CLIPS[1:2])
    (folder / name).write_bytes(content)
    told = read("raer", folder, label_sets={"fine": ["a", "b", "c", "d", "e"]})
    assert told is None or name in told or "no clips" in told


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[" * 100_000, "not proper JSON"),
        ('{"images/CLIP": {"1.jpg": [1, 2, 3, 4], "1.jpg": [5, 6, 7, 8]}}', "'1.jpg' stands there twice"),
        (
            '{"images/CLIP": {"1.jpg": [1, 2, 3, 4]}, "/x/images/CLIP": {"1.jpg": [5, 6, 7, 8]}}',
            "another box for 1.jpg",
        ),
        ('{"images/CLIP": {"99999999999999999999.jpg": [1, 2, 3, 4]}}', "is no frame"),
        ('{"images/CLIP": {"1.jpg": [1, 2, 3, 1e400]}}', "expected four finite numbers"),
        ('{"images/CLIP": {"1.jpg": [1, 2, 3, ' + "9" * 400 + "]}}", "expected four finite numbers"),
        ('{"images/CLIP": {"1.jpg": false}}', "expected four finite numbers"),
        ('{"images/CLIP": 0}', "expected boxes by frame"),
    ],
)
def test_boxes_that_mean_nothing_are_told(tmp_path, content, reason):
    folder = write_raer(tmp_path, RAER_CLIPS[:1])
    (folder / "face.json").write_text(content.replace("CLIP", RAER_CLIPS[0].path))
    with pytest.raises(UserError, match=rf"(?s)face\.json.*{reason}"):
        read_dataset(CONFIG | {"reader": "raer", "path": str(folder)})


def test_pictures_named_after_the_time_are_told_at_once(tmp_path):
    folder = write_raer(tmp_path, RAER_CLIPS[1:2])
    pictures = folder / "images" / RAER_CLIPS[1].path
    (pictures / "1.jpg").rename(pictures / "20261123101500000.jpg")
    with pytest.raises(UserError, match="not numbered from 1 without gaps: 1 is missing"):
        read_dataset(CONFIG | {"reader": "raer", "path": str(folder)})
