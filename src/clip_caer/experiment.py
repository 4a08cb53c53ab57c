"""One run: the clips of a role with their features, and the model that an ablation describes."""

from collections.abc import Callable, Mapping, Sequence

import polars as pl
import torch

from clip_caer.encoder import load_clip, load_tokenizer
from clip_caer.errors import UserError
from clip_caer.features import FeatureTable
from clip_caer.model import ClipCaer
from clip_caer.prompts import PromptLearner, class_texts
from clip_caer.training import Clips


def clips_of_roles(clips: pl.DataFrame, split: pl.DataFrame, roles: Sequence[str]) -> pl.DataFrame:
    """Rows of the index that have one of `roles` in a split, with that role, in the index's order."""
    given = split.filter(pl.col("role").is_in(list(roles)))
    return clips.drop("role").join(given, on="clip_id", how="inner", maintain_order="left")


def with_features(clips: pl.DataFrame, tables: Mapping[str, FeatureTable], classes: Sequence[str]) -> Clips:
    """Clips ready for the model. Raises UserError if a feature is missing, or of other data than the index lists."""
    for view, table in tables.items():
        cached = dict(zip(table.clip_ids, table.sha256, strict=True))
        for clip_id, sha256 in clips.select("clip_id", "sha256").iter_rows():
            if cached.get(clip_id) != sha256:
                why = "was made from other data than the index lists" if clip_id in cached else "is missing"
                raise UserError(
                    f"the {view} feature of clip {clip_id!r} {why}. Delete results/features and start again."
                )
    number = {name: k for k, name in enumerate(classes)}
    return Clips(
        {view: table.select(clips["clip_id"].to_list()) for view, table in tables.items()},
        torch.tensor([number[label] for label in clips["label"]], dtype=torch.long),
    )


def model_builder(clip: Mapping, settings: Mapping, text_file: str | None) -> Callable[[], ClipCaer]:
    """A function that builds the untrained model of an ablation; CLIP is loaded once, here.

    clip: model and pretrained. settings: views, classes, and the sections text, prompts, temporal, train.
    """
    texts = class_texts(settings["classes"], settings["text"]["kind"], text_file)
    model, tokenizer = load_clip(clip["model"], clip["pretrained"]), load_tokenizer(clip["model"])
    width = model.visual.output_dim
    model.visual = None  # only the text tower learns from here on
    temporal = settings["temporal"] | {"segments": settings["train"]["segments"]}

    def build() -> ClipCaer:
        return ClipCaer(
            settings["views"], width, PromptLearner(model, tokenizer, texts, **settings["prompts"]), temporal
        )

    return build


def load_learned(model: ClipCaer, learned: Mapping[str, torch.Tensor]) -> ClipCaer:
    """Put the learned tensors of a run into a freshly built model. Raises UserError if they are not of such a model."""
    expected = {name: tensor.shape for name, tensor in model.learned().items()}
    if expected != {name: tensor.shape for name, tensor in learned.items()}:
        raise UserError("the weights are of a model with other settings. Delete the run's folder and start again.")
    model.load_state_dict(learned, strict=False)
    return model
