"""Everything that the report shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from clip_caer.comparison.wording import protocol_names
from clip_caer.figures import (
    comparison_figure,
    confusions_figure,
    pairs_figure,
    reliability_figure,
    strata_figure,
    students_figure,
    training_figure,
)


@dataclass(frozen=True)
class Evidence:
    """The tables of results, values in 0–1; a table may be empty.

    comparison: protocol, model, kind, metric, value, low, high, sd, clips, subjects, seeds, few_students,
      selected_on, students_shared; and, where known, ceiling, quoted.
    pairs: protocol, a, b, metric, difference, low, high, p, p_holm, mcnemar_p.
    calibration: protocol, model, temperature, and nll, brier, ece, soft_nll, soft_brier, each _before and _after.
    reliability: protocol, model, state, low, high, confidence, accuracy, clips.
    strata: protocol, model, stratum, level, uar, war, clips, subjects.
    leakage: split, roles, students, settings, clips, same_files. near_duplicates: split, roles, clip_a, clip_b,
      subject_a, subject_b, similarity, same_file.
    history: model, split, seed, epoch, train/loss, val/loss, val/uar.
    confusions: (protocol, model) → clips [K, K], mean over seeds; classes: names of the K classes.
    """

    classes: Sequence[str]
    comparison: pl.DataFrame
    pairs: pl.DataFrame
    calibration: pl.DataFrame
    reliability: pl.DataFrame
    strata: pl.DataFrame
    leakage: pl.DataFrame
    near_duplicates: pl.DataFrame
    history: pl.DataFrame
    confusions: Mapping[tuple[str, str], np.ndarray]


def draw(evidence: Evidence) -> dict[str, Figure]:
    """Every picture of the report by the name of its file: comparison, pairs, students, training; and for every
    protocol confusion-, reliability-, strata-{protocol}. What has no rows has no picture.
    """
    comparison = evidence.comparison
    figures = {"comparison": comparison_figure(comparison)}
    if len(evidence.pairs):
        figures["pairs"] = pairs_figure(evidence.pairs, comparison)
    if "subject" in evidence.strata["stratum"]:
        figures["students"] = students_figure(evidence.strata, comparison)
    if len(evidence.history):
        figures["training"] = training_figure(evidence.history, comparison)
    for protocol in protocol_names(comparison):
        figures[f"confusion-{protocol}"] = confusions_figure(
            evidence.confusions, evidence.classes, comparison, protocol
        )
        if protocol in evidence.reliability["protocol"]:
            tables = evidence.reliability, evidence.calibration
            figures[f"reliability-{protocol}"] = reliability_figure(*tables, comparison, protocol)
        parts = evidence.strata.filter(pl.col("stratum").is_in(["setting", "face_rate"]), protocol=protocol)
        if len(parts):
            figures[f"strata-{protocol}"] = strata_figure(parts, comparison, protocol)
    return figures
