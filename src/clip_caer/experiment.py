"""One run: the clips of a role with what is cached of them, and the model that an ablation describes."""

import copy
from collections.abc import Callable, Mapping, Sequence

import polars as pl
import torch
from torch import nn

from clip_caer.caching.crop_store import CropTable
from clip_caer.caching.features import FeatureTable, check_cached, read_features
from clip_caer.comparators import COMPARATORS
from clip_caer.encoder import embedding_width, load_clip, load_tokenizer
from clip_caer.errors import UserError
from clip_caer.learning.clips import Clips, CropClips, FeatureClips
from clip_caer.learning.finetuning import EndToEnd, unfreeze
from clip_caer.learning.model import ClipCaer, learned
from clip_caer.learning.prompts import PromptLearner
from clip_caer.learning.texts import class_texts
from clip_caer.original import load_checkpoint
from clip_caer.protocol.votes import vote_shares

STORES = {"features": (read_features, FeatureClips), "crops": (CropTable, CropClips)}


def open_stores(
    kind: str, paths: Mapping[str, Sequence[str]], fingerprints: Mapping[str, str], device: str = "cpu"
) -> dict[str, FeatureTable | CropTable]:
    """The caches that a run learns from, by view. kind: features, for the regime `frozen`, or crops, for `finetuned`.

    paths: the files of each view. device: where features are kept; crops stay in their files.
    Raises UserError for a file that is not what its fingerprint says.
    """
    read, _ = STORES[kind]
    stores = {view: read(files, fingerprints[view], view) for view, files in paths.items()}
    return {view: store.to(device) for view, store in stores.items()} if kind == "features" else stores


def clips_of_roles(clips: pl.DataFrame, split: pl.DataFrame, roles: Sequence[str]) -> pl.DataFrame:
    """Rows of the index that have one of `roles` in a split, with that role, in the index's order."""
    given = split.filter(pl.col("role").is_in(list(roles)))
    return clips.drop("role").join(given, on="clip_id", how="inner", maintain_order="left")


def with_stores(
    clips: pl.DataFrame, stores: Mapping[str, FeatureTable | CropTable], classes: Sequence[str], kind: str
) -> Clips:
    """Clips ready for the model. Raises UserError if a cache misses one, or is of other data than the index lists."""
    for view, table in stores.items():
        cached = dict(zip(table.clip_ids, table.sha256, strict=True))
        check_cached(cached, clips.select("clip_id", "sha256").iter_rows(), view)
    number = {name: k for k, name in enumerate(classes)}
    labels = torch.tensor([number[label] for label in clips["label"]], dtype=torch.long)
    views = {view: table.select(clips["clip_id"].to_list()) for view, table in stores.items()}
    _, clips_of_regime = STORES[kind]
    return clips_of_regime(views, labels, _soft_labels(clips, labels, len(classes)))


def _soft_labels(clips: pl.DataFrame, labels: torch.Tensor, classes: int) -> torch.Tensor | None:
    """The shares of the votes, float32 [clips, K], one-hot where a clip has none; None if no clip has any."""
    shares = vote_shares(clips)
    voted = shares.is_not_null()
    if not voted.any():
        return None
    soft = torch.nn.functional.one_hot(labels, classes).float()
    soft[torch.from_numpy(voted.to_numpy())] = torch.tensor(shares.drop_nulls().to_list())
    return soft


def model_builder(clip: Mapping, settings: Mapping, text_file: str | None, device: str) -> Callable[[], nn.Module]:
    """A function that builds the untrained model of an ablation or comparator; CLIP is loaded once, here.

    A checkpoint of the original stands for the whole model, and has nothing that learns. A comparator with a network of
    its own has no use for CLIP's weights.
    clip: the section encoder. settings: the model's views, classes, text, prompts, temporal, fusion, adapter, train;
    `model`: a comparator's name; clip_caer, or absent, for an ablation.
    """
    if settings["checkpoint"]:
        original = original_builder(settings["checkpoint"], settings["classes"], settings["train"]["segments"])
        return lambda: original().to(device)
    comparator = COMPARATORS.get(settings.get("model"))
    if comparator and comparator.build:
        width = embedding_width(clip["model"])
        return lambda: comparator.build(width, settings).to(device)
    texts = class_texts(settings["classes"], settings["text"]["kind"], text_file)
    model, tokenizer = load_clip(clip["model"], clip["pretrained"]), load_tokenizer(clip["model"])
    visual, model.visual = model.visual, None  # each build has an image tower of its own, if any
    temporal = {key: value for key, value in settings["temporal"].items() if key != "shared"}
    temporal["segments"] = settings["train"]["segments"]

    def build() -> ClipCaer | EndToEnd:
        caer = ClipCaer(
            settings["views"],
            visual.output_dim,
            PromptLearner(model, tokenizer, texts, **settings["prompts"]),
            temporal,
            settings["temporal"]["shared"],
            settings["fusion"],
            settings["adapter"],
        )
        if settings["train"]["regime"] == "frozen":
            return caer.to(device)
        tower = copy.deepcopy(visual)
        unfreeze(tower, settings["train"]["encoder_blocks"], settings["train"]["lora_rank"])
        tower.set_grad_checkpointing(settings["train"]["grad_checkpointing"])
        normalise = clip["normalise"] == "clip"
        mean, std = (visual.image_mean, visual.image_std) if normalise else ((0.0,) * 3, (1.0,) * 3)
        return EndToEnd(tower, caer, mean, std).to(device)

    return build


def original_builder(checkpoint: str, classes: Sequence[str], segments: int) -> Callable[[], EndToEnd]:
    """A function that gives the model of a checkpoint of the original, on crops without CLIP's mean and deviation.

    Raises UserError if it tells another number of classes apart, was made for another number of segments, or cannot be
    loaded (see `load_checkpoint`).
    """
    original = load_checkpoint(checkpoint)
    made_for = original.caer.temporal["face"].positions.shape[1] - 1  # and the class token
    if made_for != segments:
        raise UserError(f"{checkpoint}: shows {made_for} segments; train.segments is {segments}.")
    if len(original.texts) != len(classes):
        raise UserError(f"{checkpoint}: tells {len(original.texts)} classes apart; the label set has {len(classes)}.")
    return lambda: EndToEnd(original.visual, original.caer, (0.0,) * 3, (1.0,) * 3)


def load_learned(model: ClipCaer | EndToEnd, tensors: Mapping[str, torch.Tensor]) -> ClipCaer | EndToEnd:
    """Put the learned tensors of a run into a freshly built model. Raises UserError if they are not of such a model."""
    expected = {name: tensor.shape for name, tensor in learned(model).items()}
    if expected != {name: tensor.shape for name, tensor in tensors.items()}:
        raise UserError("the weights are of a model with other settings. Delete the run's folder and start again.")
    model.load_state_dict(tensors, strict=False)
    return model
