"""Which clips came through to features; too many damaged ones stop the run here."""

import polars as pl

from clip_caer.damage import usable_clips
from clip_caer.files import write_parquet
from clip_caer.store import read_damaged
from job import job

with job(snakemake):
    damaged = [read_damaged(path) for path in snakemake.input.stores]
    clips = pl.read_parquet(snakemake.input.clips)
    write_parquet(usable_clips(clips, damaged, snakemake.params.max_damaged), snakemake.output.usable)
