# From the dataset to pictures of every clip: index, splits, frames.


rule demo:
    """Draw the demo's students."""
    output:
        sheet=f"{RESULTS}/demo/clips.csv",
        videos=directory(f"{RESULTS}/demo/videos"),
        truth=f"{RESULTS}/index/demo_truth.json",
    log:
        f"{RESULTS}/logs/demo.log",
    benchmark:
        f"{RESULTS}/demo/demo.benchmark.tsv"
    localrule: True
    conda:
        "../../envs/data.yaml"
    threads: 8
    params:
        demo=config["demo"],
        ffmpeg=config["frames"]["ffmpeg"],
        code=CODE["demo"],
    script:
        "../scripts/demo.py"


checkpoint index:
    """Read the dataset, check it as a whole, and list its clips."""
    input:
        dataset_files,
    output:
        clips=f"{RESULTS}/index/clips.parquet",
        shards=shard_files("index/shards", ".parquet"),
        boxes=shard_files("index/boxes", ".parquet"),
        record=f"{RESULTS}/index/index.run.json",
    log:
        f"{RESULTS}/logs/index.log",
    benchmark:
        f"{RESULTS}/index/index.benchmark.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 8
    params:
        dataset=DATASET,
        state=DATASET_STATE,
        ffmpeg=config["frames"]["ffmpeg"],
        fingerprint=SOURCE,
        code=CODE["index"],
    script:
        "../scripts/index.py"


rule frames:
    """Decode the videos of a shard, once."""
    input:
        shard=f"{RESULTS}/index/shards/{{shard}}.parquet",
        videos=ancient(f"{RESULTS}/demo/videos") if DEMO else [],
    output:
        frames=directory(f"{RESULTS}/frames/{{fp}}/{{shard}}"),
        record=f"{RESULTS}/frames/{{fp}}/{{shard}}.run.json",
    log:
        f"{RESULTS}/logs/frames/{{fp}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/frames/{{fp}}/{{shard}}.benchmark.tsv"
    conda:
        "../../envs/data.yaml"
    params:
        folder=DATASET_FOLDER,
        frame_count=FRAME_COUNT,
        ffmpeg=config["frames"]["ffmpeg"],
    script:
        "../scripts/frames.py"


checkpoint splits:
    """Leave damaged clips out, and deal the others into train, val and test; too many damaged ones stop the run here."""
    input:
        clips=f"{RESULTS}/index/clips.parquet",
        stores=all_store_files(),
    output:
        usable=f"{RESULTS}/index/usable.parquet",
        splits=expand(f"{RESULTS}/splits/{{split}}.parquet", split=SPLITS),
    log:
        f"{RESULTS}/logs/splits.log",
    localrule: True
    conda:
        "../../envs/experiment.yaml"
    params:
        max_damaged=config["dataset"]["max_damaged"],
        protocols=config["protocols"],
        code=CODE["splits"],
    script:
        "../scripts/splits.py"
