"""Files are written whole or not at all, and known by their sha256."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

_UNFINISHED = ".unfinished"


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Give a temporary path in the folder of `path`; move it there if the block succeeds, remove it if not.

    The caller may create a file or a folder at the temporary path. The suffix is kept, because writers look at it.
    A folder that stands at `path` is replaced.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    workplace = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=_UNFINISHED, dir=path.parent))
    try:
        temporary = workplace / path.name
        yield temporary
        if temporary.is_dir() and path.is_dir():
            shutil.rmtree(path)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(workplace, ignore_errors=True)


def is_unfinished(name: str) -> bool:
    """Whether a folder of this name is where `atomic` puts what is being written."""
    return name.startswith(".") and name.endswith(_UNFINISHED)


def write_text(text: str, path: str | Path) -> None:
    """Write `text` as UTF-8, atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(value: Any, path: str | Path) -> None:
    """Write `value` as indented JSON, atomically. NaN is refused: it is not JSON."""
    write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", path)


def read_json(path: str | Path) -> Any:
    """Read one JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def write_parquet(table: pl.DataFrame, path: str | Path) -> None:
    """Write `table`, atomically. The same table always gives the same bytes."""
    with atomic(path) as temporary:
        table.write_parquet(temporary, compression="zstd")


def is_endless(path: str | Path) -> bool:
    """Whether reading `path` might never end: it is a pipe, a socket or a device."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def sha256_file(path: str | Path) -> str:
    """Sha256 of a file's bytes, 64 hex digits."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
