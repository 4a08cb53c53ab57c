"""Reading a checkpoint of the original without running code from it."""

import re
from pathlib import Path

import torch

from clip_caer.errors import UserError, reject

_EXPECTED = "Expected the .pth that the original's training script saves."


class _Unread:
    """Stands in for what a checkpoint holds beside tensors: made of anything, it keeps nothing and does nothing."""

    def __new__(cls, *_):
        return super().__new__(cls)

    def __setstate__(self, _):
        pass


# What the pickled recorder and best accuracy name. NumPy 2 calls `numpy.core` `numpy._core`; neither is called.
_UNREAD = [
    "__main__.RecorderMeter",
    "numpy.ndarray",
    "numpy.dtype",
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
]


def read_tensors(path: str | Path) -> dict[str, torch.Tensor]:
    """The `state_dict` of a checkpoint, float32, on the CPU; its names without DataParallel's `module.`.

    The file is unpickled by torch's restricted reader: tensors and plain containers are made, the recorder and NumPy's
    arrays are passed over, and any other name refuses the file before anything is done with it.
    Raises UserError if the file cannot be read, names anything else, or holds no state_dict of float tensors.
    """
    try:
        with torch.serialization.safe_globals([(_Unread, name) for name in _UNREAD]):
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UserError(f"cannot read the checkpoint {path}: {error}") from error
    except Exception as error:  # a file that is no checkpoint makes the reader raise anything at all
        raise UserError(f"{path}: {_reason(error)}") from error
    state = checkpoint.get("state_dict") if isinstance(checkpoint, dict) else None
    if not isinstance(state, dict):
        raise UserError(f"{path}: holds no state_dict. {_EXPECTED}")
    reject(
        [
            f"{name!r} is not a tensor of floats"
            for name, tensor in state.items()
            if not (isinstance(name, str) and isinstance(tensor, torch.Tensor) and tensor.is_floating_point())
        ],
        f"{path}: its state_dict is not one of the original",
    )
    return {name.removeprefix("module."): tensor.detach().float() for name, tensor in state.items()}


def _reason(error: Exception) -> str:
    asked = re.search(r"GLOBAL (\S+)", str(error))
    if asked:
        return (
            f"refused. It asks for {asked[1]!r}, which no checkpoint of the original needs and which could run code; "
            "nothing of the file was run. Get the file from its authors again."
        )
    return f"is not a checkpoint, or is damaged ({type(error).__name__}); nothing of it was run. {_EXPECTED}"
