# The checked config, and the names of everything.

import functools
import os
import re
import sys
from base64 import urlsafe_b64encode
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

from snakemake.exceptions import WorkflowError

HOME = Path(workflow.basedir)
sys.path.insert(0, str(HOME / "src"))
inherited = dict(os.environ).get("PYTHONPATH")
# Jobs may run in conda environments of their own, where clip_caer is not installed. An empty part would mean the
# folder that snakemake runs in: a file random.py there would be taken for Python's.
os.environ |= {"PYTHONPATH": os.pathsep.join(filter(None, [str(HOME / "src"), inherited]))}
os.environ |= {"SNAKEMAKE_PROCESS": str(os.getpid())}  # jobs end when it does

from clip_caer.configuration.places import read_places
from clip_caer.configuration.settings import complete, model_settings, models
from clip_caer.dataset.index import shard_of
from clip_caer.dataset.labels import class_names
from clip_caer.dataset.state import dataset_state
from clip_caer.errors import UserError, reject
from clip_caer.faces.weights import ONNX_SHA256, WEIGHTS, check_local_weights
from clip_caer.files import sha256_file
from clip_caer.fingerprints import code_digest, fingerprint
from clip_caer.interruptions import claim, clear_unfinished
from clip_caer.predicting.source import find_videos, short_names
from clip_caer.predicting.windows import check_spans, parse_span
from clip_caer.protocol.splits import protocol_of, split_names
from clip_caer.learning.texts import class_texts
from clip_caer.tracking.address import without_secrets

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


RESULTS = config["results"]
SHARDS = range(config["dataset"]["shards"])
PROTOCOLS = list(config["protocols"])
MODELS = models(config)  # all that is trained: ablations, comparators, the control on shuffled labels
SETTINGS = {model: model_settings(config, model) for model in MODELS}
CONTROLS = [control for control in config["controls"] if control != "shuffled_labels"]
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
