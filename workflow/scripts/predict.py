"""Predictions of all videos as one table."""

from pathlib import Path

import polars as pl

from clip_caer.files import read_parquet
from clip_caer.showing.videos import write_predictions
from job import job

with job(snakemake) as tell:
    tables = [read_parquet(Path(folder, "predictions.parquet")) for folder in snakemake.input]
    table = pl.concat(tables).sort("video", maintain_order=True)
    write_predictions(table, Path(snakemake.output[0]).parent)
    for video, message in table.drop_nulls("message").select("video", "message").iter_rows():
        tell(f"{video} could not be used: {message}")
