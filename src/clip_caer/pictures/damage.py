"""Damaged clips are left out and counted; too many of them stop the run."""

from collections.abc import Iterable

import polars as pl

from clip_caer.errors import UserError


def usable_clips(clips: pl.DataFrame, found_damaged: Iterable[dict[str, str]], max_damaged: float) -> pl.DataFrame:
    """clip_id, status and message of every clip of the index, after all that was tried with it.

    found_damaged: {clip id: message} of the damaged clips of each cache file.
    Raises UserError that lists the damaged clips if they are more than `max_damaged`, a share in 0–1.
    """
    damaged = dict(clips.filter(pl.col("status") == "damaged").select("clip_id", "message").iter_rows())
    for messages in found_damaged:
        damaged |= messages
    table = clips.select("clip_id").with_columns(
        pl.col("clip_id").replace_strict(damaged, default=None, return_dtype=pl.String).alias("message")
    )
    share = len(damaged) / max(len(clips), 1)
    if share > max_damaged:
        listed = "\n".join(f"  - {clip_id}: {message}" for clip_id, message in sorted(damaged.items())[:20])
        raise UserError(
            f"{len(damaged)} of {len(clips)} clips are damaged ({share:.1%}); dataset.max_damaged allows "
            f"{max_damaged:.1%}:\n{listed}\nMend or remove them, or raise dataset.max_damaged."
        )
    status = pl.when(pl.col("message").is_null()).then(pl.lit("ok")).otherwise(pl.lit("damaged"))
    return table.select("clip_id", status.alias("status"), "message")
