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
from clip_caer.configuration import ablation_settings, complete
from clip_caer.dataset.labels import class_names
from clip_caer.dataset.state import dataset_state
from clip_caer.errors import UserError, reject
from clip_caer.faces.weights import ONNX_SHA256, WEIGHTS, check_local_weights
from clip_caer.files import sha256_file
from clip_caer.fingerprints import code_digest, fingerprint
from clip_caer.interruptions import claim
from clip_caer.splits import protocol_of, split_names
from clip_caer.tracking_address import without_secrets

try:
    places = {key: place for file in workflow.configfiles for key, place in read_places(file).items()}
    config.update(complete(config, HOME / "workflow/schemas/config.schema.yaml", places))
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


# ---- names ----

RESULTS = config["results"]
SHARDS = range(config["dataset"]["shards"])
SPLITS = split_names(config["protocols"])
ABLATIONS = list(config["ablations"])
SEEDS = config["seeds"]
STAGES = ["data", "features", "experiment", "summary"]
DEMO = config["dataset"]["reader"] == "demo"
HAS_VIDEOS = config["dataset"]["reader"] != "raer"


wildcard_constraints:
    shard=r"\d+",
    view="face|context",
    ablation="|".join(map(re.escape, ABLATIONS)),
    split="|".join(map(re.escape, SPLITS)),


def locate(path):
    """A path of the config: relative to the folder snakemake runs in, or else to the workflow's own files."""
    path = None if path is None else os.path.expanduser(path)
    if path is None or Path(path).exists() or not (HOME / path).exists():
        return path
    return str(HOME / path)


def clip_model(model):
    """The encoder's model name, with the folder of local-dir:FOLDER located."""
    scheme, colon, folder = model.rpartition("local-dir:")
    return f"{colon}{locate(folder)}" if colon else model


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
DATASET_FOLDER = Path(DATASET["path"]).parent if HAS_VIDEOS else DATASET["path"]
FRAME_COUNT = None if config["frames"]["count"] == "all" else config["frames"]["count"]
DETECTOR = config["faces"]["detector"]
DETECTOR_WEIGHTS = locate(config["faces"]["weights"]) or f"{RESULTS}/weights/{WEIGHTS[DETECTOR]}"
SOURCE = fingerprint(DATASET["reader"], DATASET["path"], DATASET["shards"], config["demo"] if DEMO else None)
FP = {"frames": fingerprint(SOURCE, config["frames"]["count"], CODE["frames"])}
FP["faces"] = fingerprint(FP["frames"], config["faces"], content(locate(config["faces"]["weights"])), CODE["faces"])


def encoder_of(ablation):
    """The section encoder of an ablation, with its files located; without the batch, which changes no feature."""
    encoder = {key: value for key, value in ablation_settings(config, ablation)["encoder"].items() if key != "batch"}
    if checkpoint_of(ablation):
        return encoder | {"model": f"original:{checkpoint_of(ablation)}"}
    return encoder | {"model": clip_model(encoder["model"]), "pretrained": locate(encoder["pretrained"])}


def checkpoint_of(ablation):
    return locate(config["ablations"][ablation].get("checkpoint"))


def learns_from_crops(ablation):
    regime = ablation_settings(config, ablation)["train"]["regime"]
    return regime == "finetuned" or checkpoint_of(ablation) is not None


def selected_on(ablation):
    """The role on which an ablation's epoch was chosen; it stands on every result that is not of `val`."""
    chosen = ablation_settings(config, ablation)["train"]["select_on"]
    return "unknown" if checkpoint_of(ablation) else chosen


def clip_weights(ablation):
    encoder = encoder_of(ablation)
    return [content(encoder["model"]), content(encoder["pretrained"])]


def store_of(ablation, view):
    """What an ablation learns from in a view: a cache of features, or of crops if its image encoder learns too."""
    encoder, upstream = encoder_of(ablation), [FP["faces"], config["views"][view], config["frames"]["order"]]
    if learns_from_crops(ablation):
        return Store(fingerprint(upstream, content(encoder["model"]), CODE["crops"]), "crops", view, encoder)
    arithmetic = [encoder["precision"], encoder["normalise"]]
    return Store(fingerprint(upstream, arithmetic, clip_weights(ablation), CODE["features"]), "features", view, encoder)


STORES = {
    (ablation, view): store_of(ablation, view)
    for ablation in ABLATIONS
    for view in config["ablations"][ablation]["views"]
}
STORE = {store.fp: store for store in STORES.values()}


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
    """Files of an ablation's caches, by view."""
    views = config["ablations"][wildcards.ablation]["views"]
    return {view: store_files(STORES[wildcards.ablation, view]) for view in views}


def store_fingerprints(wildcards):
    return {view: STORES[wildcards.ablation, view].fp for view in config["ablations"][wildcards.ablation]["views"]}


def run_files(name, ablation="{ablation}", split="{split}"):
    """One file a seed of a run."""
    return [f"{RESULTS}/runs/{ablation}/{split}/seed-{seed}/{name}" for seed in SEEDS]


def summary_confusions():
    return expand(
        f"{RESULTS}/summary/confusion/{{protocol}}-{{ablation}}.png", protocol=config["protocols"], ablation=ABLATIONS
    )


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
    """All that the training of an ablation depends on beside its features and splits."""
    settings = {key: value for key, value in ablation_settings(config, wildcards.ablation).items() if key != "encoder"}
    return settings | {
        "views": config["ablations"][wildcards.ablation]["views"],
        "classes": class_names(DATASET),
        "checkpoint": checkpoint_of(wildcards.ablation),
        "selected_on": selected_on(wildcards.ablation),
        "store": STORES[wildcards.ablation, config["ablations"][wildcards.ablation]["views"][0]].kind,
    }


def text_file(wildcards):
    return locate(experiment_settings(wildcards)["text"]["file"])


def run_fingerprint(wildcards):
    """Identity of a run: a changed setting is another run in MLflow, the old one stays."""
    settings = experiment_settings(wildcards)
    protocol = config["protocols"][protocol_of(wildcards.split)]
    data = [protocol, store_fingerprints(wildcards), clip_weights(wildcards.ablation), content(text_file(wildcards))]
    return fingerprint(settings, data, CODE["train"])


def check_local_files():
    """Whatever the config names must be there before any work starts."""
    if config["faces"]["weights"]:
        check_local_weights(DETECTOR, Path(locate(config["faces"]["weights"])))
    problems = []
    for ablation in ABLATIONS:
        scheme, _, place = encoder_of(ablation)["model"].partition(":")
        if scheme == "local-dir" and not Path(place).is_dir():
            problems.append(f"encoder.model: local-dir:{place} is no folder")
        if scheme == "original" and not Path(place).is_file():
            problems.append(f"ablations.{ablation}.checkpoint: there is no {place}")
        text = text_file(SimpleNamespace(ablation=ablation))
        if text and not Path(text).is_file():
            problems.append(f"text.file: there is no {text}")
    reject(sorted(set(problems)), "The configuration is wrong")


try:
    check_local_files()
    DATASET_STATE = "" if DEMO else dataset_state(DATASET)
except UserError as error:
    raise WorkflowError(str(error))


def ablation_key(protocol, ablation):
    """The MLflow run of an ablation under a protocol; the runs of its splits and seeds are its children."""
    runs = [SimpleNamespace(ablation=ablation, split=split) for split in SPLITS]
    parts = [run_fingerprint(run) for run in runs if protocol_of(run.split) == protocol]
    return f"ablation/{ablation}/{protocol}@{fingerprint(parts, SEEDS)}"


def claim_results():
    """Before the first job: no other run may be at work in the same results."""
    try:
        claim(RESULTS)
    except UserError as error:
        raise WorkflowError(str(error))


# ---- tracking ----


def records_of_stage(wildcards):
    """Records that a stage leaves; they are published to MLflow when all are there."""
    faces, frames = (shard_files(f"{stage}/{FP[stage]}", ".run.json") for stage in ("faces", "frames"))
    stores = [store_files(store, ".run.json") for store in STORE.values()]
    runs = [
        run_files(f"{step}.run.json", ablation, split)
        for step in ("train", "evaluate")
        for ablation in ABLATIONS
        for split in SPLITS
    ]
    return {
        "data": [f"{RESULTS}/index/index.run.json", *(frames if HAS_VIDEOS else [])],
        "features": sum(stores, faces),
        "experiment": sum(runs, []),
        "summary": [f"{RESULTS}/summary/summary.run.json"],
    }[wildcards.stage]


def publish_failures():
    """After a failed run: publish what there is, failures too. The workflow's own error stands, whatever happens here."""
    from clip_caer.tracking import publish

    try:
        publish(Path(RESULTS), config["experiment"], dict(os.environ).get("CLIP_CAER_TRACKING_URI"))
    except UserError as error:
        print(error, file=sys.stderr)
