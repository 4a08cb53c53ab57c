# Training and evaluation: one job for all seeds of a model and a split. Controls: all of a split.


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
        f"{RESULTS}/logs/train/{{model}}/{{split}}.log",
    benchmark:
        f"{RESULTS}/runs/{{model}}/{{split}}/train.benchmark.tsv"
    conda:
        "../../envs/experiment.yaml"
    params:
        settings=experiment_settings,
        fingerprint=run_fingerprint,
        parent=lambda wildcards: model_key(protocol_of(wildcards.split), wildcards.model),
        stores=store_fingerprints,
        encoder=lambda wildcards: encoder_of(wildcards.model),
        device=config["device"],
        text_file=text_file,
        seeds=SEEDS,
        code=CODE["train"],
    script:
        "../scripts/train.py"


rule evaluate:
    """Predict the validation and test clips of a split with all seeds of a model."""
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
        f"{RESULTS}/logs/evaluate/{{model}}/{{split}}.log",
    benchmark:
        f"{RESULTS}/runs/{{model}}/{{split}}/evaluate.benchmark.tsv"
    conda:
        "../../envs/experiment.yaml"
    params:
        settings=experiment_settings,
        fingerprint=run_fingerprint,
        parent=lambda wildcards: model_key(protocol_of(wildcards.split), wildcards.model),
        stores=store_fingerprints,
        encoder=lambda wildcards: encoder_of(wildcards.model),
        device=config["device"],
        text_file=text_file,
        seeds=SEEDS,
        code=CODE["evaluate"],
    script:
        "../scripts/evaluate.py"


rule controls:
    """What needs no training by steps: the majority, ids instead of pixels, zero-shot CLIP, a linear probe."""
    input:
        **{view: store_files(store) for view, store in CONTROL_STORES.items()},
        clips=f"{RESULTS}/index/clips.parquet",
        split=f"{RESULTS}/splits/{{split}}.parquet",
    output:
        tables=control_files(),
        record=f"{RESULTS}/controls/{{split}}/controls.run.json",
    log:
        f"{RESULTS}/logs/controls/{{split}}.log",
    benchmark:
        f"{RESULTS}/controls/{{split}}/controls.benchmark.tsv"
    conda:
        "../../envs/experiment.yaml"
    params:
        controls=CONTROLS,
        classes=CLASSES,
        stores={view: store.fp for view, store in CONTROL_STORES.items()},
        encoder=located(config["encoder"]),
        text=config["text"] | {"file": locate(config["text"]["file"])},
        fingerprint=control_fingerprint,
        code=CODE["controls"],
    script:
        "../scripts/controls.py"
