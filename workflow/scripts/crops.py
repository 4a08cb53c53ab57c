"""Crop one view of a shard, for an image encoder that learns."""

from clip_caer.caching.crop_store import write_crops
from clip_caer.caching.shards import crop_loader, open_shard, read_faces
from clip_caer.encoder import image_size
from job import job, recorded

params, given = snakemake.params, snakemake.input
fp, view = snakemake.wildcards.fp, snakemake.wildcards.view
run_key, number = f"crops/{view}@{fp}", int(snakemake.wildcards.shard)
with job(snakemake), recorded(snakemake, snakemake.output.record, run_key, shard=number) as record:
    size = image_size(params.model)
    shard = open_shard(given.shard, given.boxes, given.frames, params.folder, params.frame_count, params.order)
    load = crop_loader(shard, read_faces(given.faces, shard), view, params.view, size)
    record.counts = write_crops(shard.contents, load, size, snakemake.output.crops, fp, view, shard.damaged)
