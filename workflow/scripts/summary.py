"""Compare the ablations: the table, its picture, and confusion matrices."""

from pathlib import Path

import polars as pl

from clip_caer.figures import comparison_figure, confusion_figure, save
from clip_caer.files import read_json, read_parquet, write_parquet, write_text
from clip_caer.fingerprints import fingerprint
from clip_caer.splits import protocol_of
from clip_caer.statistics import student_confusions
from clip_caer.summary import add_ceilings, add_selection, as_markdown, compare, stamped
from job import job, recorded

params, output = snakemake.params, snakemake.output


def pooled_predictions() -> dict[tuple[str, str], pl.DataFrame]:
    """(protocol, ablation) → test predictions of all its splits and seeds."""
    paths = iter(snakemake.input.predictions)  # in the order of the rule: ablation, split, seed
    pooled = {(protocol, ablation): [] for protocol in params.protocols for ablation in params.ablations}
    for ablation in params.ablations:
        for split in params.splits:
            for seed in params.seeds:
                table = read_parquet(next(paths)).filter(pl.col("role") == "test").with_columns(seed=pl.lit(seed))
                pooled[protocol_of(split), ablation].append(table)
    return {coordinates: pl.concat(tables) for coordinates, tables in pooled.items()}


run_key = f"summary@{fingerprint(params.run_keys)}"
with job(snakemake), recorded(snakemake, output.record, run_key) as record:
    pooled = pooled_predictions()
    table = compare(pooled, params.classes, params.statistics["bootstrap"], params.statistics["seed"])
    table = add_selection(table, params.selected_on)
    if snakemake.input.truth:
        views = {ablation: settings["views"] for ablation, settings in params.ablations.items()}
        table = add_ceilings(table, read_json(snakemake.input.truth), views)
    write_parquet(table, output.table)
    write_text(as_markdown(table), output.markdown)
    figure = comparison_figure(table)
    save(figure, output.figure)
    save(figure, output.figure_svg)
    record.artifacts = [Path(path).name for path in (output.table, output.markdown, output.figure)]
    for number, ((protocol, ablation), predictions) in enumerate(pooled.items()):
        confusion = student_confusions(predictions, params.classes).sum(1).mean(0)
        chosen = params.selected_on[ablation]
        title = f"{stamped(ablation, chosen)}, {protocol}"
        save(confusion_figure(confusion, params.classes, title), output.confusion[number])
        settings = params.ablations[ablation]
        with recorded(snakemake, output.records[number], params.run_keys[number], params=settings) as of_ablation:
            measured = table.filter(protocol=protocol, ablation=ablation)
            of_ablation.metrics = {
                f"test/{metric}": value for metric, value in measured.select("metric", "value").rows()
            }
            of_ablation.tags = {"ablation": ablation, "protocol": protocol, "selected_on": chosen}
            of_ablation.artifacts = [f"../confusion/{protocol}-{ablation}.png"]
