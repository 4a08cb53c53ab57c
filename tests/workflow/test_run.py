"""A whole run: what it writes, and what it does with damaged clips."""

import json
from itertools import product

import polars as pl
import pytest
from PIL import Image

from clip_caer.caching.features import read_features
from clip_caer.tracking.records import read_records
from experiments import CUT, SHEET, SPOILED, Experiment

SPLITS = ["official", "subject_kfold-1", "subject_kfold-2"]
PROTOCOLS = ["official", "subject_kfold"]
MODELS = ["face", "fused", "coop", "shuffled_labels"]  # all that is trained
CONTROLS = ["majority", "student_id", "setting_id", "zero_shot", "linear_probe"]
RUNS = [f"runs/{model}/{split}/seed-1" for model in MODELS for split in SPLITS]
BOX = ["x0", "y0", "x1", "y1"]


def test_index_lists_every_clip_with_its_content(finished):
    clips = finished.table("index/clips.parquet")

    expected = "clip_id source kind n_frames label subject setting role votes shard sha256 status message"
    assert clips.columns == expected.split()
    assert set(clips["clip_id"]) == {row["video"].removesuffix(".mp4") for row in SHEET}
    assert clips["clip_id"].is_sorted() and clips["sha256"].n_unique() == len(SHEET)
    assert clips.filter(clip_id="room 1/1").row(0, named=True) | {"sha256": "", "shard": 0} == {
        "clip_id": "room 1/1",
        "source": "room 1/1.mp4",
        "kind": "video",
        "n_frames": 4,
        "label": "calm",
        "subject": "s1",
        "setting": "library",
        "role": "train",
        "votes": None,
        "shard": 0,
        "sha256": "",
        "status": "ok",
        "message": None,
    }


def test_shards_of_the_index_hold_nothing_of_the_labels(finished):
    shards = [finished.table(f"index/shards/{shard}.parquet") for shard in range(2)]

    assert all(len(shard) for shard in shards)
    assert shards[0].columns == ["clip_id", "source", "kind", "n_frames", "sha256", "status", "message"]
    assert len(pl.concat(shards)) == len(SHEET)


def test_damaged_clips_are_left_out_and_counted(finished):
    usable = finished.table("index/usable.parquet")
    damaged = usable.filter(status="damaged")

    assert damaged["clip_id"].to_list() == [CUT, SPOILED] and damaged["message"].null_count() == 0
    assert len(usable) == len(SHEET)
    for split in SPLITS:
        assert set(finished.table(f"splits/{split}.parquet")["clip_id"]) == set(usable.filter(status="ok")["clip_id"])
    counts = {record.step: record.counts for record in read_records(finished.results)}
    assert counts["index"]["damaged"] == 1, "the cut one cannot be opened"
    assert counts["frames"]["damaged"] == 2, "the spoiled one cannot be decoded"


def test_no_student_stands_in_two_roles_of_subject_kfold(finished):
    tested = []
    for split in SPLITS[1:]:
        students = roles_of_students(finished, split)
        assert students["role"].list.len().max() == 1
        assert set(students["role"].explode()) == {"train", "val", "test"}
        tested += students.filter(pl.col("role").list.contains("test"))["subject"].to_list()
    assert sorted(tested) == [f"s{n}" for n in range(1, 7)], "everybody is tested once"


def test_official_takes_its_validation_students_out_of_train(finished):
    split = finished.table("splits/official.parquet").join(finished.table("index/clips.parquet"), on="clip_id")

    assert split.filter(pl.col("role") == "test").equals(split.filter(pl.col("role_right") == "test"))
    val, train = (set(split.filter(role=role)["subject"]) for role in ("val", "train"))
    assert val and train and not val & train


def roles_of_students(finished: Experiment, split: str) -> pl.DataFrame:
    clips = finished.table("index/clips.parquet").drop("role")
    with_roles = finished.table(f"splits/{split}.parquet").join(clips, on="clip_id")
    return with_roles.group_by("subject").agg(pl.col("role").unique())


def test_every_frame_has_a_row_of_faces_and_of_features(finished):
    (faces,) = (finished.results / "faces").iterdir()
    table = pl.concat(pl.read_parquet(faces / f"{shard}.parquet") for shard in range(2))
    clips = finished.table("index/clips.parquet").filter(~pl.col("clip_id").is_in([CUT, SPOILED]))

    assert table.columns == ["clip_id", "frame", *BOX, "score", "landmarks", "found", "source"]
    assert len(table) == clips["n_frames"].sum()
    assert not table["found"].any() and table["source"].null_count() == len(table), "nobody is in these pictures"
    for folder in (finished.results / "features").glob("*/*"):
        features = read_features(sorted(folder.glob("*.safetensors")), folder.parent.name, folder.name)
        encoded = dict(zip(features.clip_ids, features.sha256, strict=True))
        assert encoded == dict(clips.select("clip_id", "sha256").iter_rows())


@pytest.mark.parametrize("run", RUNS)
def test_every_run_leaves_weights_curves_predictions_and_scores(finished, run):
    split = finished.table(f"splits/{run.split('/')[2]}.parquet").filter(pl.col("role") != "train")
    predictions = finished.table(f"{run}/predictions.parquet")
    metrics = json.loads((finished.results / run / "metrics.json").read_text())

    assert (finished.results / run / "weights.safetensors").stat().st_size > 0
    assert finished.table(f"{run}/history.parquet")["epoch"].to_list() == [1, 2]
    assert {"clip_id", "subject", "setting", "role", "label", "predicted", "probability"} <= set(predictions.columns)
    assert sorted(predictions.select("clip_id", "role").rows()) == sorted(split.rows())
    assert set(metrics) >= {f"test/{name}" for name in ("uar", "war", "macro_f1", "recall/calm", "recall/keen")}


def test_the_comparison_has_every_score_of_every_ablation_and_protocol(finished):
    table = finished.table("summary/comparison.parquet")

    assert set(table.select("protocol", "model").rows()) == set(product(PROTOCOLS, MODELS + CONTROLS))
    assert set(table["metric"]) == {"uar", "war", "macro_f1", "recall/calm", "recall/keen"}
    assert table.select(((pl.col("low") <= pl.col("value")) & (pl.col("value") <= pl.col("high"))).all()).item()
    pooled = table.filter(protocol="subject_kfold", metric="uar")
    assert set(pooled.select("clips", "subjects", "seeds").rows()) == {(14, 6, 1)}
    markdown = (finished.results / "summary/comparison.md").read_text()
    for protocol, model in product(PROTOCOLS, MODELS + CONTROLS):
        section = markdown[markdown.index(f"## {protocol}") :]
        assert f"| {model} " in section


def test_figures_are_pictures(finished):
    figures = sorted((finished.results / "summary/figures").glob("*.png"))
    names = {"comparison", "pairs", "students", "training"}
    names |= {f"{kind}-{protocol}" for kind in ("confusion", "reliability", "strata") for protocol in PROTOCOLS}
    assert {figure.stem for figure in figures} == names
    for figure in figures:
        for suffix in (".svg", ".pdf"):
            assert figure.with_suffix(suffix).stat().st_size > 1000

    for figure in [*figures, *(finished.results / "runs").rglob("confusion.png")]:
        with Image.open(figure) as picture:
            picture.verify()
            assert min(picture.size) > 200


def test_every_artifact_has_its_record(finished):
    records = {path.relative_to(finished.results).as_posix() for path in finished.results.rglob("*.run.json")}

    expected = {"index/index", "summary/summary", "summary/page"}
    expected |= {f"controls/{split}/controls" for split in SPLITS}
    expected |= {f"{run}/{step}" for run in RUNS for step in ("train", "evaluate")}
    expected |= {f"summary/models/{protocol}-{model}" for protocol, model in product(PROTOCOLS, MODELS + CONTROLS)}
    for shard in range(2):
        for step in ("faces", "frames"):
            (folder,) = (finished.results / step).iterdir()
            expected.add(f"{step}/{folder.name}/{shard}")
        views = [path.relative_to(finished.results) for path in (finished.results / "features").glob("*/*")]
        expected |= {f"{view}/{shard}" for view in views}
    assert records == {f"{name}.run.json" for name in expected}
    for record in read_records(finished.results):
        assert record.status == "FINISHED" and record.ended >= record.started > 0
        assert record.step in ("ablation", "comparator", "control") or record.metrics["seconds"] > 0, (
            "its benchmark is part of it"
        )


def test_training_again_gives_the_same_numbers(experiment):
    run = experiment.results / RUNS[0]
    files = ("weights.safetensors", "predictions.parquet", "confusion.png")
    before = {name: (run / name).read_bytes() for name in files}

    again = experiment.run(f"results/{RUNS[0]}/predictions.parquet", "--forcerun", "train")

    assert [job.rule for job in again.jobs] == ["train", "evaluate"]
    assert before == {name: (run / name).read_bytes() for name in files}


def test_files_of_the_user_are_not_taken_for_modules(experiment):
    (experiment.folder / "random.py").write_text("raise SystemExit('this is not the random of Python')")
    assert experiment.run("--forcerun", "splits", "--", "results/splits/official.parquet").rules == {"splits"}


def test_too_many_damaged_clips_stop_the_run_before_training(experiment):
    experiment.configure(dataset={"max_damaged": 0})

    outcome = experiment.fail("results/summary/comparison.md")

    assert "2 of 16 clips are damaged (12.5%); dataset.max_damaged allows 0.0%" in outcome.output
    assert f"{CUT}: " in outcome.output and f"{SPOILED}: " in outcome.output
    assert "train" not in outcome.rules
