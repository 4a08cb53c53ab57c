"""Find the face of each clip's student in every frame."""

from pathlib import Path

import polars as pl

from clip_caer.encoder import find_device
from clip_caer.faces.detector import load_detector
from clip_caer.files import write_parquet
from clip_caer.shards import Shard, shard_faces
from job import job, recorded

params, given, wildcards = snakemake.params, snakemake.input, snakemake.wildcards
run_key, number = f"faces@{wildcards.fp}", int(wildcards.shard)
with job(snakemake), recorded(snakemake, snakemake.output.record, run_key, shard=number) as record:
    frames = Path(given.frames) if given.frames else None
    shard = Shard(
        pl.read_parquet(given.shard), pl.read_parquet(given.boxes), Path(params.folder), frames, params.frame_count
    )
    detector = load_detector(
        weights=Path(given.weights), **params.detector, device=find_device(params.device), threads=snakemake.threads
    )
    faces = shard_faces(shard, detector, params.fill_gap)
    write_parquet(faces, snakemake.output.faces)
    record.counts = {"clips": len(shard.clips), "frames": len(faces), "frames_with_face": int(faces["found"].sum())}
