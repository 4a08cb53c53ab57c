"""Publish records to MLflow."""

from pathlib import Path

from job import job

from clip_caer.files import write_json
from clip_caer.tracking import publish

with job(snakemake):
    params = snakemake.params
    published = publish(Path(params.results), params.experiment, params.uri)
    if snakemake.rule == "publish":
        write_json(published._asdict(), snakemake.output[0])
