"""settings.json of an ablation: what its runs were made with, beside them, so that they can be used later.

Paths in it are relative to its folder, where they were relative in the config: an experiment can be moved as a whole.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from clip_caer.errors import UserError, reject
from clip_caer.files import read_json, sha256_file, write_json

_KEYS = ("encoder", "settings", "text_file", "faces", "dataset", "runs", "files")


def write_settings(made_with: Mapping[str, Any], path: str | Path) -> None:
    """Write `made_with`, its paths relative to the working folder, with the sha256 of every file that it names."""
    folder = Path(path).parent
    places = [Path(place) for place in _places(made_with) if place]
    files = [file for place in places for file in (sorted(place.iterdir()) if place.is_dir() else [place])]
    digests = {str(file): sha256_file(file) for file in files if file.is_file()}
    write_json(_moved(made_with | {"files": digests}, lambda place: os.path.relpath(place, folder)), path)


def read_settings(run: Path) -> dict[str, Any]:
    """What a run, results/runs/ABLATION/SPLIT/seed-N, was made with; its paths can be opened from here.

    Raises UserError if there is no settings.json, if it is damaged, or if a file that it names is gone or has changed.
    """
    path = run.resolve().parents[1] / "settings.json"
    if not path.exists():
        raise UserError(
            f"{run}: this is no run that can be used: {path} is missing. Expected a folder "
            "results/runs/ABLATION/SPLIT/seed-N of a finished experiment; comparators and controls have none. "
            "If it is an ablation's, start snakemake again to complete it."
        )
    made_with = _moved(read_json(path, _KEYS), lambda place: os.path.normpath(path.parent / place))
    problems = []
    for file, sha256 in made_with["files"].items():
        if not Path(file).is_file():
            problems.append(f"{file} is gone")
        elif sha256_file(file) != sha256:
            problems.append(f"{file} has changed")
    reject(problems, f"{run}: what it was trained with is not there any more. Bring it back, or train anew")
    return made_with


def _places(made_with: Mapping[str, Any]) -> list[str | None]:
    """Files and folders that a run is made with; a tag of released weights is none."""
    encoder = made_with["encoder"]
    pretrained = encoder["pretrained"]
    return [
        encoder["model"].partition(":")[2],
        pretrained if pretrained and Path(pretrained).exists() else None,
        made_with["text_file"],
        made_with["faces"]["weights"],
    ]


def _moved(made_with: Mapping[str, Any], move: Callable[[str], str]) -> dict[str, Any]:
    """A copy in which `move` was applied to every relative path; a name without a place stays as it is."""

    def moved(place: str | None, is_tag: bool = False) -> str | None:
        return place if not place or is_tag or os.path.isabs(place) else move(place)

    encoder, settings = made_with["encoder"], made_with["settings"]
    scheme, colon, place = encoder["model"].partition(":")
    is_tag = Path(encoder["pretrained"] or "") not in map(Path, made_with["files"])
    return made_with | {
        "encoder": encoder
        | {
            "model": f"{scheme}:{moved(place)}" if colon else encoder["model"],
            "pretrained": moved(encoder["pretrained"], is_tag),
        },
        "settings": settings | {"checkpoint": moved(settings["checkpoint"])},
        "text_file": moved(made_with["text_file"]),
        "faces": made_with["faces"] | {"weights": moved(made_with["faces"]["weights"])},
        "dataset": moved(made_with["dataset"]),
        "files": {moved(file): sha256 for file, sha256 in made_with["files"].items()},
    }
