"""Train a model on a split with all seeds, on cached features or, where the image encoder learns, crops."""

from pathlib import Path

import polars as pl

from clip_caer.device import find_device
from clip_caer.experiment import clips_of_roles, model_builder, open_stores, with_stores
from clip_caer.files import read_parquet, sha256_file, write_parquet
from clip_caer.fingerprints import fingerprint
from clip_caer.learning.clips import shuffled
from clip_caer.learning.training import Training, train
from clip_caer.store import open_tensors, save_tensors
from job import job, recorded

params, wildcards = snakemake.params, snakemake.wildcards
settings = params.settings


def kept(record):
    """Where a seed's state is kept until all seeds are done: a job that dies is begun anew with none of its outputs."""
    return Path(record).with_name("unfinished.safetensors")


with job(snakemake):
    kind, device = settings["store"], find_device(params.device)
    stores = open_stores(kind, {view: snakemake.input[view] for view in settings["views"]}, params.stores, device)
    clips, split = read_parquet(snakemake.input.clips), read_parquet(snakemake.input.split)
    select_on = settings["train"]["select_on"]
    roles = {
        role: with_stores(clips_of_roles(clips, split, [role]), stores, settings["classes"], kind)
        for role in ("train", select_on)
    }
    digest = sha256_file(snakemake.input.split)[:10]
    caches = [open_tensors(path)[1]["checksum"] for view in settings["views"] for path in snakemake.input[view]]
    run = fingerprint(params.fingerprint, digest, caches)
    datasets = [{"name": wildcards.split, "digest": digest, "role": role} for role in roles]
    build = model_builder(params.encoder, settings, params.text_file, device)
    for number, seed in enumerate(params.seeds):
        run_key = f"train/{wildcards.model}/{wildcards.split}/seed {seed}@{params.fingerprint}"
        path = snakemake.output.records[number]
        with recorded(snakemake, path, run_key, parent=params.parent, params=settings) as record:
            keep = kept(path) if kind == "crops" else None
            classes = len(settings["classes"])
            shown = roles.values()
            if settings["train"]["labels"] == "shuffled":
                shown = [shuffled(clips, seed) for clips in shown]
            if settings["checkpoint"]:
                trained = Training()  # nothing to learn: the checkpoint is evaluated as it is
            else:
                trained = train(build, *shown, classes, settings["train"], seed, keep, run)
            header = {**wildcards, "seed": seed, "fingerprint": params.fingerprint}
            save_tensors(trained.learned, header, snakemake.output.weights[number])
            write_parquet(pl.DataFrame(trained.history), snakemake.output.history[number])
            told = [{key.replace("val/", f"{select_on}/"): epoch[key] for key in epoch} for epoch in trained.history]
            record.history = [{"step": epoch["epoch"], "metrics": epoch} for epoch in told]
            if told:
                record.metrics = {"best_epoch": trained.best_epoch, **told[trained.best_epoch - 1]}
            record.datasets = datasets
            record.tags = {
                **wildcards,
                "kind": settings["kind"],
                "seed": str(seed),
                "selected_on": settings["selected_on"],
            }
    for path in snakemake.output.records:
        kept(path).unlink(missing_ok=True)
