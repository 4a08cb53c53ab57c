"""What a reviewer looks for first: leaks are found and named, from the sheet to the report."""

import shutil

import polars as pl

from experiments import SHEET, write_sheet

COPY = {"video": "room 3/copy.mp4", "label": "calm", "subject": "s5", "setting": "home", "split": "train"}


def test_a_test_student_copied_into_train_is_named(experiment):
    data = experiment.folder / "data"
    (data / "room 3").mkdir()
    shutil.copy(data / "room 1/5.mp4", data / COPY["video"])  # s5 stood in test alone
    write_sheet(data, [*SHEET, COPY])

    experiment.run()

    of_official = pl.col("split") == "official", pl.col("roles") == "train-test"
    pairs = experiment.table("summary/near_duplicates.parquet").filter(*of_official)
    assert ("room 3/copy", "room 1/5", True) in pairs.select("clip_a", "clip_b", "same_file").rows()
    for name in ("comparison.md", "report.html"):
        told = (experiment.results / "summary" / name).read_text()
        assert "test students also stand in train: s1, s5" in told  # s1 stands in both in SHEET
        assert "room 3/copy ≈ room 1/5" in told
