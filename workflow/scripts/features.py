"""Encode one view of a shard with CLIP: all frames, all variants."""

from clip_caer.caching.features import encode_clips, write_features
from clip_caer.caching.shards import crop_loader, open_shard, read_faces
from clip_caer.device import find_device
from clip_caer.encoder import ImageEncoder, load_clip
from job import job, recorded

params, given = snakemake.params, snakemake.input
fp, view = snakemake.wildcards.fp, snakemake.wildcards.view
run_key, number = f"features/{view}@{fp}", int(snakemake.wildcards.shard)
with job(snakemake), recorded(snakemake, snakemake.output.record, run_key, shard=number) as record:
    settings = params.encoder
    shard = open_shard(given.shard, given.boxes, given.frames, params.folder, params.frame_count, params.order)
    clip = load_clip(settings["model"], settings["pretrained"], settings["precision"], find_device(params.device))
    encoder = ImageEncoder(clip, settings["normalise"])
    load = crop_loader(shard, read_faces(given.faces, shard), view, params.view, encoder.image_size)
    batch = snakemake.config["encoder"]["batch"]
    table = encode_clips(shard.contents, load, encoder, batch, readers=snakemake.threads)
    table.damaged.update(shard.damaged)
    write_features(table, snakemake.output.features, fp, view)
    record.counts = {
        "clips": len(table.clip_ids),
        "frames": len(table.found),
        "crops": table.features.shape[1] * int(table.found.sum()),
        "damaged": len(table.damaged),
    }
