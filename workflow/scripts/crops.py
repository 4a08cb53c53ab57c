"""Crop one view of a shard, for an image encoder that learns."""

import polars as pl

from clip_caer.crop_store import write_crops
from clip_caer.encoder import image_size
from clip_caer.shards import crop_loader
from job import job, open_shard, recorded

params, fp, view = snakemake.params, snakemake.wildcards.fp, snakemake.wildcards.view
run_key, number = f"crops/{view}@{fp}", int(snakemake.wildcards.shard)
with job(snakemake), recorded(snakemake, snakemake.output.record, run_key, shard=number) as record:
    shard, size = open_shard(snakemake), image_size(params.encoder["model"])
    load = crop_loader(shard, pl.read_parquet(snakemake.input.faces), view, params.view, size)
    record.counts = write_crops(shard.contents, load, size, snakemake.output.crops, fp, view, shard.damaged)
