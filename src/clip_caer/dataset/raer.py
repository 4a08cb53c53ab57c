"""The reader of RAER's released folder: images/, train.txt and test.txt, and face.json and body.json if there."""

import json
import logging
import re
import reprlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clip_caer.dataset.labels import Labels
from clip_caer.dataset.pictures import check_pictures
from clip_caer.dataset.problems import Complain, Problems
from clip_caer.dataset.tables import Dataset
from clip_caer.errors import UserError, reject
from clip_caer.files import is_endless

_FARTHEST = 1e9  # pixels; what is farther away is a slip of the pen

_log = logging.getLogger(__name__)


def read_raer(folder: Path, labels: Labels) -> Dataset:
    """Read a folder in RAER's layout.

    A list's lines are `frame_dir num_frames label`; the labels 1, 2, … stand for the fine labels in their order.
    What stands before images/ in a frame_dir is the prefix of somebody's machine and is left out. The path below
    images/ is the clip's id; without its last part it is the subject; its second part is the setting.
    A clip or frame may lack its box. Boxes of unknown clips and boxes without area are left out, with a warning.
    Raises `UserError` with every problem and its line.
    """
    problems = Problems()
    clips: dict[str, dict] = {}
    first: dict[str, str] = {}
    for role in ("train", "test"):
        for number, line in enumerate(_read_text(folder / f"{role}.txt").split("\n"), start=1):
            place = f"{role}.txt line {number}"
            clip = _read_clip(line, role, folder, labels, problems.at(place)) if line.strip() else None
            if clip and clip["clip_id"] in clips:
                problems.at(place)(f"duplicate clip {clip['clip_id']!r}; it is in {first[clip['clip_id']]} already")
            elif clip:
                clips[clip["clip_id"]], first[clip["clip_id"]] = clip, place
    boxes = [box for name in ("face.json", "body.json") for box in _read_boxes(folder / name, set(first), problems)]
    reject(problems, f"The dataset {folder} cannot be used")
    if not clips:
        raise UserError(f"The dataset {folder} has no clips: train.txt and test.txt are empty.")
    return Dataset.of(folder, clips.values(), boxes)


def _read_text(path: Path) -> str:
    if is_endless(path):
        raise UserError(f"{path} is no file.")
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        expected = "dataset.path must be the folder that holds images/, train.txt and test.txt"
        raise UserError(f"{path} cannot be read: {error.strerror}; {expected}.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 (byte {error.start}: {error.reason}).") from error


def _clip_id(frame_dir: str) -> str | None:
    """The part of a path below the last folder that is named images."""
    match = re.fullmatch(r"(?:.*/)?images/(.+?)/*", frame_dir)
    return match[1] if match else None


def _read_clip(line: str, role: str, folder: Path, labels: Labels, complain: Complain) -> dict | None:
    """One clip as a row of the table; None after a complaint about its path."""
    parts = line.rsplit(maxsplit=2)
    if len(parts) < 3 or not re.fullmatch(r"[0-9]{1,9}", parts[1]):
        return complain(f"expected `frame_dir num_frames label`, got {line.strip()!r}")
    frame_dir, n_frames, label = parts
    clip_id = _clip_id(frame_dir)
    below = clip_id.split("/") if clip_id else []
    if len(below) < 4 or {"", ".", ".."} & set(below):
        return complain(f"expected a path images/ACTIVITY/SETTING/…/STUDENT/CLIP, got {frame_dir!r}")
    check_pictures(folder / "images" / clip_id, f"images/{clip_id}", int(n_frames), complain)
    numbered = {str(number): name for number, name in enumerate(labels.fine, start=1)}
    if label not in numbered:
        complain(f"unknown label {label!r}; expected one of {', '.join(numbered)}")
    return {
        "clip_id": clip_id,
        "source": f"images/{clip_id}",
        "kind": "frames",
        "label": labels.choose(numbered[label], "", complain) if label in numbered else None,
        "subject": "/".join(below[:-1]),
        "setting": below[1].lower(),
        "role": role,
    }


def _read_boxes(path: Path, clip_ids: set[str], problems: Problems) -> Iterator[tuple]:
    """Boxes as rows of the table: of face.json {frame_dir: {"7.jpg": box}}, of body.json {frame_dir: box}."""
    if not path.exists():
        return
    try:
        content = json.loads(_read_text(path), object_pairs_hook=_one_of_each)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not proper JSON: {error}.") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} holds a {type(content).__name__}; expected a mapping of frame folders to boxes.")
    given: dict[tuple, list] = {}
    unknown = empty = 0
    for frame_dir, value in content.items():
        clip_id = _clip_id(frame_dir)
        if clip_id not in clip_ids:
            unknown += 1
            continue
        if path.name == "body.json":
            frames, kind = {"0.jpg": value}, "person"
        else:
            frames, kind = {} if value in (None, []) else value, "face"
        complain = problems.at(f"{path.name}, {frame_dir!r}")
        if not isinstance(frames, dict):
            complain('expected boxes by frame, as in {"7.jpg": [left, top, right, bottom]}')
            continue
        for name, box in frames.items():
            if not re.fullmatch(r"[0-9]{1,9}\.\w+", name):
                complain(f"{name!r} is no frame; expected a name such as 7.jpg")
            elif box in (None, []):  # there is none
                continue
            elif not _is_box(box):
                complain(f"expected four finite numbers [left, top, right, bottom], got {reprlib.repr(box)} ({name})")
            elif box[0] >= box[2] or box[1] >= box[3]:
                empty += 1
            elif (first := given.setdefault((clip_id, frame := int(name.split(".")[0])), box)) is not box:
                if first != box:
                    complain(f"another box for {name} is given elsewhere in the file; leave one out")
            else:
                yield clip_id, frame, kind, *map(float, box)
    if unknown or empty:
        _log.warning("%s: left out %d clips that no list has, and %d boxes without area", path.name, unknown, empty)


def _one_of_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; of a key that stands there twice, a plain dict would silently take the second."""
    content = {}
    for key, value in pairs:
        if content.setdefault(key, value) != value:
            raise ValueError(f"{key!r} stands there twice, with different values")
    return content


def _is_box(box: Any) -> bool:
    numbers = isinstance(box, list) and len(box) == 4 and not any(isinstance(x, bool) for x in box)
    return numbers and all(isinstance(x, int | float) and abs(x) < _FARTHEST for x in box)
