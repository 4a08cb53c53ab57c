"""Has the dataset changed since it was indexed? Told from names, sizes and times, without reading any content."""

import csv
import io
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from clip_caer.errors import UserError
from clip_caer.fingerprints import fingerprint


def dataset_state(config: dict) -> str:
    """Ten hex digits that change when a file of the dataset is added, removed, or written anew.

    csv: the sheet, and what its column `video` names. raer: the lists, and the folders of frames; a frame that is
    overwritten in place under its old name is not noticed (all 81,873 would have to be asked).
    Raises UserError if there is nothing at dataset.path.
    """
    path = Path(os.path.expanduser(config["path"]))
    is_raer = config["reader"] == "raer"
    if not (os.path.isdir(path) if is_raer else os.path.isfile(path)):
        what = f"is not a {'folder' if is_raer else 'file'}" if os.path.exists(path) else "does not exist"
        raise UserError(f"dataset.path: {path} {what}.")
    try:
        return fingerprint(sorted(filter(None, map(_stamp, _raer_files(path) if is_raer else _sheet_files(path)))))
    except OSError as error:
        raise UserError(f"dataset.path: {error.filename} cannot be read: {error.strerror}.") from error


def _stamp(file: Path) -> tuple[str, int, int] | None:
    try:
        status = file.stat()
    except (OSError, ValueError):  # what is wrong with it, the reader will say
        return None
    return str(file), status.st_size, status.st_mtime_ns


def _raer_files(folder: Path) -> Iterator[Path]:
    yield from (entry for entry in folder.iterdir() if entry.is_file())
    for directory, _, _ in os.walk(folder / "images"):
        yield Path(directory)


def _sheet_files(sheet: Path) -> Iterator[Path]:
    """The sheet and its videos; whatever is wrong with the sheet, its reader will say."""
    yield sheet
    text = sheet.read_text(encoding="utf-8-sig", errors="replace").replace("\0", "")
    with suppress(csv.Error):
        for row in csv.DictReader(io.StringIO(text, newline="")):
            source = sheet.parent / (row.get("video") or "")
            yield source
            if os.path.isdir(source) and source != sheet.parent:
                yield from source.iterdir()
