"""Say what stands in two roles of a split: students, settings, files, and clips that are nearly the same."""

from clip_caer.experiment import open_stores
from clip_caer.files import read_parquet, write_parquet
from clip_caer.leakage import leakage_tables
from job import job

params = snakemake.params
with job(snakemake):
    splits = {split: read_parquet(path) for split, path in zip(params.splits, snakemake.input.splits, strict=True)}
    stores = open_stores("features", {view: snakemake.input[view] for view in params.stores}, params.stores)
    leakage, near_duplicates = leakage_tables(read_parquet(snakemake.input.clips), splits, stores)
    write_parquet(leakage, snakemake.output.leakage)
    write_parquet(near_duplicates, snakemake.output.near_duplicates)
