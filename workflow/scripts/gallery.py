"""What a run looked at in its surest hits and misses."""

from pathlib import Path

from clip_caer.explaining.clips import best, cases_of_run, worst
from clip_caer.explaining.gallery import write_gallery
from clip_caer.trained.run import open_run
from job import job

with job(snakemake):
    run, gallery = Path(snakemake.params.run), snakemake.params.gallery
    chosen = [*best(run, gallery["clips"]), *worst(run, gallery["clips"])]
    write_gallery(cases_of_run(run, chosen), open_run(run), Path(snakemake.output[0]), gallery["anonymise"])
