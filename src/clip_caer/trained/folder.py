"""A run's folder, packed: its weights, with everything that they were trained on top of."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from clip_caer import torchvision_on_cpu  # noqa: F401  (before open_clip)
from clip_caer.encoder import load_clip
from clip_caer.errors import UserError, reject
from clip_caer.experiment import clips_of_roles, load_learned, model_builder, open_stores, with_stores
from clip_caer.files import read_json, read_parquet
from clip_caer.learning.finetuning import EndToEnd
from clip_caer.learning.texts import class_texts
from clip_caer.original import load_checkpoint
from clip_caer.store import read_tensors
from clip_caer.trained.packed import Packed, digest
from clip_caer.trained.settings import read_settings

import open_clip  # isort: skip

BACKGROUND = 64  # clips
_ORIGINAL_HEAD_WIDTH = 64
_OF_RECORD = ("name", "run_key", "fingerprint", "params", "versions", "git_commit")


def pack(folder: Path, device: str = "cpu") -> Packed:
    """Everything between a video and class probabilities, from the folder of a run, results/runs/…/seed-N.

    Raises UserError if the folder holds no finished run, or if settings, weights or texts are not, or are no longer,
    those that it was trained with.
    """
    made_with, record = _read(folder)
    settings, encoder = made_with["settings"], made_with["encoder"]
    build = model_builder(encoder, settings, made_with["text_file"], device)
    model = load_learned(build(), read_tensors(folder / "weights.safetensors")).eval()
    finetuned = isinstance(model, EndToEnd)
    caer = model.caer if finetuned else model
    with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
        text = caer.prompts()
        background = _background(model, made_with, folder.resolve())
    checkpoint = settings["checkpoint"]
    texts = load_checkpoint(checkpoint).texts if checkpoint else _texts(made_with)
    caer.prompts = None
    visual = (
        model.visual if finetuned else load_clip(encoder["model"], encoder["pretrained"], encoder["precision"]).visual
    )
    tower = _plain(visual)
    weights = Path(made_with["faces"]["weights"])
    tensors = {
        "text": text.float(),
        "background": background.float(),
        **{f"model/{name}": tensor for name, tensor in caer.state_dict().items()},
        **{f"visual/{name}": tensor for name, tensor in tower.items()},
        "detector": torch.frombuffer(bytearray(weights.read_bytes()), dtype=torch.uint8),
    }
    about = {
        "name": record["name"].removeprefix("train · "),
        "experiment": made_with["experiment"],
        "classes": settings["classes"],
        "texts": texts,
        "views": {view: made_with["views"][view] for view in caer.views},  # in the order in which they are fused
        "frames": made_with["frames"],
        "faces": {key: value for key, value in made_with["faces"].items() if key != "weights"},
        "encoder": {
            "model": encoder["model"],
            "pretrained": encoder["pretrained"],
            "precision": "fp32" if finetuned else encoder["precision"],
            "normalise": "none" if checkpoint else encoder["normalise"],
            "finetuned": finetuned,
            "tower": _configuration(encoder["model"], visual),
            "sha256": digest(tower),
        },
        "temporal": _temporal(settings, caer),
        "shared": settings["temporal"]["shared"] and not checkpoint,  # the config says nothing of a checkpoint
        "fusion": "concat" if checkpoint else settings["fusion"],
        "adapter": 0 if checkpoint else settings["adapter"],
        "segments": settings["train"]["segments"],
        "sampling": settings["train"]["sampling"],
        "temperature": _temperature(folder),
        "selected_on": settings["selected_on"],
        "fingerprints": {"run": record["fingerprint"], **made_with["stores"]},
        "run_key": record["run_key"],
        "scores": read_json(folder / "metrics.json") if (folder / "metrics.json").exists() else {},
        "settings": record["params"],
        "versions": record["versions"],
        "git_commit": record["git_commit"],
    }
    return Packed({name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}, about)


def _read(folder: Path) -> tuple[dict, dict]:
    """Settings and record of a run, after a check that they belong together."""
    if not (folder / "weights.safetensors").exists():
        runs = sorted(str(path.parent) for path in folder.glob("**/weights.safetensors"))[:20]
        hint = f" Its runs are {', '.join(runs)}." if runs else ""
        raise UserError(f"{folder}: there are no trained weights in this folder.{hint}")
    made_with, record = read_settings(folder), read_json(folder / "train.run.json", _OF_RECORD)
    split = folder.resolve().parent.name
    if made_with["runs"].get(split) != record["fingerprint"]:
        raise UserError(
            f"{folder}: it was trained with other settings than {folder.parents[1] / 'settings.json'} tells. "
            "Start snakemake again to bring both up to date."
        )
    return made_with, record


def _background(model: nn.Module, made_with: Mapping, folder: Path) -> torch.Tensor:
    """What the views have seen in some clips of the train role, [N, views, D]; drawn by lot, always the same."""
    settings, results, split = made_with["settings"], folder.parents[3], folder.parent.name
    kind, fingerprints = settings["store"], made_with["stores"]
    paths = {view: sorted(Path(results, kind, fp, view).glob("*.safetensors")) for view, fp in fingerprints.items()}
    reject(
        [f"{Path(results, kind, fingerprints[view], view)}" for view, files in paths.items() if not files],
        f"{folder}: the caches that it was trained on are gone. Start snakemake again, or use an exported file",
    )
    roles = read_parquet(results / "splits" / f"{split}.parquet")
    rows = clips_of_roles(read_parquet(results / "index" / "clips.parquet"), roles, ["train"])
    rows = rows.sample(min(BACKGROUND, len(rows)), seed=0)
    clips = with_stores(rows, open_stores(kind, paths, fingerprints), settings["classes"], kind)
    device, seen = next(model.parameters()).device, []
    for part in torch.arange(len(rows)).split(8):
        shown, found = ({v: x.to(device) for v, x in of.items()} for of in clips.centre(part, settings["train"]))
        seen.append(model.caer.seen(model.encode(shown, found), found) if kind == "crops" else model.seen(shown, found))
    return torch.cat(seen)


def _texts(made_with: Mapping) -> list[str]:
    settings = made_with["settings"]
    return class_texts(settings["classes"], settings["text"]["kind"], made_with["text_file"])


def _plain(visual: nn.Module) -> dict[str, torch.Tensor]:
    """The tensors of an image tower, with low-rank changes worked into its weights."""
    for module in list(visual.modules()):
        if parametrize.is_parametrized(module):
            for name in list(module.parametrizations):
                parametrize.remove_parametrizations(module, name)
    return visual.state_dict()


def _configuration(model: str, visual: nn.Module) -> dict[str, Any]:
    """What open_clip builds an image tower from, and the mean and deviation of its preprocessing."""
    if model.startswith("original:"):
        vision = {
            "image_size": visual.image_size[0],
            "layers": len(visual.transformer.resblocks),
            "width": visual.conv1.out_channels,
            "patch_size": visual.conv1.kernel_size[0],
            "head_width": _ORIGINAL_HEAD_WIDTH,
        }
        return {
            "embed_dim": visual.output_dim,
            "vision_cfg": vision,
            "quick_gelu": True,
            "mean": [0.0] * 3,
            "std": [1.0] * 3,
        }
    config = open_clip.get_model_config(model)
    return {
        "embed_dim": config["embed_dim"],
        "vision_cfg": config["vision_cfg"],
        "quick_gelu": config.get("quick_gelu", False),
        "mean": list(visual.image_mean),
        "std": list(visual.image_std),
    }


def _temporal(settings: Mapping, caer: nn.Module) -> dict[str, Any]:
    """Arguments of a TemporalEncoder; those of a checkpoint of the original follow from its tensors."""
    temporal = {key: value for key, value in settings["temporal"].items() if key != "shared"}
    temporal["segments"] = settings["train"]["segments"]
    layers = next(iter(caer.temporal.values())).layers
    if layers:
        heads, mlp_width = layers[0].heads, layers[0].mlp[0].out_features
        head_width = layers[0].qkv.out_features // (3 * heads)
        temporal |= {"layers": len(layers), "heads": heads, "head_width": head_width, "mlp_width": mlp_width}
    return temporal


def _temperature(folder: Path) -> float:
    """Of the run's calibration, where its evaluation has fitted one."""
    path = folder / "predictions.parquet"
    if path.exists() and "temperature" in read_parquet(path).columns:
        return float(read_parquet(path, columns=["temperature"])["temperature"][0])
    return 1.0
