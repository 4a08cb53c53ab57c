# What each cache and each result depends on: fingerprints; and where they lie.


class Store(NamedTuple):
    """A cache that runs learn from, and what it is made with."""

    fp: str
    kind: str  # features | crops
    view: str
    encoder: dict


# Digests of the code that each script can reach; `params` entries, since snakemake does not see edits to modules.
CODE = {script.stem: code_digest(script, HOME / "src/clip_caer") for script in (HOME / "workflow/scripts").glob("*.py")}


@functools.cache
def content(path):
    """Digests of a local file, or of the files of a folder; a tag of released weights stands for itself."""
    path = Path(str(path).removeprefix("local-dir:").removeprefix("original:"))
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return [sha256_file(file) if file.is_file() else str(file) for file in files]


DATASET = config["dataset"] | {"path": f"{RESULTS}/demo/clips.csv" if DEMO else locate(config["dataset"]["path"])}
CLASSES = class_names(DATASET)
DATASET_FOLDER = Path(DATASET["path"]).parent if HAS_VIDEOS else DATASET["path"]
FRAME_COUNT = None if config["frames"]["count"] == "all" else config["frames"]["count"]
DETECTOR = config["faces"]["detector"]
DETECTOR_WEIGHTS = locate(config["faces"]["weights"]) or f"{RESULTS}/weights/{WEIGHTS[DETECTOR]}"
SOURCE = fingerprint(DATASET["reader"], DATASET["path"], DATASET["shards"], config["demo"] if DEMO else None)
FP = {"frames": fingerprint(SOURCE, config["frames"]["count"], CODE["frames"])}
FP["faces"] = fingerprint(FP["frames"], config["faces"], content(locate(config["faces"]["weights"])), CODE["faces"])


def checkpoint_of(model):
    return locate(MODELS[model].get("checkpoint"))


def encoder_of(model):
    """The section encoder of a model; a checkpoint of the original brings its own."""
    original = {"model": f"original:{checkpoint_of(model)}"} if checkpoint_of(model) else {}
    return located(SETTINGS[model]["encoder"]) | original


def selected_on(model):
    """The role on which a model's epoch was chosen; it stands on every result that is not of `val`."""
    return "unknown" if checkpoint_of(model) else SETTINGS[model]["train"]["select_on"]


def clip_weights(encoder):
    return [content(encoder["model"]), content(encoder["pretrained"])]


def feature_store(encoder, view):
    arithmetic = [encoder["precision"], encoder["normalise"]]
    fp = fingerprint(CROPPING[view], arithmetic, clip_weights(encoder), CODE["features"])
    return Store(fp, "features", view, encoder)


def store_of(model, view):
    """What a model learns from in a view: a cache of features, or of crops if its image encoder learns too."""
    encoder = encoder_of(model)
    if SETTINGS[model]["train"]["regime"] == "frozen" and not checkpoint_of(model):
        return feature_store(encoder, view)
    return Store(fingerprint(CROPPING[view], content(encoder["model"]), CODE["crops"]), "crops", view, encoder)


CROPPING = {view: [FP["faces"], config["views"][view], config["frames"]["order"]] for view in config["views"]}
STORES = {(model, view): store_of(model, view) for model in MODELS for view in MODELS[model]["views"]}
# Controls that need features have those of the config's own encoder, of every view that any model sees.
CONTROL_VIEWS = {view for _, view in STORES} if {"zero_shot", "linear_probe"} & set(CONTROLS) else set()
CONTROL_STORES = {view: feature_store(located(config["encoder"]), view) for view in sorted(CONTROL_VIEWS)}
STORE = {store.fp: store for store in [*STORES.values(), *CONTROL_STORES.values()]}


wildcard_constraints:
    fp="|".join([*FP.values(), *STORE]),  # files of another setting are kept, but never made anew


# ---- where files lie ----


def shard_files(folder, suffix):
    return [f"{RESULTS}/{folder}/{shard}{suffix}" for shard in SHARDS]


def store_files(store, suffix=".safetensors"):
    return shard_files(f"{store.kind}/{store.fp}/{store.view}", suffix)


def all_store_files():
    return sum((store_files(store) for store in STORE.values()), [])


def stores_of_run(wildcards):
    """Files of a model's caches, by view."""
    views = MODELS[wildcards.model]["views"]
    return {view: store_files(STORES[wildcards.model, view]) for view in views}


def store_fingerprints(wildcards):
    return {view: STORES[wildcards.model, view].fp for view in MODELS[wildcards.model]["views"]}


def run_files(name, model="{model}", split="{split}"):
    """One file a seed of a run."""
    return [f"{RESULTS}/runs/{model}/{split}/seed-{seed}/{name}" for seed in SEEDS]


def control_files(split="{split}"):
    return [f"{RESULTS}/controls/{split}/{control}.parquet" for control in CONTROLS]


def features_at_hand():
    """One cache of features a view, whatever encoder it is of; none where all models learn from crops."""
    at_hand = {store.view: store for store in reversed(STORE.values()) if store.kind == "features"}
    return dict(sorted(at_hand.items()))


def summary_tables(*names):
    return {name: f"{RESULTS}/summary/{name}.parquet" for name in names}
