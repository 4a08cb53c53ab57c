"""The dataset: every reader gives the same two tables, checked as a whole before any work starts."""

import os
from pathlib import Path

from clip_caer.dataset.index import write_index
from clip_caer.dataset.labels import Labels, class_names
from clip_caer.dataset.raer import read_raer
from clip_caer.dataset.sheet import read_sheet
from clip_caer.dataset.tables import Dataset
from clip_caer.errors import UserError

__all__ = ["Dataset", "class_names", "read_dataset", "write_index"]

_READERS = {"csv": read_sheet, "demo": read_sheet, "raer": read_raer}  # the demo is a generated sheet


def read_dataset(config: dict) -> Dataset:
    """Read and check the dataset that the `dataset` section of the configuration names.

    Opens no video. Raises one `UserError` that lists every problem of the sheet or the lists with its line.
    """
    reader, path = config["reader"], config["path"]
    if reader not in _READERS:
        raise UserError(f"dataset.reader: unknown reader {reader!r}; expected one of {', '.join(_READERS)}.")
    if path is None:
        raise UserError(f"dataset.path: the reader {reader} needs a path, and none is given.")
    return _READERS[reader](Path(os.path.expanduser(path)), Labels(config))
