# From predictions to the comparison, its report, and from records to MLflow.


rule leakage:
    """Students, settings and nearly equal clips that stand in two roles of a split."""
    input:
        **{view: store_files(store) for view, store in features_at_hand().items()},
        clips=f"{RESULTS}/index/clips.parquet",
        splits=expand(f"{RESULTS}/splits/{{split}}.parquet", split=SPLITS),
    output:
        **summary_tables("leakage", "near_duplicates"),
    log:
        f"{RESULTS}/logs/leakage.log",
    benchmark:
        f"{RESULTS}/summary/leakage.benchmark.tsv"
    conda:
        "../../envs/experiment.yaml"
    params:
        splits=SPLITS,
        stores={view: store.fp for view, store in features_at_hand().items()},
        code=CODE["leakage"],
    script:
        "../scripts/leakage.py"


rule summary:
    """Scores with intervals, paired differences, calibration and strata of all models and controls."""
    input:
        f"{RESULTS}/index/clips.parquet",  # only so that snakemake sees anew, after the index, what is to be done here
        faces=shard_files(f"faces/{FP['faces']}", ".parquet"),
        predictions=[run_files("predictions.parquet", model, split) for model in MODELS for split in SPLITS],
        controls=[control_files(split) for split in SPLITS],
        leakage=f"{RESULTS}/summary/leakage.parquet",
        truth=f"{RESULTS}/index/demo_truth.json" if DEMO else [],
    output:
        **summary_tables("predictions", "comparison", "pairs", "calibration", "reliability", "strata"),
        record=f"{RESULTS}/summary/summary.run.json",
        records=[f"{RESULTS}/summary/models/{protocol}-{model}.run.json" for protocol, model in run_keys()],
    log:
        f"{RESULTS}/logs/summary.log",
    benchmark:
        f"{RESULTS}/summary/summary.benchmark.tsv"
    conda:
        "../../envs/experiment.yaml"
    params:
        classes=CLASSES,
        models=MODELS,
        controls=CONTROLS,
        protocols=PROTOCOLS,
        splits=SPLITS,
        seeds=SEEDS,
        statistics=config["statistics"],
        selected_on={model: selected_on(model) for model in MODELS},
        quoted=config["dataset"]["reader"] == "raer",
        run_keys=run_keys(),
        code=CODE["summary"],
    script:
        "../scripts/summary.py"


rule page:
    """Pictures, tables for people, and the report as one page."""
    input:
        **summary_tables(
            *["predictions", "comparison", "pairs", "calibration", "reliability", "strata"],
            *["leakage", "near_duplicates"],
        ),
        clips=f"{RESULTS}/index/clips.parquet",
        usable=f"{RESULTS}/index/usable.parquet",
        splits=expand(f"{RESULTS}/splits/{{split}}.parquet", split=SPLITS),
        history=[run_files("history.parquet", model, split) for model in MODELS for split in SPLITS],
        gallery=f"{RESULTS}/summary/gallery.png" if config["gallery"]["run"] else [],
    output:
        page=f"{RESULTS}/summary/report.html",
        markdown=report(
            f"{RESULTS}/summary/comparison.md", category="Comparison", caption="../report/comparison_table.rst"
        ),
        latex=f"{RESULTS}/summary/comparison.tex",
        figures=report(
            directory(f"{RESULTS}/summary/figures"),
            patterns=["{name}.png"],
            category="Figures",
            caption="../report/figures.rst",
        ),
        record=f"{RESULTS}/summary/page.run.json",
    log:
        f"{RESULTS}/logs/page.log",
    benchmark:
        f"{RESULTS}/summary/page.benchmark.tsv"
    conda:
        "../../envs/experiment.yaml"
    params:
        question=config["experiment"],
        config=public_config(),
        classes=CLASSES,
        models=list(MODELS),
        splits=SPLITS,
        seeds=SEEDS,
        template=[content(HOME / "src/clip_caer/report" / name) for name in ("page.html.jinja", "page.css")],
        code=CODE["page"],
    script:
        "../scripts/page.py"


rule database:
    """Make MLflow's database, once, and fill it with the records there are. Deleted, it is rebuilt."""
    output:
        update(f"{RESULTS}/mlflow.db"),  # never deleted by snakemake: it may hold runs whose records are gone
    log:
        f"{RESULTS}/logs/database.log",
    localrule: True
    conda:
        "../../envs/tracking.yaml"
    params:
        experiment=config["experiment"],
    script:
        "../scripts/publish.py"


rule publish:
    """Publish the records of a finished stage to MLflow. Jobs themselves only write records."""
    input:
        records_of_stage,
    output:
        f"{RESULTS}/tracking/{{stage}}.json",
    log:
        f"{RESULTS}/logs/publish/{{stage}}.log",
    localrule: True
    conda:
        "../../envs/tracking.yaml"
    params:
        experiment=config["experiment"],
        server=config["tracking"]["uri"],
        code=CODE["publish"],
    script:
        "../scripts/publish.py"
