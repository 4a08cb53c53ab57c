"""Where a model is right: scores within classes, settings, students, and by how often the face was found."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from clip_caer.protocol.evaluation import uar, war
from clip_caer.statistics.replicates import number

STRATA = ("class", "setting", "subject", "face_rate", "frames")
FACE_RATES = ("none", "up to half", "over half", "all")
FRAMES = ("with a face", "without a face")
SCHEMA = {
    **dict.fromkeys(["protocol", "model", "stratum", "level"], pl.String),
    **dict.fromkeys(["uar", "war"], pl.Float64),
    **dict.fromkeys(["clips", "subjects"], pl.Int64),
}


def strata_table(
    pooled: Mapping[tuple[str, str], pl.DataFrame], classes: Sequence[str], faces: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Scores within strata: protocol, model, stratum, level, uar, war, clips, subjects.

    pooled: (protocol, model) → prediction table. faces: clip_id, frames, found (how many of the clip's frames have a
    face), or None. stratum: class, setting, subject and, with `faces`, face_rate (a clip's share of frames with a face:
    none | up to half | over half | all) and frames (with a face | without a face: each frame counts with the prediction
    of its clip). uar, war: in 0–1, the mean over replicates; uar over the classes that the level has. A clip without
    what a stratum asks for (a setting, frames) is left out of it.
    """
    parts = [pl.DataFrame(schema=SCHEMA)]
    for (protocol, model), predictions in pooled.items():
        numbered = number(predictions, classes)
        levels = _levels(numbered.filter(replicate=0), faces)
        scored = _scores(numbered.join(levels, on="clip_id"), classes)
        parts.append(scored.select(pl.lit(protocol).alias("protocol"), pl.lit(model).alias("model"), pl.all()))
    return pl.concat(parts)


def _levels(clips: pl.DataFrame, faces: pl.DataFrame | None) -> pl.DataFrame:
    """clip_id, stratum, level, weight: a row for each level that a clip belongs to, and how much it counts there."""
    strata = {"class": "label", "setting": "setting", "subject": "subject"}
    parts = [_level(clips, stratum, pl.col(column).cast(pl.String)) for stratum, column in strata.items()]
    if faces is not None:
        faces = faces.filter(pl.col("frames") > 0)
        rate = pl.col("found") / pl.col("frames")
        none, up_to_half, over_half, every = FACE_RATES
        level = pl.when(rate == 0).then(pl.lit(none)).when(rate <= 0.5).then(pl.lit(up_to_half))
        parts.append(_level(faces, "face_rate", level.when(rate < 1).then(pl.lit(over_half)).otherwise(pl.lit(every))))
        parts.append(_level(faces, "frames", pl.lit(FRAMES[0]), pl.col("found")))
        parts.append(_level(faces, "frames", pl.lit(FRAMES[1]), pl.col("frames") - pl.col("found")))
    return pl.concat(parts).filter(pl.col("level").is_not_null(), pl.col("weight") > 0)


def _level(rows: pl.DataFrame, stratum: str, level: pl.Expr, weight: pl.Expr | None = None) -> pl.DataFrame:
    weight = pl.lit(1) if weight is None else weight
    return rows.select("clip_id", stratum=pl.lit(stratum), level=level, weight=weight.cast(pl.Float64))


def _scores(rows: pl.DataFrame, classes: Sequence[str]) -> pl.DataFrame:
    """stratum, level, uar, war, clips, subjects from numbered predictions with their stratum, level and weight."""
    order = {name: place for place, name in enumerate([*classes, *FACE_RATES, *FRAMES])}  # all others by name
    levels = (
        rows.group_by("stratum", "level", maintain_order=True)
        .agg(clips=pl.col("clip_id").n_unique().cast(pl.Int64), subjects=pl.col("subject").n_unique().cast(pl.Int64))
        .sort(
            pl.col("stratum").replace_strict({name: place for place, name in enumerate(STRATA)}),
            pl.col("level").replace_strict(order, default=0),
            "level",
        )
        .with_row_index("cell")
    )
    rows = rows.join(levels.select("stratum", "level", "cell"), on=["stratum", "level"])
    shape = (len(levels), rows["replicate"].max() + 1, len(classes), len(classes))
    cells = np.ravel_multi_index([rows[name].to_numpy() for name in ("cell", "replicate", "true", "guess")], shape)
    confusions = np.bincount(cells, rows["weight"].to_numpy(), np.prod(shape)).reshape(shape)
    scored = levels.with_columns(uar=uar(confusions).mean(1), war=war(confusions).mean(1))
    return scored.select("stratum", "level", "uar", "war", "clips", "subjects")
