"""Files are written whole or not at all, and known by their sha256."""

import functools
import hashlib
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from clip_caer.errors import UserError, refused

_UNFINISHED = ".unfinished"
_ANEW = "Delete it and start again; it is made anew."
_DIGITS, _MARK = 8, b'"checksum": "'  # of the checksum in a table's header
CHANGED = "its content has changed since it was written"


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Give a temporary path in the folder of `path`; move it there if the block succeeds, remove it if not.

    The caller may create a file or a folder at the temporary path. The suffix is kept, because writers look at it.
    A folder that stands at `path` is replaced. A file, unlike what is in a folder, is on the disk before it is moved:
    a power failure leaves none short. Raises UserError that names `path` if the disk is full, or the like.
    """
    path = Path(path)
    workplace = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        workplace = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=_UNFINISHED, dir=path.parent))
        temporary = workplace / path.name
        yield temporary
        if temporary.is_file():
            temporary.chmod(0o666 & ~_umask())  # whatever the writer made of it: others of the group read it too
            _sync(temporary)
        elif temporary.is_dir() and path.is_dir():
            shutil.rmtree(path)
        os.replace(temporary, path)
    except Exception as error:
        if isinstance(error, OSError) and workplace and str(workplace) in str(error.filename):
            error.filename = None  # a name that is gone by the time it is read
        raise refused(error, path) or error from error
    finally:
        if workplace:
            shutil.rmtree(workplace, ignore_errors=True)


@functools.cache
def _umask() -> int:
    """Which permissions new files do not get; it can only be read by setting it."""
    os.umask(umask := os.umask(0o022))
    return umask


def _sync(file: Path) -> None:
    with open(file, "rb") as stream:
        os.fsync(stream.fileno())


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


def read_json(path: str | Path, keys: Iterable[str] = (), cure: str = _ANEW) -> dict[str, Any]:
    """Read a JSON file that holds a mapping.

    Raises UserError that names the file, and `cure`, if it is damaged, no mapping, or lacks one of `keys`.
    """
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise refused(error, path) or refusal(path, str(error), cure) from error
    if not isinstance(found, dict):
        raise refusal(path, "it holds no mapping", cure)
    missing = [key for key in keys if key not in found]
    if missing:
        raise refusal(path, f"it has no {', '.join(missing)}", cure)
    return found


def write_parquet(table: pl.DataFrame, path: str | Path, **header: Any) -> None:
    """Write `table`, atomically, with a header of JSON values and a checksum. Equal content gives equal bytes."""
    metadata = {"header": json.dumps(header | {"checksum": "0" * _DIGITS})}
    with atomic(path) as temporary:
        table.write_parquet(temporary, compression="zstd", metadata=metadata)
        content = bytearray(temporary.read_bytes())
        place, digits = _checksum_of(content)
        content[place] = digits
        temporary.write_bytes(content)


def read_parquet(path: str | Path, columns: Iterable[str] = (), **header: Any) -> pl.DataFrame:
    """Read a table that `write_parquet` wrote.

    Raises UserError that names the file if it is damaged, lacks one of `columns`, or has another header.
    """
    try:
        content = Path(path).read_bytes()
        place, digits = _checksum_of(content)
        if content[place] != digits:
            raise ValueError(CHANGED)
        table = pl.read_parquet(content)
        found = json.loads(pl.read_parquet_metadata(content).get("header", "{}"))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
        raise refused(error, path) or refusal(path, str(error).partition("\n")[0]) from error
    for key, value in header.items():
        if found.get(key) != value:
            raise refusal(path, f"its {key} is {found.get(key)!r}, expected {value!r}")
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise refusal(path, f"it has no column {', '.join(missing)}")
    return table


def _checksum_of(content: bytes | bytearray) -> tuple[slice, bytes]:
    """Where a table has its checksum, and what it should be; nowhere and nothing, if it was written without one."""
    start = content.rfind(_MARK) + len(_MARK)
    if start < len(_MARK):
        return slice(0), b""
    place, view = slice(start, start + _DIGITS), memoryview(content)
    return place, checksum(view[: place.start], view[place.stop :]).encode()


def checksum(*parts: memoryview) -> str:
    """CRC-32 of some bytes, one part after the other, as hex digits. It is for accidents, and fast; no signature."""
    total = 0
    for part in parts:
        total = zlib.crc32(part, total)
    return f"{total:0{_DIGITS}x}"


def refusal(path: str | Path, why: str, cure: str = _ANEW) -> UserError:
    """The error that says why a file, of ours if no other `cure` is given, is not used."""
    return UserError(f"{path}: this file cannot be used: {why}. {cure}")


def is_endless(path: str | Path) -> bool:
    """Whether reading `path` might never end: it is a pipe, a socket or a device."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def sha256_file(path: str | Path) -> str:
    """Sha256 of a file's bytes, 64 hex digits."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
