"""Publish records to MLflow."""

from pathlib import Path

from clip_caer.files import write_json
from clip_caer.tracking import publish
from job import job

with job(snakemake):
    params = snakemake.params
    published = publish(Path(snakemake.config["results"]), params.experiment, params.uri)
    if snakemake.rule == "publish":
        write_json(published._asdict(), snakemake.output[0])
