"""Predict the validation and test clips of a split with all seeds of an ablation."""

from math import isnan
from pathlib import Path

import polars as pl

from clip_caer.encoder import find_device
from clip_caer.evaluation import confusion_of, prediction_table, scores
from clip_caer.experiment import clips_of_roles, load_learned, model_builder, open_stores, with_stores
from clip_caer.figures import confusion_figure, save
from clip_caer.files import read_parquet, sha256_file, write_json, write_parquet
from clip_caer.store import read_tensors
from clip_caer.summary import stamped
from clip_caer.training import predict
from job import job, recorded

params, wildcards, output = snakemake.params, snakemake.wildcards, snakemake.output
settings = params.settings
classes = settings["classes"]
with job(snakemake):
    kind, device = settings["store"], find_device(params.device)
    stores = open_stores(kind, {view: snakemake.input[view] for view in settings["views"]}, params.stores)
    split = read_parquet(snakemake.input.split)
    rows = clips_of_roles(read_parquet(snakemake.input.clips), split, ["val", "test"])
    clips = with_stores(rows, stores, classes, kind)
    digest = sha256_file(snakemake.input.split)[:10]
    datasets = [{"name": wildcards.split, "digest": digest, "role": "test"}]
    build = model_builder(params.encoder, settings, params.text_file, device)
    for number, seed in enumerate(params.seeds):
        run_key = f"evaluate/{wildcards.ablation}/{wildcards.split}/seed {seed}@{params.fingerprint}"
        path = output.records[number]
        with recorded(snakemake, path, run_key, parent=params.parent, params=settings) as record:
            header = {**wildcards, "seed": seed, "fingerprint": params.fingerprint}
            model = load_learned(build(), read_tensors(snakemake.input.weights[number], **header))
            logits = predict(model, clips, settings["train"])
            predictions = prediction_table(rows, logits.numpy(), classes)
            confusion = confusion_of(predictions.filter(pl.col("role") == "test"), classes)
            found = {f"test/{name}": float(value) for name, value in scores(confusion, classes).items()}
            record.metrics = {name: None if isnan(value) else value for name, value in found.items()}
            record.datasets = datasets
            selected_on = settings["selected_on"]
            record.tags = {**wildcards, "seed": str(seed), "selected_on": selected_on}
            write_parquet(predictions.with_columns(selected_on=pl.lit(selected_on)), output.predictions[number])
            write_json(record.metrics | {"selected_on": selected_on}, output.metrics[number])
            title = f"{stamped(wildcards.ablation, selected_on)}, {wildcards.split}, seed {seed}"
            save(confusion_figure(confusion, classes, title), output.confusion[number])
            record.artifacts = [
                Path(path[number]).name for path in (output.predictions, output.metrics, output.confusion)
            ]
