"""Training of one model on cached features, and its predictions."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.data import BatchSampler, RandomSampler

from clip_caer.errors import UserError
from clip_caer.evaluation import confusion_matrix, uar, war
from clip_caer.features import FeatureTable
from clip_caer.model import ClipCaer
from clip_caer.segments import centre_frames, draw_frames


@dataclass(frozen=True)
class Clips:
    """The clips of one role: their features in each view (same clips, same order) and their labels, int64 [clips]."""

    features: Mapping[str, FeatureTable]
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def length(self) -> torch.Tensor:
        """Frames of each clip, int64 [clips]; every view has the same."""
        return next(iter(self.features.values())).length

    def batch(self, clips: torch.Tensor, frames: torch.Tensor, variant: torch.Tensor) -> tuple[dict, dict]:
        """Features float32 [B, T, D] and found mask bool [B, T] of each view.

        clips: int64 [B]. frames: int64 [B, T], from 0. variant: int64 [B]; the same for all views.
        """
        features, found = {}, {}
        for view, table in self.features.items():
            rows = table.start[clips, None] + frames
            features[view] = table.features[rows, variant[:, None]].float()
            found[view] = table.found[rows]
        return features, found


@dataclass(frozen=True)
class Trained:
    """What training leaves: the best epoch's learned tensors, the curves, and which epoch that was (from 1)."""

    learned: dict[str, torch.Tensor]
    history: list[dict[str, float]]
    best_epoch: int


def train(build: Callable[[], ClipCaer], train_clips: Clips, val_clips: Clips, settings: Mapping, seed: int) -> Trained:
    """Train a model; keep the epoch with the best UAR on the validation role (the earlier and lower loss if equal).

    build: makes the model; called after the seed is set. settings: the `train` section of the config.
    The original keeps the epoch that is best on the test list.
    Raises UserError when the loss is no longer finite.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = build()
    optimizer = make_optimizer(model, settings)
    sampler = BatchSampler(RandomSampler(range(len(train_clips)), generator=generator), settings["batch"], False)
    schedule = make_schedule(optimizer, settings["schedule"], settings["epochs"] * len(sampler))
    history, best, learned = [], (-1.0, -math.inf), {}
    for epoch in range(1, settings["epochs"] + 1):
        model.train()
        losses = []
        for clips in map(torch.tensor, sampler):
            frames = draw_frames(train_clips.length[clips], settings["segments"], generator)
            variant = torch.randint(0, 2, (len(clips),), generator=generator)
            logits = model(*train_clips.batch(clips, frames, variant))
            loss = nn.functional.cross_entropy(logits, train_clips.labels[clips])
            if not loss.isfinite():
                raise UserError(
                    f"training stopped: the loss is {loss.item()} in epoch {epoch} (seed {seed}). "
                    "Lower train.lr, or look at the features of these clips."
                )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item() * len(clips))
        scores = validate(model, val_clips, settings["segments"])
        lr = {f"lr/{group['name']}": group["lr"] for group in optimizer.param_groups}
        history.append({"epoch": epoch, "train/loss": sum(losses) / len(train_clips), **scores, **lr})
        if (scores["val/uar"], -scores["val/loss"]) > best:
            best, best_epoch = (scores["val/uar"], -scores["val/loss"]), epoch
            learned = {name: tensor.clone() for name, tensor in model.learned().items()}
    return Trained(learned, history, best_epoch)


def make_optimizer(model: ClipCaer, settings: Mapping) -> torch.optim.Optimizer:
    """AdamW, or SGD with momentum 0.9 (the original's), with a learning rate for each part of the model."""
    parts = {"temporal": model.temporal, "fusion": model.fusion, "prompts": model.prompts}
    groups = [
        {"name": name, "lr": settings["lr"][name], "params": [p for p in part.parameters() if p.requires_grad]}
        for name, part in parts.items()
    ]
    groups = [group for group in groups if group["params"]]
    if settings["optimizer"] == "sgd":
        return torch.optim.SGD(groups, momentum=0.9, weight_decay=settings["weight_decay"])
    return torch.optim.AdamW(groups, weight_decay=settings["weight_decay"])


def make_schedule(optimizer: torch.optim.Optimizer, name: str, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
    """Learning rate over `steps`: cosine to 0, × 0.1 at half and at three quarters (the original's), or constant."""
    factor = {
        "cosine": lambda step: 0.5 * (1 + math.cos(math.pi * step / steps)),
        "steps": lambda step: 0.1 ** ((step >= steps // 2) + (step >= steps * 3 // 4)),
        "constant": lambda step: 1.0,
    }
    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor[name])


@torch.inference_mode()
def predict(model: ClipCaer, clips: Clips, segments: int, batch: int = 256) -> torch.Tensor:
    """Logits float32 [clips, K], from the middle frame of each segment, unflipped."""
    model.eval()
    logits = []
    for part in torch.arange(len(clips)).split(batch):
        frames = centre_frames(clips.length[part], segments)
        logits.append(model(*clips.batch(part, frames, torch.zeros_like(part))))
    return torch.cat(logits)


def validate(model: ClipCaer, clips: Clips, segments: int) -> dict[str, float]:
    """Loss, UAR and WAR on the validation role."""
    logits = predict(model, clips, segments)
    confusion = confusion_matrix(clips.labels.numpy(), logits.argmax(1).numpy(), logits.shape[1])
    loss = nn.functional.cross_entropy(logits, clips.labels).item()
    return {"val/loss": loss, "val/uar": float(uar(confusion)), "val/war": float(war(confusion))}
