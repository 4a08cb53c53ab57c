# From predictions to the comparison, and from records to MLflow.


rule summary:
    """Compare the ablations."""
    input:
        clips=f"{RESULTS}/index/clips.parquet",
        predictions=[
            run_files("predictions.parquet", ablation, split) for ablation in ABLATIONS for split in SPLITS
        ],
        truth=f"{RESULTS}/index/demo_truth.json" if DEMO else [],
    output:
        table=f"{RESULTS}/summary/comparison.parquet",
        markdown=report(
            f"{RESULTS}/summary/comparison.md", category="Comparison", caption="../report/comparison_table.rst"
        ),
        figure=report(
            f"{RESULTS}/summary/comparison.png", category="Comparison", caption="../report/comparison.rst"
        ),
        figure_svg=f"{RESULTS}/summary/comparison.svg",
        confusion=report(
            summary_confusions(), category="Confusion matrices", caption="../report/confusion.rst"
        ),
        record=f"{RESULTS}/summary/summary.run.json",
        records=expand(
            f"{RESULTS}/summary/ablations/{{protocol}}-{{ablation}}.run.json",
            protocol=config["protocols"],
            ablation=ABLATIONS,
        ),
    params:
        classes=class_names(DATASET),
        ablations=config["ablations"],
        protocols=list(config["protocols"]),
        splits=SPLITS,
        seeds=SEEDS,
        statistics=config["statistics"],
        fingerprint=fingerprint(FP, config["ablations"], SEEDS, config["protocols"]),
        code=code("summary.py"),
    log:
        f"{RESULTS}/logs/summary.log",
    benchmark:
        f"{RESULTS}/summary/summary.benchmark.tsv"
    conda:
        "../../envs/experiment.yaml"
    script:
        "../scripts/summary.py"


rule database:
    """Make MLflow's database, once, and fill it with the records there are. Deleted, it is rebuilt."""
    output:
        f"{RESULTS}/mlflow.db",
    params:
        results=RESULTS,
        experiment=config["experiment"],
        uri=None,
    log:
        f"{RESULTS}/logs/database.log",
    conda:
        "../../envs/tracking.yaml"
    localrule: True
    script:
        "../scripts/publish.py"


rule publish:
    """Publish the records of a finished stage to MLflow. Jobs themselves only write records."""
    input:
        records_of_stage,
        database=ancient(f"{RESULTS}/mlflow.db") if not config["tracking"]["uri"] else [],
    output:
        f"{RESULTS}/tracking/{{stage}}.json",
    params:
        results=RESULTS,
        experiment=config["experiment"],
        uri=config["tracking"]["uri"],
        code=code("publish.py"),
    log:
        f"{RESULTS}/logs/publish/{{stage}}.log",
    conda:
        "../../envs/tracking.yaml"
    localrule: True
    script:
        "../scripts/publish.py"
