"""Draw the pictures, write the tables for people, and put all into the report."""

from itertools import product
from pathlib import Path

import polars as pl

from clip_caer.comparison.latex import comparison_latex
from clip_caer.comparison.markdown import comparison_markdown
from clip_caer.comparison.summary import by_model, confusions
from clip_caer.figures import save
from clip_caer.files import atomic, read_parquet, write_text
from clip_caer.fingerprints import fingerprint
from clip_caer.report import Evidence, draw, render
from job import job, recorded

params, output, inputs = snakemake.params, snakemake.output, snakemake.input
TABLES = ("comparison", "pairs", "calibration", "reliability", "strata", "leakage", "near_duplicates")

with job(snakemake), recorded(snakemake, output.record, f"page@{fingerprint(params.config, params.code)}") as record:
    tables = {name: read_parquet(inputs[name]) for name in TABLES}
    coordinates = product(params.models, params.splits, params.seeds)
    history = pl.concat(
        [
            read_parquet(path).with_columns(model=pl.lit(model), split=pl.lit(split), seed=pl.lit(seed))
            for path, (model, split, seed) in zip(inputs.history, coordinates, strict=True)
        ],
        how="diagonal",
    )
    roles = pl.concat(
        read_parquet(path).with_columns(split=pl.lit(split))
        for path, split in zip(inputs.splits, params.splits, strict=True)
    )
    of_models = confusions(by_model(read_parquet(inputs.predictions)), params.classes)
    evidence = Evidence(params.classes, **tables, history=history, confusions=of_models)
    figures = draw(evidence)
    with atomic(output.figures) as folder:
        folder.mkdir()
        for name, figure in figures.items():
            for suffix in ("png", "svg", "pdf"):
                save(figure, folder / f"{name}.{suffix}")
    write_text(comparison_markdown(tables["comparison"], tables["pairs"]), output.markdown)
    write_text(comparison_latex(tables["comparison"]), output.latex)
    clips = read_parquet(inputs.clips).drop("status", "message").join(read_parquet(inputs.usable), on="clip_id")
    about = {"question": params.question, "config": params.config, "record": record}
    about["gallery"] = Path(inputs.gallery).read_bytes() if inputs.gallery else None
    write_text(render(evidence, figures, clips=clips, roles=roles, **about), output.page)
    record.artifacts = [Path(path).name for path in (output.page, output.markdown, output.figures)]
