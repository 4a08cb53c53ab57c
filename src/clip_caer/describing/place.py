"""Which dataset is meant: a sheet, RAER's folder, or the one of a config; and the settings that go with it."""

import os
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from clip_caer.configuration.settings import complete
from clip_caer.dataset import Dataset, class_names, read_dataset
from clip_caer.dataset.sheet import read_labels
from clip_caer.errors import UserError
from clip_caer.faces.weights import WEIGHTS, check_released, fetch_weights

_SCHEMA = Path(__file__).parents[3] / "workflow/schemas/config.schema.yaml"


class Place(NamedTuple):
    """A dataset that passed its checks, its classes in order, and the config, its defaults filled in."""

    dataset: Dataset
    classes: list[str]
    config: dict[str, Any]


def find_dataset(path: Path) -> Place:
    """Read the dataset at `path`: a sheet *.csv, a folder as RAER's, or a config *.yaml that names one of these.

    A sheet's classes are the labels in it; RAER's are its five. Raises UserError with every problem of the dataset.
    """
    if path.suffix in (".yaml", ".yml"):
        config = _config(path)
    elif path.is_dir():
        config = _complete({"dataset": {"reader": "raer", "path": str(path)}})
    else:
        labels = _labels(path)
        config = _complete({"dataset": {"reader": "csv", "path": str(path), "label_sets": {"fine": labels}}})
    return Place(read_dataset(config["dataset"]), class_names(config["dataset"]), config)


def detector_weights(config: dict[str, Any]) -> Path:
    """The face detector's weights: those that the config names, or the released ones, fetched once for this user.

    Raises UserError if what was fetched is not, or is no longer, what was released.
    """
    if config["faces"]["weights"]:
        return Path(config["faces"]["weights"]).expanduser()
    detector = config["faces"]["detector"]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    for path in (Path(config["results"], "weights", WEIGHTS[detector]), cache / "clip-caer" / WEIGHTS[detector]):
        if path.is_file():
            check_released(detector, path)
            return path
    fetch_weights(detector, path)
    return path


def _config(path: Path) -> dict[str, Any]:
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    if not isinstance(given, dict):
        raise UserError(f"{path}: expected a config, a mapping with the key dataset.")
    config = _complete(given)
    if config["dataset"]["reader"] == "demo":
        sheet = Path(config["results"], "demo/clips.csv")
        if not sheet.exists():
            raise UserError(f"{path} is the demo, whose clips are not drawn yet. Run `make demo` first.")
        config["dataset"]["path"] = str(sheet)
    return config


def _complete(config: dict[str, Any]) -> dict[str, Any]:
    if not _SCHEMA.is_file():
        raise UserError(
            f"describe needs the project's folder, with {_SCHEMA}. Install the package from there: make setup."
        )
    given = {"encoder": {"model": "none"}} | config  # needed by the schema, and not here
    return complete(given, _SCHEMA)


def _labels(path: Path) -> list[str]:
    """The labels of a sheet, in alphabetical order."""
    labels = read_labels(path)
    if len(labels) < 2:
        raise UserError(f"{path}: its labels are {', '.join(labels) or 'empty'}; expected two labels or more.")
    return labels
