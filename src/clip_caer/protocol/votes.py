"""Votes: how many annotators chose each label, where the dataset says so."""

import polars as pl


def vote_shares(clips: pl.DataFrame) -> pl.Series:
    """The votes of each clip of the index as shares that sum to 1, in the order of the classes; null without votes."""
    return clips.select(pl.col("votes") / pl.col("votes").list.sum()).to_series()
