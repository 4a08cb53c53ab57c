# Records, and when they are published to MLflow.


def records_of_stage(wildcards):
    """Records that a stage leaves; they are published to MLflow when all are there."""
    faces, frames = (shard_files(f"{stage}/{FP[stage]}", ".run.json") for stage in ("faces", "frames"))
    stores = [store_files(store, ".run.json") for store in STORE.values()]
    runs = [
        run_files(f"{step}.run.json", model, split)
        for step in ("train", "evaluate")
        for model in MODELS
        for split in SPLITS
    ]
    return {
        "data": [f"{RESULTS}/index/index.run.json", *(frames if HAS_VIDEOS else [])],
        "features": sum(stores, faces),
        "experiment": sum(runs, [f"{RESULTS}/controls/{split}/controls.run.json" for split in SPLITS]),
        "summary": [f"{RESULTS}/summary/{step}.run.json" for step in ("summary", "page")],
    }[wildcards.stage]


def publish_failures():
    """After a failed run: clear up, and publish what there is. The workflow's own error stands, whatever happens here."""
    clear_unfinished(RESULTS)
    try:
        from clip_caer.tracking.publish import publish

        publish(Path(RESULTS), config["experiment"], dict(os.environ).get("CLIP_CAER_TRACKING_URI"))
    except (UserError, ImportError) as error:
        print(error, file=sys.stderr)
