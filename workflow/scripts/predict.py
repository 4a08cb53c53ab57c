"""Predictions of all videos as one table."""

from pathlib import Path

import polars as pl

from clip_caer.files import read_parquet
from clip_caer.predicting.videos import write_predictions
from job import job

with job(snakemake):
    tables = [read_parquet(Path(folder, "predictions.parquet")) for folder in snakemake.input]
    write_predictions(pl.concat(tables).sort("video", maintain_order=True), Path(snakemake.output[0]).parent)
