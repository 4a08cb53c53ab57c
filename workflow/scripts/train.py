"""Train a model on a split with all seeds, on cached features or, where the image encoder learns, crops."""

from pathlib import Path

import polars as pl

from clip_caer.controls import shuffled
from clip_caer.encoder import find_device
from clip_caer.experiment import clips_of_roles, model_builder, open_stores, with_stores
from clip_caer.files import read_parquet, sha256_file, write_parquet
from clip_caer.store import save_tensors
from clip_caer.training import Trained, train
from job import job, recorded

params, wildcards = snakemake.params, snakemake.wildcards
settings = params.settings
with job(snakemake):
    kind, device = settings["store"], find_device(params.device)
    stores = open_stores(kind, {view: snakemake.input[view] for view in settings["views"]}, params.stores, device)
    clips, split = read_parquet(snakemake.input.clips), read_parquet(snakemake.input.split)
    roles = {
        role: with_stores(clips_of_roles(clips, split, [role]), stores, settings["classes"], kind)
        for role in ("train", settings["train"]["select_on"])
    }
    digest = sha256_file(snakemake.input.split)[:10]
    datasets = [{"name": wildcards.split, "digest": digest, "role": role} for role in roles]
    build = model_builder(params.encoder, settings, params.text_file, device)
    for number, seed in enumerate(params.seeds):
        run_key = f"train/{wildcards.model}/{wildcards.split}/seed {seed}@{params.fingerprint}"
        path = snakemake.output.records[number]
        with recorded(snakemake, path, run_key, parent=params.parent, params=settings) as record:
            keep = Path(path).with_name("unfinished.safetensors") if kind == "crops" else None
            classes = len(settings["classes"])
            shown = roles.values()
            if settings["train"]["labels"] == "shuffled":
                shown = [shuffled(clips, seed) for clips in shown]
            if settings["checkpoint"]:
                trained = Trained()  # nothing to learn: the checkpoint is evaluated as it is
            else:
                trained = train(build, *shown, classes, settings["train"], seed, keep, params.fingerprint)
            header = {**wildcards, "seed": seed, "fingerprint": params.fingerprint}
            save_tensors(trained.learned, header, snakemake.output.weights[number])
            write_parquet(pl.DataFrame(trained.history), snakemake.output.history[number])
            record.history = [{"step": epoch["epoch"], "metrics": epoch} for epoch in trained.history]
            if trained.history:
                record.metrics = {"best_epoch": trained.best_epoch, **trained.history[trained.best_epoch - 1]}
            record.datasets = datasets
            record.tags = {
                **wildcards,
                "kind": settings["kind"],
                "seed": str(seed),
                "selected_on": settings["selected_on"],
            }
