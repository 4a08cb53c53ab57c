"""Write down what each ablation's runs were made with, so that they can be used on other videos."""

from clip_caer.trained.settings import write_settings
from job import job

with job(snakemake):
    for made_with, path in zip(snakemake.params.made_with, snakemake.output, strict=True):
        write_settings(made_with, path)
