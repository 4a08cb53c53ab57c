"""A trained run, from the folder of a run or from a file."""

from pathlib import Path

from clip_caer.errors import UserError
from clip_caer.trained.file import read_model
from clip_caer.trained.folder import pack
from clip_caer.trained.model import Trained
from clip_caer.trained.packed import Packed


def open_run(run: str | Path, device: str = "cpu") -> Trained:
    """The model of a run, ready for use. run: the folder of a run, or a file that `write_model` wrote.

    Raises UserError if it is neither, or if something that it was made with is gone or has changed.
    """
    return Trained(open_packed(run, device), device)


def open_packed(run: str | Path, device: str = "cpu") -> Packed:
    """As `open_run`, not yet built."""
    run = Path(run)
    if run.name == "weights.safetensors" and run.with_name("train.run.json").exists():
        run = run.parent
    if run.is_dir():
        return pack(run, device)
    if run.is_file():
        return read_model(run)
    raise UserError(
        f"--run: there is no {run}. Expected the folder of a run, results/runs/ABLATION/SPLIT/seed-N, "
        "or a file written by clip-caer export."
    )
