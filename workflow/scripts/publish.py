"""Publish records to MLflow."""

import os
from pathlib import Path

from clip_caer.files import write_json
from clip_caer.tracking.publish import publish
from job import job

with job(snakemake):
    config = snakemake.config
    published = publish(Path(config["results"]), config["experiment"], os.environ.get("CLIP_CAER_TRACKING_URI"))
    if snakemake.rule == "publish":
        write_json(published._asdict(), snakemake.output[0])
