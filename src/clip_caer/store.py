"""Tensors in files that say what they are of, and cannot be taken for something else."""

import json
import shutil
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from clip_caer.errors import refused
from clip_caer.files import CHANGED, atomic, checksum, refusal


def save_tensors(tensors: Mapping[str, torch.Tensor], header: Mapping[str, Any], path: str | Path) -> None:
    """Write a safetensors file with a header of JSON values and a checksum, atomically. Equal content, equal bytes."""
    # one key: safetensors writes several in any order
    metadata = {"header": json.dumps(_sealed({**header, "tensors": _described(tensors)}))}
    with atomic(path) as temporary:
        save_file(dict(tensors), temporary, metadata=metadata)


def save_bytes(
    data: BinaryIO, shapes: Mapping[str, tuple[str, list[int]]], header: Mapping[str, Any], path: str | Path
) -> None:
    """As `save_tensors`, for tensors that need not fit into memory: a file holds their bytes, one after the other.

    Their header has a checksum, they have none, since they are read in parts.
    shapes: name → type, U8 or BOOL, and shape of each tensor, in that order.
    """
    header = {**header, "tensors": {name: [dtype, shape] for name, (dtype, shape) in shapes.items()}}
    layout: dict[str, Any] = {"__metadata__": {"header": json.dumps(_sealed(header))}}
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

    Raises UserError that names the file if it is cut short, or if its header changed or has not the `expected` values.
    """
    try:
        file = safe_open(path, "pt")
        header = json.loads((file.metadata() or {}).get("header", "{}"))
    except (SafetensorError, OSError, ValueError) as error:
        raise refused(error, path) or refusal(path, str(error)) from error
    for key, value in expected.items():
        if header.get(key) != value:
            raise refusal(path, f"its {key} is {header.get(key)!r}, expected {value!r}")
    shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118 (an open file, not a dict)
    if header != _sealed(header) or shapes != {name: shape for name, (_, shape, *_) in header["tensors"].items()}:
        raise refusal(path, CHANGED)
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
    """Whether tensors or header of a file are not those that were written."""
    return header != _sealed(header) or header["tensors"] != _described(tensors)


def _sealed(header: Mapping[str, Any]) -> dict[str, Any]:
    """The header with its checksum; one that was read is equal to it as long as nothing changed."""
    about = json.loads(json.dumps({key: value for key, value in header.items() if key != "checksum"}))
    return about | {"checksum": checksum(memoryview(json.dumps(about).encode()))}


def _described(tensors: Mapping[str, torch.Tensor]) -> dict[str, list]:
    """Type, shape and checksum of each tensor."""
    return {name: [str(t.dtype), list(t.shape), checksum(_bytes(t))] for name, t in sorted(tensors.items())}


def _bytes(tensor: torch.Tensor) -> memoryview:
    return tensor.detach().cpu().flatten().view(torch.uint8).numpy().data


def read_damaged(path: str | Path) -> dict[str, str]:
    """Clip id → message of the damaged clips of a shard of features or crops, from its header alone."""
    return open_tensors(path)[1]["damaged"]
