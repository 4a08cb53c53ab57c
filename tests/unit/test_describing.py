"""A first look at a dataset."""

import polars as pl
import pytest
import yaml

from clip_caer.cli import main
from clip_caer.describing.findings import findings
from clip_caer.describing.place import find_dataset
from clip_caer.describing.samples import choose
from clip_caer.errors import UserError
from clips import draw_frames, spoil, write_raer, write_video
from packed_model import detector_weights, draw_student

SHEET = """video,label,subject,setting,split
a.mp4,keen,s1,library,train
b.mp4,calm,s1,library,test
c.mp4,calm,s2,classroom,train
spoiled.mp4,calm,s3,classroom,train
"""


@pytest.fixture
def sheet(tmp_path):
    """Four clips in two sizes, one of them damaged in the middle."""
    write_video(tmp_path / "a.mp4", draw_student(1, "book", frames=20))
    for seed, name in enumerate(("b", "c")):
        write_video(tmp_path / f"{name}.mp4", draw_frames(5, seed=seed))
    spoil(write_video(tmp_path / "spoiled.mp4", draw_frames(30)))
    (tmp_path / "clips.csv").write_text(SHEET)
    return tmp_path / "clips.csv"


@pytest.fixture
def weights(request, tmp_path, monkeypatch):
    """The detector's weights, where they are kept for a user."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "cache/clip-caer").mkdir(parents=True)
    (tmp_path / "cache/clip-caer/mobile0.25.onnx").symlink_to(detector_weights(request))


def test_a_sheet_is_described(sheet, weights, tmp_path, capsys):
    assert main(["describe", str(sheet), "--output", str(tmp_path / "page.html"), "--samples", "2", "--anonymise"]) == 0

    clips = pl.read_csv(tmp_path / "page.csv")
    assert clips["status"].to_list() == ["ok", "ok", "ok", "damaged"]
    assert clips.filter(clip_id="a").select("n_frames", "seconds", "width", "height").row(0) == (20, 0.8, 320, 240)
    page = (tmp_path / "page.html").read_text()
    assert page.count("data:image/png;base64,") == 1 and "http" not in page and "<script" not in page
    for text in ("keen", "calm", "library", "64 × 48", "spoiled", "A face was found in 33 % of the frames tried"):
        assert text in page
    told = capsys.readouterr().out
    assert "calm: 3 clips of 3 students" in told and "1 of 4 clips are damaged (25.0%)" in told


@pytest.mark.parametrize(("samples", "pictures"), [(0, 0), (9, 1)])
def test_a_glance_does_not_find_damage_in_the_middle(sheet, weights, tmp_path, samples, pictures):
    page = tmp_path / "page.html"
    assert main(["describe", str(sheet), "--output", str(page), "--quick", "--samples", str(samples)]) == 0
    assert set(pl.read_csv(tmp_path / "page.csv")["status"]) == {"ok"}
    assert page.read_text().count("data:image") == pictures


def test_raers_folder_is_described_with_its_given_boxes(tmp_path, weights):
    folder = write_raer(tmp_path)
    assert main(["describe", str(folder), "--output", str(tmp_path / "page.html"), "--samples", "1"]) == 0
    clips = pl.read_csv(tmp_path / "page.csv")
    assert len(clips) == 5 and set(clips["kind"]) == {"frames"} and clips["seconds"].null_count() == 5
    assert "neutrality" in (tmp_path / "page.html").read_text()


def test_a_config_names_the_dataset_and_its_views(sheet, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = {"dataset": {"reader": "csv", "path": "clips.csv", "label_sets": {"fine": ["calm", "keen", "sad"]}}}
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(config | {"views": {"face": {"margin": 3}}}))
    place = find_dataset(tmp_path / "my.yaml")
    assert place.classes == ["calm", "keen", "sad"] and place.config["views"]["face"]["margin"] == 3


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("clips.csv", "video,label,subject\na.mp4,calm,s1\n", "two labels or more"),
        ("clips.csv", "video,label,subject\ngone.mp4,calm,s1\ngone.mp4,keen,s1\n", "line 2: no such file: gone.mp4"),
        ("my.yaml", "dataset: {reader: cvs}", "dataset.reader: 'cvs'; expected one of"),
        ("my.yaml", "- a list", "expected a config"),
    ],
)
def test_what_cannot_be_described_is_told(tmp_path, capsys, name, content, complaint):
    (tmp_path / name).write_text(content)
    assert main(["describe", str(tmp_path / name), "--output", str(tmp_path / "page.html")]) == 1
    assert complaint in capsys.readouterr().err
    with pytest.raises(UserError):
        find_dataset(tmp_path / "nothing.csv")


def survey(*rows) -> pl.DataFrame:
    """Label, student, role, n_frames, width, status."""
    columns = ["label", "subject", "role", "n_frames", "width", "status"]
    return pl.DataFrame(rows, columns, orient="row").with_columns(height=pl.col("width"))


def test_what_is_worth_knowing():
    good = survey(*[(label, f"s{n}", "train", 20, 64, "ok") for n in range(4) for label in ("calm", "keen")])
    assert findings(good, ["calm", "keen"]) == []

    odd = survey(
        *[("calm", f"s{n}", "train" if n else "test", 20, 64, "ok") for n in range(10)],
        ("calm", "s0", "train", 9, 64, "ok"),
        ("keen", "s1", "train", 20, 32, "ok"),
        ("keen", "s2", "train", 20, 32, "damaged"),
    )
    told = findings(odd, ["calm", "keen", "sad"])
    expected = [
        "1 of 13 clips are damaged",
        "The class keen is shown by 1 student:",
        "The class sad is shown by 0 students:",
        "1 of 10 students stand in both train and test",
        "Classes are uneven: 11 clips of calm, 1 of keen",
        "1 clips have fewer than 16 frames",
        "Pictures are of several sizes",
        "9 of 10 students show one class only",
    ]
    assert [line.startswith(start) for line, start in zip(told, expected, strict=True)] == [True] * len(expected)


def test_samples_are_of_different_students():
    clips = survey(*[("calm", f"s{n % 3}", "train", 20, 64, "ok") for n in range(9)])
    clips = clips.with_columns(clip_id=pl.int_range(pl.len()).cast(pl.String))
    assert {clip["subject"] for clip in choose(clips, ["calm"], 3)} == {"s0", "s1", "s2"}
    assert len(choose(clips, ["calm"], 20)) == 9
