# Using what was trained: what a run needs to be used elsewhere, and predictions for new videos.


rule settings:
    """Write down what each ablation's runs were made with, so that they can be used on other videos."""
    input:
        weights=DETECTOR_WEIGHTS,
    output:
        expand(f"{RESULTS}/runs/{{ablation}}/settings.json", ablation=ABLATIONS),
    log:
        f"{RESULTS}/logs/settings.log",
    localrule: True
    conda:
        "../../envs/data.yaml"
    params:
        made_with=[made_with(ablation) for ablation in ABLATIONS],
        code=CODE["settings"],
    script:
        "../scripts/settings.py"


if config["predict"]["videos"]:
    try:
        RUN, VIDEOS = run_to_use(), videos_by_shard()
    except UserError as error:
        raise WorkflowError(str(error))
    MODEL = f"{RESULTS}/predictions/models/{fingerprint(RUN.fp, CODE['export'])}"
    WANTED = {key: value for key, value in config["predict"].items() if key not in ("videos", "run")}
    PREDICTIONS = fingerprint(MODEL, WANTED, CODE["predict_videos"])

    rule export:
        """Make the run that predicts one file, so that the jobs need nothing else."""
        input:
            RUN.files,
        output:
            f"{MODEL}.safetensors",
        log:
            f"{RESULTS}/logs/predictions/export.log",
        conda:
            "../../envs/vision.yaml"
        params:
            run=RUN.path,
        script:
            "../scripts/export.py"

    rule predict_videos:
        """Predict the videos of a shard, and draw what was asked for."""
        input:
            videos=lambda wildcards: VIDEOS[int(wildcards.shard)].values(),
            model=f"{MODEL}.safetensors",
        output:
            folder=directory(f"{RESULTS}/predictions/{PREDICTIONS}/{{shard}}"),
            record=f"{RESULTS}/predictions/{PREDICTIONS}/{{shard}}.run.json",
        log:
            f"{RESULTS}/logs/predictions/{PREDICTIONS}/{{shard}}.log",
        benchmark:
            f"{RESULTS}/predictions/{PREDICTIONS}/{{shard}}.benchmark.tsv"
        conda:
            "../../envs/vision.yaml"
        params:
            names=lambda wildcards: list(VIDEOS[int(wildcards.shard)]),
            wanted=WANTED,
            ffmpeg=config["frames"]["ffmpeg"],
            device=config["device"],
        script:
            "../scripts/predict_videos.py"

    rule predict:
        """Predictions of all videos as one table."""
        input:
            [f"{RESULTS}/predictions/{PREDICTIONS}/{shard}" for shard in VIDEOS],
        output:
            f"{RESULTS}/predictions/{PREDICTIONS}/predictions.parquet",
            f"{RESULTS}/predictions/{PREDICTIONS}/predictions.csv",
        log:
            f"{RESULTS}/logs/predictions/{PREDICTIONS}/predict.log",
        localrule: True
        conda:
            "../../envs/vision.yaml"
        script:
            "../scripts/predict.py"
