"""Decode the videos of a shard, once."""

from clip_caer.files import read_parquet
from clip_caer.pictures.frames import extract_shard
from clip_caer.pictures.video import find_ffmpeg
from job import job, recorded

params, wildcards = snakemake.params, snakemake.wildcards
run_key, number = f"frames@{wildcards.fp}", int(wildcards.shard)
with job(snakemake), recorded(snakemake, snakemake.output.record, run_key, shard=number) as record:
    shard = read_parquet(snakemake.input.shard)
    ffmpeg = find_ffmpeg(params.ffmpeg)
    clips = extract_shard(shard, params.folder, snakemake.output.frames, params.frame_count, ffmpeg, wildcards.fp)
    record.counts = {
        "clips": len(clips),
        "frames": int(clips["n_frames"].sum()),
        "damaged": int((clips["status"] == "damaged").sum()),
    }
