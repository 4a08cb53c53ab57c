"""Fetch the face detector's released weights."""

from pathlib import Path

from job import job

from clip_caer.faces.weights import fetch_weights

with job(snakemake):
    fetch_weights(snakemake.params.detector, Path(snakemake.output[0]))
