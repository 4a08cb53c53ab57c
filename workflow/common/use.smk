# What predicts new videos, and what it is made with.


class RunToUse(NamedTuple):
    """What predicts new videos, and the files that it consists of."""

    path: str
    files: list[str]
    fp: str


def made_with(model):
    """All that lies between a video and a model's probabilities."""
    of_split = {split: SimpleNamespace(model=model, split=split) for split in SPLITS}
    of_model = SimpleNamespace(model=model)
    return {
        "experiment": config["experiment"],
        "settings": experiment_settings(of_model),
        "encoder": encoder_of(model),
        "text_file": text_file(of_model),
        "views": config["views"],
        "frames": config["frames"],
        "faces": config["faces"] | {"weights": DETECTOR_WEIGHTS},
        "dataset": str(DATASET_FOLDER),
        "stores": store_fingerprints(of_model),
        "runs": {split: run_fingerprint(run) for split, run in of_split.items()},
    }


def own_run(name):
    """A run of this experiment, by its name ABLATION/SPLIT/seed-N; None if there is no such run."""
    model, split, seed = (*name.removeprefix(f"{RESULTS}/runs/").split("/"), None, None, None)[:3]
    if model not in ABLATIONS or split not in SPLITS or seed not in [f"seed-{seed}" for seed in SEEDS]:
        return None
    run, folder = SimpleNamespace(model=model, split=split), f"{RESULTS}/runs/{model}/{split}/{seed}"
    files = [f"{folder}/{name}" for name in ("weights.safetensors", "predictions.parquet", "metrics.json")]
    upstream = [f"runs/{model}/settings.json", "index/clips.parquet", f"splits/{split}.parquet"]
    files += [f"{RESULTS}/{name}" for name in upstream] + sum(stores_of_run(run).values(), [])
    return RunToUse(folder, files, fingerprint(run_fingerprint(run), seed))


def run_to_predict():
    """One of this experiment, or else what stands in a folder or a file."""
    run = config["predict"]["run"]
    if not run:
        raise UserError("predict.run: name the run that is to predict: ABLATION/SPLIT/seed-N, or a file.")
    check_spans(*(parse_span(config["predict"][length]) for length in ("window", "step")))
    if not own_run(run) and not Path(locate(run)).exists():
        raise UserError(
            f"predict.run: there is no {run}; expected ABLATION/SPLIT/seed-N of this experiment, or a file."
        )
    return own_run(run) or RunToUse(locate(run), [locate(run)], fingerprint(content(locate(run))))


def run_to_show():
    """The run of the report's gallery; none where there is no gallery."""
    run = config["gallery"]["run"]
    if run and not own_run(run):
        raise UserError(f"gallery.run: this experiment has no run {run!r}; expected ABLATION/SPLIT/seed-N.")
    return own_run(run) if run else RunToUse("", [], "")


def videos_by_shard():
    """{shard: {name of the outputs: video}} of the videos to predict."""
    places = config["predict"]["videos"]
    videos, shards = find_videos([locate(place) for place in ([places] if isinstance(places, str) else places)]), {}
    for name, video in zip(short_names(videos), videos, strict=True):
        shards.setdefault(shard_of(name, len(SHARDS)), {})[name] = str(video)
    return shards
