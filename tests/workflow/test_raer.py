"""A folder in RAER's released layout, from its lists to the comparison."""

import polars as pl
import pytest

from clip_caer.caching.features import read_features
from clips import RaerClip, draw_frames, write_raer, write_video
from experiments import set_up, write_sheet

LABELS = ["neutrality", "enjoyment", "confusion"]
FACE = [-3.5, 2, 30, 40]  # a corner lies outside the picture
CLIPS = [
    RaerClip("Class/Classroom/Class001/P001/2", "train", 1, 11, {n: FACE for n in range(1, 11)}, [-9, -4, 70, 60]),
    RaerClip("Class/Classroom/Class001/P001/10", "train", 2, 5, {n: FACE for n in range(1, 6)}),
    RaerClip("Class/Classroom/Class001/P002/1", "train", 2, 6, None, [0, 0, 64, 48]),
    RaerClip("Class/Laboratory/P003/1", "train", 1, 4, {1: [10, 5, 30, 25.5]}),
    RaerClip("SelfStudy/Library/P004/1", "train", 3, 5, {}, [5.25, 1, 60, 48]),
    RaerClip("SelfStudy/Library/P004/2", "train", 1, 4),
    RaerClip("SelfStudy/Dormitory/P005/1", "train", 3, 4, {2: FACE}),
    RaerClip("Class/Classroom/Class001/P001/3", "test", 1, 5, {n: FACE for n in range(1, 6)}),
    RaerClip("SelfStudy/Dormitory/P006/1", "test", 2, 4, {1: FACE}),
    RaerClip("SelfStudy/Dormitory/P006/2", "test", 3, 4),
]
WITH_FACES = [clip for clip in CLIPS if clip.face]


@pytest.fixture(scope="module")
def raer(tmp_path_factory, model):
    """The folder, run to the comparison with the released detector weights."""
    folder = tmp_path_factory.mktemp("raer")
    write_raer(folder, CLIPS)
    experiment = set_up(
        folder,
        model,
        None,
        dataset={"reader": "raer", "path": "RAER", "label_sets": {"fine": LABELS}, "shards": 1},
        protocols={"official": {}},
        ablations={"fused": {"views": ["face", "context"]}},
    )
    experiment.run()
    return experiment


def test_the_same_clips_as_videos_have_the_same_index(raer, tmp_path, model, weights):
    rows = []
    for seed, clip in enumerate(CLIPS):  # as write_raer draws them
        subject, _, _ = clip.path.rpartition("/")
        label, setting = LABELS[clip.label - 1], clip.path.split("/")[1].lower()
        video = f"{clip.path}.mp4"
        write_video(tmp_path / "data" / video, draw_frames(clip.n_frames, seed=seed))
        rows.append({"video": video, "label": label, "subject": subject, "setting": setting, "split": clip.role})
    write_sheet(tmp_path / "data", rows)
    dataset = {"reader": "csv", "path": "data/clips.csv", "label_sets": {"fine": LABELS}, "shards": 1}
    videos = set_up(tmp_path, model, weights, dataset=dataset)

    videos.run("results/index/clips.parquet")

    differs = ["source", "kind", "sha256"]
    expected = videos.table("index/clips.parquet").drop(differs)
    assert raer.table("index/clips.parquet").drop(differs).equals(expected)
    assert "damaged" not in expected["status"]


def test_a_dataset_of_frames_is_read_in_place(raer):
    assert not (raer.results / "frames").exists()
    assert set(raer.table("index/clips.parquet")["kind"]) == {"frames"}


def test_given_faces_are_used_as_they_are(raer):
    (path,) = raer.results.glob("faces/*/0.parquet")
    faces = pl.read_parquet(path)

    for clip in WITH_FACES:
        given = faces.filter(pl.col("source") == "given", pl.col("clip_id") == clip.path)
        boxes = given.select("x0", "y0", "x1", "y1").rows()
        assert dict(zip(given["frame"], boxes, strict=True)) == {n: tuple(box) for n, box in clip.face.items()}
        assert faces.filter(clip_id=clip.path)["found"].all(), "short gaps are filled"
    others = faces.filter(~pl.col("clip_id").is_in([clip.path for clip in WITH_FACES]))
    assert not others["found"].any() and len(others), "nobody is in these pictures"


def test_the_face_view_shows_what_was_found(raer):
    (path,) = raer.results.glob("features/*/face/0.safetensors")
    table = read_features([path], path.parts[-3], "face")

    found = table.select([clip.path for clip in WITH_FACES])
    rows = sum(clip.n_frames for clip in WITH_FACES)
    assert found.length.sum() == rows == table.found.sum()
    assert (table.features.abs().sum((1, 2)) > 0).sum() == rows


def test_it_ends_in_the_comparison(raer):
    table = raer.table("summary/comparison.parquet").filter(metric="uar")

    assert table.select("protocol", "model", "clips", "subjects").rows() == [("official", "fused", 3, 2)]
