"""Encode one view of a shard with CLIP: all frames, all variants."""

from pathlib import Path

import polars as pl

from clip_caer.encoder import ImageEncoder, find_device, load_clip
from clip_caer.features import encode_clips, write_features
from clip_caer.shards import Shard, crop_loader
from job import job, recorded

params, given, wildcards = snakemake.params, snakemake.input, snakemake.wildcards
fp, view = wildcards.fp, wildcards.view
run_key, number = f"features/{view}@{fp}", int(wildcards.shard)
with job(snakemake), recorded(snakemake, snakemake.output.record, run_key, shard=number) as record:
    frames = Path(given.frames) if given.frames else None
    shard = Shard(
        pl.read_parquet(given.shard), pl.read_parquet(given.boxes), Path(params.folder), frames, params.frame_count
    )
    clip = params.clip
    encoder = ImageEncoder(load_clip(clip["model"], clip["pretrained"], clip["precision"], find_device(params.device)))
    load = crop_loader(shard, pl.read_parquet(given.faces), view, params.view, encoder.image_size)
    clips = [(clip["clip_id"], clip["sha256"]) for clip in shard.clips]
    table = encode_clips(clips, load, encoder, params.clip["batch"])
    table.damaged.update(shard.damaged)
    write_features(table, snakemake.output.features, fp, view)
    record.counts = {
        "clips": len(table.clip_ids),
        "frames": len(table.found),
        "crops": table.features.shape[1] * int(table.found.sum()),
        "damaged": len(table.damaged),
    }
