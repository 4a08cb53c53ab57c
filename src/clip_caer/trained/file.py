"""A trained run as one safetensors file, that works wherever this package does."""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from clip_caer.encoder import load_clip
from clip_caer.errors import UserError
from clip_caer.files import CHANGED, write_text
from clip_caer.store import is_changed, save_tensors
from clip_caer.trained.card import model_card
from clip_caer.trained.packed import Packed, digest

FORMAT = "clip-caer model 1"


def write_model(packed: Packed, path: str | Path, with_encoder: bool = True) -> None:
    """Write one file, and its model card beside it with the suffix .md. No pickle; equal runs give equal bytes.

    with_encoder: whether CLIP's image tower goes into the file. Without it, the file names the tower and its sha256,
    and is read only where open_clip can load that very tower; an encoder that was trained too is always inside.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise UserError(f"{path}: a model is written to a file with the suffix .safetensors.")
    inside = with_encoder or packed.about["encoder"]["finetuned"]
    tensors = {name: tensor for name, tensor in packed.tensors.items() if inside or not name.startswith("visual/")}
    about = packed.about | {"card": model_card(packed.about)}
    save_tensors(tensors, {"format": FORMAT, **about}, path)
    write_text(about["card"], path.with_suffix(".md"))


def read_model(path: Path) -> Packed:
    """Read such a file. Raises UserError if it is no model, or if the image tower that it names is another one here."""
    try:
        with safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {}).get("header", "{}"))
            if about.get("format") != FORMAT:
                raise ValueError(f"its format is {about.get('format')!r}, expected {FORMAT!r}")
            # copied: where a file's tensors are not aligned as torch's own are, products differ in their last digits
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (no dict)
            if is_changed(tensors, about):
                raise ValueError(CHANGED)
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{path}: this is no model written by clip-caer export: {error}.") from error
    packed = Packed(tensors, about)
    if not packed.part("visual"):
        tensors |= {f"visual/{name}": tensor for name, tensor in _named_tower(path, about["encoder"]).items()}
    return packed


def _named_tower(path: Path, encoder: dict) -> dict:
    """The tensors of the image tower that a file only names."""
    named = encoder["model"] if not encoder["pretrained"] else f"{encoder['model']} with {encoder['pretrained']!r}"
    try:
        tower = load_clip(encoder["model"], encoder["pretrained"], encoder["precision"]).visual.state_dict()
    except UserError as error:
        raise UserError(
            f"{path}: holds no image encoder and names {named}, which is not to be had here. {error}"
        ) from error
    if digest(tower) != encoder["sha256"]:
        raise UserError(f"{path}: its image encoder, {named}, has other weights here than those it was trained on.")
    return tower
