# Helpers of all rules: the checked config, the names of everything, and the fingerprints.

import functools
import os
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

from snakemake.exceptions import WorkflowError

HOME = Path(workflow.basedir)
sys.path.insert(0, str(HOME / "src"))
inherited = dict(os.environ).get("PYTHONPATH", "")
# Jobs may run in conda environments of their own, where clip_caer is not installed.
os.environ |= {"PYTHONPATH": os.pathsep.join([str(HOME / "src"), inherited])}
os.environ |= {"SNAKEMAKE_PROCESS": str(os.getpid())}  # jobs end when it does

from clip_caer.config_file import read_places
from clip_caer.configuration import complete, model_settings, models
from clip_caer.dataset.index import shard_of
from clip_caer.dataset.labels import class_names
from clip_caer.dataset.state import dataset_state
from clip_caer.errors import UserError, reject
from clip_caer.faces.weights import ONNX_SHA256, WEIGHTS, check_local_weights
from clip_caer.files import sha256_file
from clip_caer.fingerprints import code_digest, fingerprint
from clip_caer.interruptions import claim, clear_unfinished
from clip_caer.predicting.source import find_videos, short_names
from clip_caer.splits import protocol_of, split_names
from clip_caer.texts import class_texts
from clip_caer.tracking_address import without_secrets

try:
    places = {key: place for file in workflow.configfiles for key, place in read_places(file).items()}
    completed = complete(config, HOME / "workflow/schemas/config.schema.yaml", places)
    config.clear()  # an update would keep the order of its keys
    config.update(completed)
    SPLITS = split_names(config["protocols"])
except UserError as error:
    raise WorkflowError(str(error))


# The address of an MLflow server may hold a password. Jobs find it in their environment; nothing keeps it.
if config["tracking"]["uri"]:
    os.environ |= {"CLIP_CAER_TRACKING_URI": os.path.expandvars(config["tracking"]["uri"])}
    config["tracking"]["uri"] = without_secrets(config["tracking"]["uri"])


class Store(NamedTuple):
    """A cache that runs learn from, and what it is made with."""

    fp: str
    kind: str  # features | crops
    view: str
    encoder: dict


class RunToUse(NamedTuple):
    """What predicts new videos, and the files that it consists of."""

    path: str
    files: list[str]
    fp: str


# ---- names ----

RESULTS = config["results"]
SHARDS = range(config["dataset"]["shards"])
PROTOCOLS = list(config["protocols"])
MODELS = models(config)  # all that is trained: ablations, comparators, the control on shuffled labels
SETTINGS = {model: model_settings(config, model) for model in MODELS}
CONTROLS = [control for control in config["controls"] if control not in MODELS and control != "shuffled_labels"]
ABLATIONS = list(config["ablations"])
SEEDS = config["seeds"]
KEPT = ("weights.safetensors", "predictions.parquet")  # of every run
STAGES = ["data", "features", "experiment", "summary"]
DEMO = config["dataset"]["reader"] == "demo"
HAS_VIDEOS = config["dataset"]["reader"] != "raer"


wildcard_constraints:
    shard=r"\d+",
    view="face|context",
    model="|".join(map(re.escape, MODELS)),
    split="|".join(map(re.escape, SPLITS)),


def locate(path):
    """A path of the config: relative to the folder snakemake runs in, or else to the workflow's own files."""
    path = None if path is None else os.path.expanduser(path)
    if path is None or Path(path).exists() or not (HOME / path).exists():
        return path
    return str(HOME / path)


def located(encoder):
    """A section encoder with its files located; without the batch, which changes no feature."""
    scheme, colon, folder = encoder["model"].rpartition("local-dir:")
    model = f"{colon}{locate(folder)}" if colon else encoder["model"]
    located = {"model": model, "pretrained": locate(encoder["pretrained"])}
    return {key: value for key, value in encoder.items() if key != "batch"} | located


# ---- what things depend on ----


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


# ---- paths ----


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


# ---- inputs and parameters that depend on the dataset ----


def dataset_files(wildcards):
    """What the index is made from; the demo's sheet is drawn by a rule."""
    if DEMO:
        return [DATASET["path"], f"{RESULTS}/demo/videos"]
    return []  # the state of the dataset stands among the rule's parameters


def frames_of_shard(wildcards):
    """Decoded frames; a dataset of frames is read in place."""
    return f"{RESULTS}/frames/{FP['frames']}/{wildcards.shard}" if HAS_VIDEOS else []


def experiment_settings(wildcards):
    """All that the training of a model depends on beside its features and splits."""
    settings = {key: value for key, value in SETTINGS[wildcards.model].items() if key != "encoder"}
    return settings | {
        "kind": MODELS[wildcards.model]["kind"],
        "model": wildcards.model if MODELS[wildcards.model]["kind"] == "comparator" else "clip_caer",
        "views": MODELS[wildcards.model]["views"],
        "classes": CLASSES,
        "checkpoint": checkpoint_of(wildcards.model),
        "selected_on": selected_on(wildcards.model),
        "store": STORES[wildcards.model, MODELS[wildcards.model]["views"][0]].kind,
    }


def text_file(wildcards):
    return locate(experiment_settings(wildcards)["text"]["file"])


def dealing(split):
    """How a split is dealt: what its protocol says, but for the protocol's other splits, which may come and go."""
    settings = config["protocols"][protocol_of(split)]
    return {key: value for key, value in settings.items() if key not in ("repeats", "settings")}


def run_fingerprint(wildcards):
    """Identity of a run: a changed setting is another run in MLflow, the old one stays."""
    settings = experiment_settings(wildcards)
    data = [
        dealing(wildcards.split),
        store_fingerprints(wildcards),
        clip_weights(encoder_of(wildcards.model)),
        content(text_file(wildcards)),
    ]
    return fingerprint(settings, data, CODE["train"])


def check_local_files():
    """Whatever the config names must be there before any work starts."""
    if config["faces"]["weights"]:
        check_local_weights(DETECTOR, Path(locate(config["faces"]["weights"])))
    problems = []
    for model in MODELS:
        scheme, _, place = encoder_of(model)["model"].partition(":")
        if scheme == "local-dir" and not Path(place).is_dir():
            problems.append(f"encoder.model: local-dir:{place} is no folder")
        if scheme == "original" and not Path(place).is_file():
            problems.append(f"ablations.{model}.checkpoint: there is no {place}")
        try:
            class_texts(CLASSES, SETTINGS[model]["text"]["kind"], text_file(SimpleNamespace(model=model)))
        except UserError as error:
            problems.append(f"{MODELS[model]['kind']} {model}: {error}")
    reject(sorted(set(problems)), "The configuration is wrong")


try:
    check_local_files()
    DATASET_STATE = "" if DEMO else dataset_state(DATASET)
except UserError as error:
    raise WorkflowError(str(error))


def model_key(protocol, model):
    """The MLflow run of a model under a protocol; the runs of its splits and seeds are its children."""
    runs = [SimpleNamespace(model=model, split=split) for split in SPLITS]
    parts = [run_fingerprint(run) for run in runs if protocol_of(run.split) == protocol]
    return f"{MODELS[model]['kind']}/{model}/{protocol}@{fingerprint(parts, SEEDS)}"


def public_config():
    """The configuration as the report shows it: the address of a tracking server may hold a password."""
    return {key: value for key, value in config.items() if key != "tracking"}


def control_fingerprint(wildcards):
    stores = {view: store.fp for view, store in CONTROL_STORES.items()}
    texts = [config["text"]["kind"], content(locate(config["text"]["file"]))]
    return fingerprint(dealing(wildcards.split), stores, texts, CODE["controls"])


def control_key(protocol, control):
    """The MLflow run of a control under a protocol."""
    runs = [SimpleNamespace(split=split) for split in SPLITS if protocol_of(split) == protocol]
    return f"control/{control}/{protocol}@{fingerprint([control_fingerprint(run) for run in runs])}"


def run_keys():
    """(protocol, model or control) → the key of its MLflow run; in the order of the comparison."""
    keys = {}
    for protocol in PROTOCOLS:
        keys |= {(protocol, model): model_key(protocol, model) for model in MODELS}
        keys |= {(protocol, control): control_key(protocol, control) for control in CONTROLS}
    return keys


def claim_results():
    """Before the first job: no other run may be at work in the same results."""
    try:
        claim(RESULTS)
    except UserError as error:
        raise WorkflowError(str(error))


# ---- use ----


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


# ---- tracking ----


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
    from clip_caer.tracking import publish

    clear_unfinished(RESULTS)
    try:
        publish(Path(RESULTS), config["experiment"], dict(os.environ).get("CLIP_CAER_TRACKING_URI"))
    except UserError as error:
        print(error, file=sys.stderr)
