"""Training runs of RAER's size, as the preset `raer` sets them, on features of random numbers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from clip_caer.caching.features import VARIANTS, FeatureTable
from clip_caer.encoder import embedding_width
from clip_caer.experiment import model_builder
from clip_caer.learning.clips import FeatureClips
from made import read_preset

TRAIN, VAL = (1106, 103, 24, 126, 338), (277, 26, 6, 31, 84)  # clips by class: RAER's train list, a fifth of it for val
FRAMES = 31  # of a clip, RAER's median


def run_settings(views: Sequence[str], **train: Any) -> dict[str, Any]:
    """What a job of the rule train is given, with changes of the section train."""
    config = read_preset("raer")
    return {
        **{key: config[key] for key in ("text", "prompts", "temporal", "fusion", "adapter")},
        "train": {**config["train"], **train},
        "views": list(views),
        "classes": config["dataset"]["label_sets"]["fine"],
        "checkpoint": None,
    }


def builder(model: str, settings: Mapping[str, Any], device: str) -> Callable[[], nn.Module]:
    """model: a CLIP's name in the config."""
    encoder = {**read_preset("raer")["encoder"], "model": model, "pretrained": None}
    return model_builder(encoder, settings, settings["text"]["file"], device)


def random_clips(model: str, settings: Mapping[str, Any], counts: Sequence[int], device: str) -> FeatureClips:
    """So many clips of each class, with features [rows, variants, D] of noise."""
    n, width, random = sum(counts), embedding_width(model), torch.Generator().manual_seed(sum(counts))
    listed, shape = [(f"{number}", "", FRAMES) for number in range(n)], (n * FRAMES, len(VARIANTS), width)
    found = torch.ones(n * FRAMES, dtype=torch.bool)
    views = {
        view: FeatureTable.of(listed, torch.randn(shape, generator=random).half(), found, {}).to(device)
        for view in settings["views"]
    }
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    return FeatureClips(views, labels[torch.randperm(n, generator=random)])
