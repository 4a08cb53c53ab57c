"""Write down what each ablation's runs were made with, so that they can be used on other videos."""

from pathlib import Path

from clip_caer.files import sha256_file, write_json
from job import job

with job(snakemake):
    for made_with, output in zip(snakemake.params.made_with, snakemake.output, strict=True):
        places = [Path(place) for place in (*made_with["files"], made_with["faces"]["weights"])]
        files = [file for place in places for file in (sorted(place.iterdir()) if place.is_dir() else [place])]
        write_json(made_with | {"files": {str(file): sha256_file(file) for file in files}}, output)
