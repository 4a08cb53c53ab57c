"""Train prompts, temporal encoders and fusion on cached features: all seeds of an ablation and a split."""

import polars as pl
from job import job, recorded
from safetensors.torch import save_file

from clip_caer.experiment import clips_of_roles, model_builder, with_features
from clip_caer.features import read_features
from clip_caer.files import atomic, write_parquet
from clip_caer.training import train

params, wildcards = snakemake.params, snakemake.wildcards
settings = params.settings
with job(snakemake):
    tables = {view: read_features(snakemake.input[view], params.features[view], view) for view in settings["views"]}
    clips, split = pl.read_parquet(snakemake.input.clips), pl.read_parquet(snakemake.input.split)
    roles = {
        role: with_features(clips_of_roles(clips, split, [role]), tables, settings["classes"])
        for role in ("train", "val")
    }
    build = model_builder(params.clip, settings, params.text_file)
    for number, seed in enumerate(params.seeds):
        coordinates = f"{wildcards.ablation} · {wildcards.split} · seed {seed}"
        path = snakemake.output.records[number]
        with recorded(snakemake, path, coordinates, params.fingerprint, params=settings) as record:
            trained = train(build, roles["train"], roles["val"], settings["train"], seed)
            with atomic(snakemake.output.weights[number]) as temporary:
                save_file(trained.learned, temporary)
            write_parquet(pl.DataFrame(trained.history), snakemake.output.history[number])
            record.history = [{"step": epoch["epoch"], "metrics": epoch} for epoch in trained.history]
            record.metrics = {"best_epoch": trained.best_epoch, **trained.history[trained.best_epoch - 1]}
            record.tags = {"ablation": wildcards.ablation, "split": wildcards.split, "seed": str(seed)}
