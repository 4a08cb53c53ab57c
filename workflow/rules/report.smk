# From predictions to the comparison, and from records to MLflow.


rule summary:
    """Compare the ablations."""
    input:
        clips=f"{RESULTS}/index/clips.parquet",
        predictions=[run_files("predictions.parquet", ablation, split) for ablation in ABLATIONS for split in SPLITS],
        truth=f"{RESULTS}/index/demo_truth.json" if DEMO else [],
    output:
        table=f"{RESULTS}/summary/comparison.parquet",
        markdown=report(
            f"{RESULTS}/summary/comparison.md",
            category="Comparison",
            caption="../report/comparison_table.rst",
        ),
        figure=report(
            f"{RESULTS}/summary/comparison.png",
            category="Comparison",
            caption="../report/comparison.rst",
        ),
        figure_svg=f"{RESULTS}/summary/comparison.svg",
        confusion=report(
            summary_confusions(),
            category="Confusion matrices",
            caption="../report/confusion.rst",
        ),
        record=f"{RESULTS}/summary/summary.run.json",
        records=expand(
            f"{RESULTS}/summary/ablations/{{protocol}}-{{ablation}}.run.json",
            protocol=config["protocols"],
            ablation=ABLATIONS,
        ),
    log:
        f"{RESULTS}/logs/summary.log",
    benchmark:
        f"{RESULTS}/summary/summary.benchmark.tsv"
    conda:
        "../../envs/experiment.yaml"
    params:
        classes=class_names(DATASET),
        ablations=config["ablations"],
        protocols=list(config["protocols"]),
        splits=SPLITS,
        seeds=SEEDS,
        statistics=config["statistics"],
        selected_on={ablation: selected_on(ablation) for ablation in ABLATIONS},
        run_keys=[ablation_key(protocol, ablation) for protocol in config["protocols"] for ablation in ABLATIONS],
        code=CODE["summary"],
    script:
        "../scripts/summary.py"


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
