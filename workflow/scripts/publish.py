"""Publish records to MLflow."""

from pathlib import Path

from clip_caer.files import write_json
from clip_caer.tracking import publish
from job import job

with job(snakemake):
    config = snakemake.config  # the tracking uri may hold a password; it stays out of what snakemake keeps of a job
    published = publish(Path(config["results"]), config["experiment"], config["tracking"]["uri"])
    if snakemake.rule == "publish":
        write_json(published._asdict(), snakemake.output[0])
