"""Leave damaged clips out, and deal the others into train, val and test."""

from pathlib import Path

from clip_caer.files import read_parquet, write_parquet
from clip_caer.pictures.damage import usable_clips
from clip_caer.protocol.splits import make_splits
from clip_caer.store import read_damaged
from job import job

with job(snakemake):
    damaged = [read_damaged(path) for path in snakemake.input.stores]
    clips = read_parquet(snakemake.input.clips)
    usable = usable_clips(clips, damaged, snakemake.params.max_damaged)
    write_parquet(usable, snakemake.output.usable)
    clips = clips.join(usable.filter(status="ok"), on="clip_id", how="semi", maintain_order="left")
    splits = make_splits(clips, snakemake.params.protocols).values()
    for path, table in zip(snakemake.output.splits, splits, strict=True):
        write_parquet(table, Path(path))
