"""What somebody should know of a dataset before training on it."""

from collections.abc import Sequence

import polars as pl

RARE = 3  # students of a class; with fewer, no student-disjoint training, validation and test have one each
SHORT = 16  # frames; the model is shown as many


def findings(clips: pl.DataFrame, classes: Sequence[str]) -> list[str]:
    """Sentences, the gravest first; clips: the survey."""
    sound = clips.filter(status="ok")
    found = []
    damaged = len(clips) - len(sound)
    if damaged:
        found.append(f"{damaged} of {len(clips)} clips are damaged ({damaged / len(clips):.1%}) and will be left out.")
    for name in classes:
        students = sound.filter(label=name)["subject"].n_unique()
        if students < RARE:
            found.append(
                f"The class {name} is shown by {students} student{'' if students == 1 else 's'}: too few for it to be "
                "learned from some and tested on others."
            )
    roles = sound.filter(pl.col("role").is_not_null()).group_by("subject").agg(pl.col("role").unique())
    shared = roles.filter(pl.col("role").list.contains("train") & pl.col("role").list.contains("test"))
    if len(shared):
        found.append(
            f"{len(shared)} of {len(roles)} students stand in both train and test of the official split: what it "
            "measures includes knowing the student. Use the protocol subject_kfold beside it."
        )
    counts = sound.group_by("label").len().sort("len")
    if len(counts) > 1 and counts["len"][-1] >= 5 * counts["len"][0]:
        least, most = counts.row(0), counts.row(-1)
        found.append(
            f"Classes are uneven: {most[1]} clips of {most[0]}, {least[1]} of {least[0]}. Look at UAR, not at accuracy."
        )
    short = sound.filter(pl.col("n_frames") < SHORT)
    if len(short):
        found.append(f"{len(short)} clips have fewer than {SHORT} frames; the model is shown some of them twice.")
    if sound.select("width", "height").n_unique() > 1:
        found.append("Pictures are of several sizes; a margin in pixels around the face does not mean the same in all.")
    alone = sound.group_by("subject").agg(pl.col("label").n_unique()).filter(pl.col("label") == 1)
    if len(alone):
        found.append(
            f"{len(alone)} of {sound['subject'].n_unique()} students show one class only: the student tells the label."
        )
    return found
