"""Find the face of each clip's student in every frame."""

from pathlib import Path

from clip_caer.caching.shards import open_shard, shard_faces
from clip_caer.device import find_device
from clip_caer.faces.detector import load_detector
from clip_caer.faces.weights import check_released
from clip_caer.files import write_parquet
from job import job, recorded

params, given = snakemake.params, snakemake.input
run_key, number = f"faces@{snakemake.wildcards.fp}", int(snakemake.wildcards.shard)
with job(snakemake), recorded(snakemake, snakemake.output.record, run_key, shard=number) as record:
    shard = open_shard(given.shard, given.boxes, given.frames, params.folder, params.frame_count)
    if not snakemake.config["faces"]["weights"]:
        check_released(params.detector["detector"], Path(given.weights))
    device = find_device(params.device)
    detector = load_detector(weights=Path(given.weights), **params.detector, device=device, threads=snakemake.threads)
    faces = shard_faces(shard, detector, params.fill_gap)
    write_parquet(faces, snakemake.output.faces, fingerprint=snakemake.wildcards.fp, clips=shard.digest)
    record.counts = {"clips": len(shard.clips), "frames": len(faces), "frames_with_face": int(faces["found"].sum())}
