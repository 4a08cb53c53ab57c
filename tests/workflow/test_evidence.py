"""What a reviewer looks for first: leaks are found and named, from the sheet to the report."""

import shutil

from experiments import draw_clips, set_up, write_sheet

LABELS = ["calm", "keen"]
SHEET = [  # s3 and s4 stand in test alone
    {"video": f"{student}/{label}.mp4", "label": label, "subject": student, "split": split}
    for student, split in [("s1", "train"), ("s2", "train"), ("s3", "test"), ("s4", "test")]
    for label in LABELS
]


def test_a_test_student_copied_into_train_is_named(tmp_path, model, weights):
    data = tmp_path / "data"
    draw_clips(data, SHEET)
    shutil.copytree(data / "s3", data / "copy")
    copies = [row | {"video": f"copy/{row['label']}.mp4", "split": "train"} for row in SHEET if row["subject"] == "s3"]
    write_sheet(data, [*SHEET, *copies])
    experiment = set_up(
        tmp_path,
        model,
        weights,
        dataset={"reader": "csv", "path": "data/clips.csv", "label_sets": {"fine": LABELS}, "shards": 1},
        protocols={"official": {"seed": 1}},  # makes s1 the student of val
        ablations={"face": {"views": ["face"]}},
    )

    experiment.run("results/summary/comparison.md", "results/summary/near_duplicates.parquet")

    pairs = experiment.table("summary/near_duplicates.parquet").filter(same_file=True)
    expected = [("train-test", f"copy/{label}", f"s3/{label}") for label in LABELS]
    assert pairs.select("roles", "clip_a", "clip_b").rows() == expected
    report = (experiment.results / "summary/report.html").read_text()
    assert "1 of 2 test students also stand in train: s3" in report and "copy/calm ≈ s3/calm" in report
    assert "official (students shared)" in (experiment.results / "summary/comparison.md").read_text()
