# From pictures to CLIP features: face boxes, then one cache a view.


rule weights:
    """Fetch the face detector's weights; never inside a job."""
    output:
        ensure(
            f"{RESULTS}/weights/{WEIGHTS[DETECTOR]}",
            sha256=ONNX_SHA256 if DETECTOR == "mobile0.25" else None,
        ),
    log:
        f"{RESULTS}/logs/weights.log",
    localrule: True
    conda:
        "../../envs/vision.yaml"
    params:
        detector=DETECTOR,
    script:
        "../scripts/weights.py"


rule faces:
    """Find the face of each clip's student in every frame."""
    input:
        shard=f"{RESULTS}/index/shards/{{shard}}.parquet",
        boxes=f"{RESULTS}/index/boxes/{{shard}}.parquet",
        frames=frames_of_shard,
        weights=DETECTOR_WEIGHTS,
    output:
        faces=f"{RESULTS}/faces/{{fp}}/{{shard}}.parquet",
        record=f"{RESULTS}/faces/{{fp}}/{{shard}}.run.json",
    log:
        f"{RESULTS}/logs/faces/{{fp}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/faces/{{fp}}/{{shard}}.benchmark.tsv"
    conda:
        "../../envs/vision.yaml"
    params:
        folder=DATASET_FOLDER,
        frame_count=FRAME_COUNT,
        detector={key: config["faces"][key] for key in ("detector", "longest_side", "threshold", "nms")},
        fill_gap=config["faces"]["fill_gap"],
        device=config["device"],
    script:
        "../scripts/faces.py"


rule features:
    """Encode one view of a shard with CLIP: all frames, all variants."""
    input:
        shard=f"{RESULTS}/index/shards/{{shard}}.parquet",
        boxes=f"{RESULTS}/index/boxes/{{shard}}.parquet",
        frames=frames_of_shard,
        faces=f"{RESULTS}/faces/{FP['faces']}/{{shard}}.parquet",
    output:
        features=f"{RESULTS}/features/{{fp}}/{{view}}/{{shard}}.safetensors",
        record=f"{RESULTS}/features/{{fp}}/{{view}}/{{shard}}.run.json",
    log:
        f"{RESULTS}/logs/features/{{fp}}/{{view}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/features/{{fp}}/{{view}}/{{shard}}.benchmark.tsv"
    conda:
        "../../envs/vision.yaml"
    params:
        folder=DATASET_FOLDER,
        frame_count=FRAME_COUNT,
        order=config["frames"]["order"],
        view=lambda wildcards: config["views"][wildcards.view],
        encoder=lambda wildcards: STORE[wildcards.fp].encoder,
        device=config["device"],
    script:
        "../scripts/features.py"


rule crops:
    """Crop one view of a shard, for an image encoder that learns."""
    input:
        shard=f"{RESULTS}/index/shards/{{shard}}.parquet",
        boxes=f"{RESULTS}/index/boxes/{{shard}}.parquet",
        frames=frames_of_shard,
        faces=f"{RESULTS}/faces/{FP['faces']}/{{shard}}.parquet",
    output:
        crops=f"{RESULTS}/crops/{{fp}}/{{view}}/{{shard}}.safetensors",
        record=f"{RESULTS}/crops/{{fp}}/{{view}}/{{shard}}.run.json",
    log:
        f"{RESULTS}/logs/crops/{{fp}}/{{view}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/crops/{{fp}}/{{view}}/{{shard}}.benchmark.tsv"
    conda:
        "../../envs/vision.yaml"
    params:
        folder=DATASET_FOLDER,
        frame_count=FRAME_COUNT,
        order=config["frames"]["order"],
        view=lambda wildcards: config["views"][wildcards.view],
        model=lambda wildcards: STORE[wildcards.fp].encoder["model"],
    script:
        "../scripts/crops.py"
