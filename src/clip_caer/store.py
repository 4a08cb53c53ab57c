"""Tensors in files that say what they are of, and cannot be taken for something else."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from clip_caer.files import CHANGED, atomic, checksum, refusal


def save_tensors(tensors: Mapping[str, torch.Tensor], header: Mapping[str, Any], path: str | Path) -> None:
    """Write a safetensors file with a header of JSON values and a checksum, atomically. Equal content, equal bytes."""
    header = {**header, "checksum": _checksum(tensors, header)}
    # one key: safetensors writes several in any order
    with atomic(path) as temporary:
        save_file(dict(tensors), temporary, metadata={"header": json.dumps(header)})


def save_bytes(
    data: BinaryIO, shapes: Mapping[str, tuple[str, list[int]]], header: Mapping[str, Any], path: str | Path
) -> None:
    """As `save_tensors`, for tensors that need not fit into memory: a file holds their bytes, one after the other.

    Without checksum, since they are read in parts.
    shapes: name → type, U8 or BOOL, and shape of each tensor, in that order.
    """
    layout: dict[str, Any] = {"__metadata__": {"header": json.dumps(header)}}
    end = 0
    for name, (dtype, shape) in shapes.items():
        start, end = end, end + prod(shape)
        layout[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(layout).encode()
    text += b" " * (-len(text) % 8)  # the format wants the data aligned
    data.seek(0)
    with atomic(path) as temporary, open(temporary, "wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        shutil.copyfileobj(data, stream)


def open_tensors(path: str | Path, **expected: Any) -> tuple[safe_open, dict[str, Any]]:
    """An open safetensors file, whose tensors are read when asked for, and its header.

    Raises UserError that names the file if it is cut short, or if its header has not the `expected` values.
    """
    try:
        file = safe_open(path, "pt")
        header = json.loads((file.metadata() or {}).get("header", "{}"))
    except (SafetensorError, OSError, ValueError) as error:
        raise refusal(path, str(error)) from error
    for key, value in expected.items():
        if header.get(key) != value:
            raise refusal(path, f"its {key} is {header.get(key)!r}, expected {value!r}")
    return file, header


def read_tensors(path: str | Path, **expected: Any) -> dict[str, torch.Tensor]:
    """All tensors of a file. Raises UserError as `open_tensors` does, and if they changed or are not finite."""
    file, header = open_tensors(path, **expected)
    tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (an open file, not a dict)
    if is_changed(tensors, header):
        raise refusal(path, CHANGED)
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise refusal(path, f"{name} holds values that are not finite")
    return tensors


def is_changed(tensors: Mapping[str, torch.Tensor], header: Mapping[str, Any]) -> bool:
    """Whether tensors or header of a file are not those that were written; of a file without checksum, no."""
    return header.get("checksum") not in (None, _checksum(tensors, header))


def _checksum(tensors: Mapping[str, torch.Tensor], header: Mapping[str, Any]) -> str:
    content = {name: (str(t.dtype), t.shape, checksum(_bytes(t))) for name, t in sorted(tensors.items())}
    about = {key: value for key, value in header.items() if key != "checksum"}
    return hashlib.sha256(json.dumps([about, content]).encode()).hexdigest()


def _bytes(tensor: torch.Tensor) -> memoryview:
    return tensor.detach().cpu().flatten().view(torch.uint8).numpy().data


def read_damaged(path: str | Path) -> dict[str, str]:
    """Clip id → message of the damaged clips of a shard of features or crops, from its header alone."""
    return open_tensors(path)[1]["damaged"]
