# Training and evaluation: one job for all seeds of an ablation and a split.


rule train:
    """Train on cached features, or on crops where the image encoder learns too."""
    input:
        unpack(stores_of_run),
        clips=f"{RESULTS}/index/clips.parquet",
        split=f"{RESULTS}/splits/{{split}}.parquet",
    output:
        weights=run_files("weights.safetensors"),
        history=run_files("history.parquet"),
        records=run_files("train.run.json"),
    log:
        f"{RESULTS}/logs/train/{{ablation}}/{{split}}.log",
    benchmark:
        f"{RESULTS}/runs/{{ablation}}/{{split}}/train.benchmark.tsv"
    conda:
        "../../envs/experiment.yaml"
    params:
        settings=experiment_settings,
        fingerprint=run_fingerprint,
        parent=lambda wildcards: ablation_key(protocol_of(wildcards.split), wildcards.ablation),
        stores=store_fingerprints,
        encoder=lambda wildcards: encoder_of(wildcards.ablation),
        device=config["device"],
        text_file=text_file,
        seeds=SEEDS,
        code=CODE["train"],
    script:
        "../scripts/train.py"


rule evaluate:
    """Predict the validation and test clips; the only place where test clips are read."""
    input:
        unpack(stores_of_run),
        clips=f"{RESULTS}/index/clips.parquet",
        split=f"{RESULTS}/splits/{{split}}.parquet",
        weights=run_files("weights.safetensors"),
    output:
        predictions=run_files("predictions.parquet"),
        metrics=run_files("metrics.json"),
        confusion=run_files("confusion.png"),
        records=run_files("evaluate.run.json"),
    log:
        f"{RESULTS}/logs/evaluate/{{ablation}}/{{split}}.log",
    benchmark:
        f"{RESULTS}/runs/{{ablation}}/{{split}}/evaluate.benchmark.tsv"
    conda:
        "../../envs/experiment.yaml"
    params:
        settings=experiment_settings,
        fingerprint=run_fingerprint,
        parent=lambda wildcards: ablation_key(protocol_of(wildcards.split), wildcards.ablation),
        stores=store_fingerprints,
        encoder=lambda wildcards: encoder_of(wildcards.ablation),
        device=config["device"],
        text_file=text_file,
        seeds=SEEDS,
        code=CODE["evaluate"],
    script:
        "../scripts/evaluate.py"
