"""Train prompts, temporal encoders and fusion on cached features: all seeds of an ablation and a split."""

import polars as pl
from safetensors.torch import save_file

from clip_caer.experiment import clips_of_roles, model_builder, with_features
from clip_caer.features import read_features
from clip_caer.files import atomic, sha256_file, write_parquet
from clip_caer.training import train
from job import job, recorded

params, wildcards = snakemake.params, snakemake.wildcards
settings = params.settings
with job(snakemake):
    tables = {view: read_features(snakemake.input[view], params.features[view], view) for view in settings["views"]}
    clips, split = pl.read_parquet(snakemake.input.clips), pl.read_parquet(snakemake.input.split)
    roles = {
        role: with_features(clips_of_roles(clips, split, [role]), tables, settings["classes"])
        for role in ("train", "val")
    }
    digest = sha256_file(snakemake.input.split)[:10]
    datasets = [{"name": wildcards.split, "digest": digest, "role": role} for role in ("train", "val")]
    build = model_builder(params.clip, settings, params.text_file)
    for number, seed in enumerate(params.seeds):
        run_key = f"train/{wildcards.ablation}/{wildcards.split}/seed {seed}@{params.fingerprint}"
        path = snakemake.output.records[number]
        with recorded(snakemake, path, run_key, parent=params.parent, params=settings) as record:
            trained = train(build, roles["train"], roles["val"], settings["train"], seed)
            with atomic(snakemake.output.weights[number]) as temporary:
                save_file(trained.learned, temporary)
            write_parquet(pl.DataFrame(trained.history), snakemake.output.history[number])
            record.history = [{"step": epoch["epoch"], "metrics": epoch} for epoch in trained.history]
            record.metrics = {"best_epoch": trained.best_epoch, **trained.history[trained.best_epoch - 1]}
            record.datasets = datasets
            record.tags = {"ablation": wildcards.ablation, "split": wildcards.split, "seed": str(seed)}
