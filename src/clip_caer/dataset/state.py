"""Has the dataset changed since it was indexed? Told from names, sizes and times, without reading any content."""

import csv
import io
import os
from collections.abc import Iterator
from pathlib import Path

from clip_caer.errors import UserError
from clip_caer.fingerprints import fingerprint


def dataset_state(config: dict) -> str:
    """Ten hex digits that change when a file of the dataset is added, removed, or written anew.

    csv: the sheet, and what its column `video` names. raer: the lists, and the folders of frames; a frame that is
    overwritten in place under its old name is not noticed (all 81,873 would have to be asked).
    Raises UserError if there is nothing at dataset.path.
    """
    path = Path(config["path"]).expanduser()
    if not path.exists():
        raise UserError(f"dataset.path: there is nothing at {path}.")
    files = _raer_files(path) if config["reader"] == "raer" else _sheet_files(path)
    return fingerprint(sorted(_stamp(file) for file in files if file.exists()))


def _stamp(file: Path) -> tuple[str, int, int]:
    status = file.stat()
    return str(file), status.st_size, status.st_mtime_ns


def _raer_files(folder: Path) -> Iterator[Path]:
    yield from (entry for entry in folder.iterdir() if entry.is_file())
    for directory, _, _ in os.walk(folder / "images"):
        yield Path(directory)


def _sheet_files(sheet: Path) -> Iterator[Path]:
    """The sheet and its videos; whatever is wrong with the sheet, its reader will say."""
    yield sheet
    text = sheet.read_text(encoding="utf-8-sig", errors="replace").replace("\0", "")
    for row in csv.DictReader(io.StringIO(text, newline="")):
        source = sheet.parent / (row.get("video") or "").strip()
        yield source
        if source.is_dir() and source != sheet.parent:
            yield from source.iterdir()
