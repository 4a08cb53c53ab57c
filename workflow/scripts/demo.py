"""Draw the demo's students."""

import shutil
from pathlib import Path

from clip_caer.demo.dataset import make_demo
from clip_caer.pictures.video import find_ffmpeg
from job import job

with job(snakemake):
    folder = Path(snakemake.output.sheet).parent
    make_demo(folder, **snakemake.params.demo, ffmpeg=find_ffmpeg(snakemake.params.ffmpeg), workers=snakemake.threads)
    shutil.move(folder / "demo_truth.json", snakemake.output.truth)
