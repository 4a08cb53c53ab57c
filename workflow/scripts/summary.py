"""Compare all models and controls: scores with intervals, paired differences, calibration, strata."""

import polars as pl

from clip_caer.comparators.published import published_of
from clip_caer.comparison.summary import (
    add_ceilings,
    add_quoted,
    add_warnings,
    by_model,
    compare,
    face_counts,
    pool,
    sharing,
)
from clip_caer.files import read_json, read_parquet, write_parquet
from clip_caer.fingerprints import fingerprint
from clip_caer.statistics import calibration_table, compare_pairs, reliability_table, strata_table
from job import job, recorded

params, output, inputs = snakemake.params, snakemake.output, snakemake.input


def runs():
    """(model, split, seed, predictions) of every run and control, in the order of the rule's input."""
    models, controls = iter(inputs.predictions), iter(inputs.controls)
    for model in params.models:
        for split in params.splits:
            for seed in params.seeds:
                yield model, split, seed, read_parquet(next(models))
    for split in params.splits:
        for control in params.controls:
            yield control, split, 0, read_parquet(next(controls))


run_key = f"summary@{fingerprint(list(params.run_keys.values()))}"
with job(snakemake), recorded(snakemake, output.record, run_key):
    kinds = {model: settings["kind"] for model, settings in params.models.items()}
    kinds |= dict.fromkeys(params.controls, "control")
    statistics = params.statistics
    predictions = pool(runs(), kinds)
    pooled = by_model(predictions)
    comparison = compare(pooled, params.classes, statistics["bootstrap"], statistics["seed"])
    comparison = add_warnings(comparison, params.selected_on, sharing(read_parquet(inputs.leakage)))
    if inputs.truth:
        views = {model: settings["views"] for model, settings in params.models.items() if kinds[model] != "control"}
        comparison = add_ceilings(comparison, read_json(inputs.truth), views)
    if params.quoted:
        comparison = add_quoted(comparison, published_of(params.models))
    tested = {key: table for key, table in pooled.items() if kinds[key[1]] != "control"}
    faces = pl.concat(map(read_parquet, inputs.faces))
    tables = {
        "predictions": predictions,
        "comparison": comparison,
        "pairs": compare_pairs(tested, params.classes, statistics["permutations"], statistics["seed"]),
        "calibration": calibration_table(tested, params.classes),
        "reliability": reliability_table(tested, params.classes),
        "strata": strata_table(pooled, params.classes, face_counts(faces)),
    }
    for name, table in tables.items():
        write_parquet(table, output[name])
    for path, ((protocol, model), key) in zip(output.records, params.run_keys.items(), strict=True):
        with recorded(snakemake, path, key, params=params.models.get(model, {})) as record:
            measured = comparison.filter(protocol=protocol, model=model)
            for column, suffix in {"value": "", "low": "/low", "high": "/high"}.items():
                record.metrics |= {
                    f"test/{row['metric']}{suffix}": row[column] for row in measured.iter_rows(named=True)
                }
            shared = str(measured["students_shared"][0]).lower()
            record.tags = {"model": model, "kind": kinds[model], "protocol": protocol, "students_shared": shared}
            record.tags["selected_on"] = measured["selected_on"][0]
