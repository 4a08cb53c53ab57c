"""Real faces in front of real cameras, where the clips are at hand."""

import polars as pl
import pytest

from experiments import PROJECT, set_up, write_sheet

REAL_CLIPS = PROJECT.parent / "shared/real_clips"
CLIPS = [("bird", "B", "train"), ("book", "C", "train"), ("milk", "B", "val"), ("learn", "C", "test")]  # sign, person


@pytest.mark.skipif(not REAL_CLIPS.is_dir(), reason="the real clips are not on this machine")
def test_real_faces_are_found_and_trained_on(tmp_path, model, weights):
    (tmp_path / "data").mkdir()
    rows = []
    for sign, person, role in CLIPS:
        (tmp_path / f"data/{sign}.mkv").symlink_to(REAL_CLIPS / f"{sign}.mkv")
        rows.append({"video": f"{sign}.mkv", "label": person, "subject": sign, "split": role})
    write_sheet(tmp_path / "data", rows)
    experiment = set_up(
        tmp_path,
        model,
        weights,
        dataset={"reader": "csv", "path": "data/clips.csv", "label_sets": {"fine": ["B", "C"]}, "shards": 2},
        protocols={"official": {}},
        ablations={"face": {"views": ["face"]}},
    )

    experiment.run("results/runs/face/official/seed-1/metrics.json")

    faces = pl.concat(pl.read_parquet(path) for path in experiment.results.glob("faces/*/*.parquet"))
    assert len(faces) > 200 and set(faces["clip_id"]) == {sign for sign, _, _ in CLIPS}
    assert faces["found"].mean() >= 0.99
    assert (faces["source"] == "detected").mean() >= 0.99
    predictions = experiment.table("runs/face/official/seed-1/predictions.parquet")
    assert predictions.select("clip_id", "role").rows() == [("learn", "test"), ("milk", "val")]
