"""Read the dataset, check it as a whole, and list its clips."""

from pathlib import Path

from job import job, recorded

from clip_caer.dataset import read_dataset, write_index
from clip_caer.frames import find_ffmpeg

with job(snakemake), recorded(snakemake, snakemake.output.record, "", snakemake.params.fingerprint) as record:
    dataset = read_dataset(snakemake.params.dataset)
    folder = Path(snakemake.output.clips).parent
    ffmpeg = find_ffmpeg(snakemake.params.ffmpeg)
    clips = write_index(dataset, snakemake.params.dataset["shards"], folder, ffmpeg, workers=snakemake.threads)
    record.counts = {
        "clips": len(clips),
        "students": clips["subject"].n_unique(),
        "frames": int(clips["n_frames"].sum()),
        "damaged": int((clips["status"] == "damaged").sum()),
    }
    record.artifacts = [Path(snakemake.output.clips).name]
