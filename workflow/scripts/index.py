"""Read the dataset, check it as a whole, and list its clips."""

from pathlib import Path

from clip_caer.dataset import read_dataset, write_index
from clip_caer.files import sha256_file
from clip_caer.pictures.video import find_ffmpeg
from clip_caer.protocol.splits import make_splits
from job import job, recorded

run_key = f"index@{snakemake.params.fingerprint}"
with job(snakemake), recorded(snakemake, snakemake.output.record, run_key) as record:
    dataset = read_dataset(snakemake.params.dataset)
    # Dealt anew when it is known which clips are damaged; what cannot be dealt at all is told before any work.
    make_splits(dataset.clips, snakemake.config["protocols"])
    folder = Path(snakemake.output.clips).parent
    ffmpeg = find_ffmpeg(snakemake.params.ffmpeg)
    clips = write_index(dataset, snakemake.params.dataset["shards"], folder, ffmpeg, workers=snakemake.threads)
    record.counts = {
        "clips": len(clips),
        "students": clips["subject"].n_unique(),
        "frames": int(clips["n_frames"].sum()),
        "damaged": int((clips["status"] == "damaged").sum()),
    }
    record.datasets = [{"name": "index", "digest": sha256_file(snakemake.output.clips)[:10], "role": "all"}]
    record.artifacts = [Path(snakemake.output.clips).name]
