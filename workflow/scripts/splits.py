"""Deal the usable clips into train, val and test."""

from pathlib import Path

import polars as pl

from clip_caer.files import write_parquet
from clip_caer.splits import make_splits
from job import job

with job(snakemake):
    usable = pl.read_parquet(snakemake.input.usable).filter(pl.col("status") == "ok")
    clips = pl.read_parquet(snakemake.input.clips).join(usable.select("clip_id"), on="clip_id", how="semi")
    for path, table in zip(snakemake.output, make_splits(clips, snakemake.params.protocols).values(), strict=True):
        write_parquet(table, Path(path))
