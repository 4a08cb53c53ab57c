"""Fetch the face detector's released weights."""

from pathlib import Path

from clip_caer.faces.weights import fetch_weights
from job import job

with job(snakemake):
    fetch_weights(snakemake.params.detector, Path(snakemake.output[0]))
