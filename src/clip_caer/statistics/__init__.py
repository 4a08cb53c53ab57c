"""Statistics as pure functions over prediction tables; this is the door for notebooks.

A prediction table holds the test predictions of one model under one protocol, all folds, seeds and repeats of folds
together: clip_id, subject, setting, label, predicted, probability and votes (lists in the order of the classes),
temperature, seed and, where folds were drawn several times, repeat. A *replicate* is the clips of one (repeat, seed),
each clip once. A score is computed in each replicate and averaged over them. Scores are in 0–1.

    from clip_caer import statistics

    classes = ["neutrality", "enjoyment", "confusion", "fatigue", "distraction"]
    fused, face = pl.read_parquet("fused.parquet"), pl.read_parquet("face.parquet")
    statistics.interval_table(fused, classes)
    statistics.compare_pairs({("official", "fused"): fused, ("official", "face"): face}, classes)
    statistics.rarest(fused, classes)
"""

from clip_caer.statistics.calibration import (
    add_temperature,
    apply_temperature,
    brier,
    calibration_table,
    ece,
    fit_temperature,
    nll,
    reliability_table,
)
from clip_caer.statistics.differences import compare_pairs
from clip_caer.statistics.intervals import FEW_STUDENTS, interval_table
from clip_caer.statistics.rarest import rarest
from clip_caer.statistics.replicates import student_confusions
from clip_caer.statistics.strata import strata_table

__all__ = [
    "FEW_STUDENTS",
    "add_temperature",
    "apply_temperature",
    "brier",
    "calibration_table",
    "compare_pairs",
    "ece",
    "fit_temperature",
    "interval_table",
    "nll",
    "rarest",
    "reliability_table",
    "strata_table",
    "student_confusions",
]
