"""Predict the validation and test clips of a split with all seeds of a model."""

from math import isnan
from pathlib import Path

import polars as pl

from clip_caer.comparison.wording import stamped, with_sharing
from clip_caer.device import find_device
from clip_caer.experiment import clips_of_roles, load_learned, model_builder, open_stores, with_stores
from clip_caer.figures import confusion_figure, save
from clip_caer.files import read_parquet, sha256_file, write_json, write_parquet
from clip_caer.learning.training import predict
from clip_caer.protocol.evaluation import confusion_of, prediction_table, scores
from clip_caer.protocol.leakage import shared_students
from clip_caer.statistics import add_temperature
from clip_caer.store import read_tensors
from job import job, recorded

params, wildcards, output = snakemake.params, snakemake.wildcards, snakemake.output
settings = params.settings
classes = settings["classes"]
with job(snakemake):
    kind, device = settings["store"], find_device(params.device)
    stores = open_stores(kind, {view: snakemake.input[view] for view in settings["views"]}, params.stores, device)
    listed, split = read_parquet(snakemake.input.clips), read_parquet(snakemake.input.split)
    rows = clips_of_roles(listed, split, ["val", "test"])
    clips = with_stores(rows, stores, classes, kind)
    warnings = {"selected_on": settings["selected_on"], "students_shared": bool(shared_students(listed, split))}
    shown_split = with_sharing(wildcards.split, warnings["students_shared"])
    digest = sha256_file(snakemake.input.split)[:10]
    build = model_builder(params.encoder, settings, params.text_file, device)
    for number, seed in enumerate(params.seeds):
        run_key = f"evaluate/{wildcards.model}/{wildcards.split}/seed {seed}@{params.fingerprint}"
        path = output.records[number]
        with recorded(snakemake, path, run_key, parent=params.parent, params=settings) as record:
            record.name = f"evaluate · {wildcards.model} · {shown_split} · seed {seed}"
            header = {**wildcards, "seed": seed, "fingerprint": params.fingerprint}
            model = load_learned(build(), read_tensors(snakemake.input.weights[number], **header))
            logits = predict(model, clips, settings["train"])
            predictions = add_temperature(prediction_table(rows, logits.numpy(), classes), classes)
            confusion = confusion_of(predictions.filter(role="test"), classes)
            found = {f"test/{name}": float(value) for name, value in scores(confusion, classes).items()}
            record.metrics = {name: None if isnan(value) else value for name, value in found.items()}
            record.datasets = [{"name": wildcards.split, "digest": digest, "role": "test"}]
            record.tags = {**wildcards, "kind": settings["kind"], "seed": str(seed)}
            record.tags |= {name: str(value).lower() for name, value in warnings.items()}
            write_parquet(
                predictions.with_columns(selected_on=pl.lit(warnings["selected_on"])), output.predictions[number]
            )
            write_json(record.metrics | warnings, output.metrics[number])
            title = f"{stamped(wildcards.model, warnings['selected_on'])}, {shown_split}, seed {seed}"
            save(confusion_figure(confusion, classes, title), output.confusion[number])
            record.artifacts = [
                Path(path[number]).name for path in (output.predictions, output.metrics, output.confusion)
            ]
