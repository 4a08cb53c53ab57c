"""Has the dataset changed since it was indexed? Told from names, sizes and times, without reading any content."""

import os
from collections.abc import Iterator
from pathlib import Path

from clip_caer.errors import UserError
from clip_caer.fingerprints import fingerprint


def dataset_state(config: dict) -> str:
    """Ten hex digits that change when a file of the dataset is added, removed, or written anew.

    csv: the sheet, and every file in its folder and below. raer: the lists, and the folders of frames; a frame that is
    overwritten in place under its old name is not noticed (81,873 of them would have to be asked).
    Raises UserError if there is nothing at dataset.path.
    """
    path = Path(config["path"]).expanduser()
    if not path.exists():
        raise UserError(f"dataset.path: there is nothing at {path}.")
    is_sheet = path.is_file()
    entries = _walk(path.parent if is_sheet else path, follow_files=is_sheet)
    return fingerprint(sorted(entries))


def _walk(folder: Path, follow_files: bool) -> Iterator[tuple[str, int, int]]:
    """(path, size, time) of the folders and, if asked, the files below; of the top folder's files in any case."""
    for directory, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in [*folders, *(files if follow_files or directory == str(folder) else [])]:
            status = os.stat(Path(directory, name))
            yield str(Path(directory, name).relative_to(folder)), status.st_size, status.st_mtime_ns
