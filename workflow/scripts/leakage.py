"""Say what stands in two roles of a split: students, settings, files, and clips that are nearly the same."""

from functools import partial

from clip_caer.caching.features import read_features
from clip_caer.files import read_parquet, write_parquet
from clip_caer.protocol.leakage import leakage_tables
from job import job

params = snakemake.params
with job(snakemake):
    splits = {split: read_parquet(path) for split, path in zip(params.splits, snakemake.input.splits, strict=True)}
    shards = {
        view: [partial(read_features, [path], fingerprint, view) for path in snakemake.input[view]]
        for view, fingerprint in params.stores.items()
    }
    leakage, near_duplicates = leakage_tables(read_parquet(snakemake.input.clips), splits, shards)
    write_parquet(leakage, snakemake.output.leakage)
    write_parquet(near_duplicates, snakemake.output.near_duplicates)
