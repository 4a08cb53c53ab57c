"""Make a trained run one file."""

from clip_caer.trained.file import write_model
from clip_caer.trained.run import open_packed
from job import job

with job(snakemake):
    write_model(open_packed(snakemake.params.run), snakemake.output[0])
