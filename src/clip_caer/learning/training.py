"""Training of one model, and its predictions.

Every draw of a step follows from the seed and the number of the step, so a run that was killed goes on as if nothing
had happened, from what it kept at the end of its last epoch.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from clip_caer.ahead import ahead
from clip_caer.errors import UserError
from clip_caer.fingerprints import fingerprint
from clip_caer.learning.clips import Clips
from clip_caer.learning.losses import make_loss, training_targets
from clip_caer.learning.model import learned
from clip_caer.protocol.evaluation import confusion_matrix, uar, war
from clip_caer.store import open_tensors, read_tensors, save_tensors

Model = nn.Module  # ClipCaer or EndToEnd: takes the inputs that its Clips draw; has parts()


@dataclass
class Training:
    """The best epoch's learned tensors, the curves so far, and which epoch was the best (from 1)."""

    learned: dict[str, torch.Tensor] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0

    def add(self, epoch: dict[str, float], model: Model) -> None:
        """Take in an epoch; keep its tensors if it has the best UAR so far, and of equal ones the lower loss."""
        self.history.append(epoch)
        best = self.history[self.best_epoch - 1] if self.best_epoch else None
        if best is None or (epoch["val/uar"], -epoch["val/loss"]) > (best["val/uar"], -best["val/loss"]):
            self.best_epoch = len(self.history)
            self.learned = {name: tensor.clone() for name, tensor in learned(model).items()}


def train(
    build: Callable[[], Model],
    train_clips: Clips,
    val_clips: Clips,
    classes: int,
    settings: Mapping,
    seed: int,
    keep: Path | None = None,
    run: str = "",
) -> Training:
    """Train a model, and choose the epoch by UAR on the validation role; the original chooses it on the test list.

    build: makes the model; called after the seed is set. settings: the `train` section of the config.
    keep: a file for the state at the end of each epoch; if it holds that of an earlier try of the same `run` (what its
    caches hold and all else upstream), settings, seed and labels, training goes on from there, if anything is left to
    do, and ends with the same weights as without the interruption.
    Raises UserError when the loss is no longer finite.
    """
    torch.set_flush_denormal(True)  # the gradient of a clip that is learned falls below 1e-38: a step takes 9 x longer
    torch.manual_seed(seed)
    model = build()
    device = next(model.parameters()).device
    optimizer = make_optimizer(model, settings)
    targets = training_targets(train_clips, settings["loss"]["target"])
    loss_of = make_loss(targets, classes, settings["loss"]).to(device)
    batches = math.ceil(len(targets) / settings["batch"])
    identity = fingerprint(run, settings, seed, targets.tolist(), val_clips.labels.tolist())
    trained = _restore(keep, identity, model, optimizer) if keep and keep.exists() else Training()
    for epoch in range(len(trained.history) + 1, settings["epochs"] + 1):
        model.train()
        total = 0.0
        order = torch.randperm(len(targets), generator=_generator(seed, epoch, 0))
        parts = order.split(settings["batch"])
        drawn = ahead(
            train_clips.draw(clips, settings, _generator(seed, epoch, number))
            for number, clips in enumerate(parts, start=1)
        )
        for number, (clips, inputs) in enumerate(zip(parts, drawn, strict=True), start=1):
            step = (epoch - 1) * batches + number - 1
            factor = schedule(settings["schedule"], step / (batches * settings["epochs"]))
            for group in optimizer.param_groups:
                group["lr"] = factor * settings["lr"][group["name"]]
            torch.manual_seed(_seed(seed, epoch, number))  # for dropout
            held = (number - 1) % settings["prompts_every"] + 1
            learn_from = held if held == settings["prompts_every"] or number == batches else 0
            loss = take_step(model, optimizer, loss_of, inputs, targets[clips], settings, device, learn_from)
            if not math.isfinite(loss):
                raise UserError(
                    f"training stopped: the loss is {loss} in epoch {epoch} (seed {seed}). "
                    "Lower train.lr, or look at the features of these clips."
                )
            total += loss * len(clips)
        lr = {f"lr/{group['name']}": group["lr"] for group in optimizer.param_groups}
        scores = validate(model, val_clips, settings)
        if not math.isfinite(scores["val/loss"]):
            raise UserError(
                f"training stopped: the validation loss is {scores['val/loss']} in epoch {epoch} (seed {seed}). "
                "Lower train.lr."
            )
        trained.add({"epoch": epoch, "train/loss": total / len(order), **scores, **lr}, model)
        if keep:
            _keep(keep, identity, model, optimizer, trained)
    return trained


def take_step(model, optimizer, loss_of, inputs, targets, settings, device, learn_from: int = 1) -> float:
    """One step of the optimiser, its gradient gathered over parts of the batch; the mean loss.

    learn_from: the prompts learn in this step, from the mean gradient of the last so many; 0: not yet. The class texts
    are encoded once for all steps in between, and all parts.
    """
    optimizer.zero_grad()
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")
    prompts = model.parts().get("prompts")
    if prompts is not None and prompts.held is None:
        with autocast:
            prompts.hold()
    total, parts = 0.0, min(settings["accumulate"], len(targets))
    split = [{view: x.tensor_split(parts) for view, x in tensors.items()} for tensors in inputs]
    for i, wanted in enumerate(targets.to(device).tensor_split(parts)):
        shown, found = ({view: of_view[i].to(device) for view, of_view in tensors.items()} for tensors in split)
        with autocast:
            logits = model(shown, found)
        loss = loss_of(logits.float(), wanted) * (len(wanted) / len(targets))
        loss.backward()
        total += loss.item()
    if prompts is not None and learn_from:
        prompts.learn(learn_from)
    if math.isfinite(total):
        optimizer.step()
    return total


def make_optimizer(model: Model, settings: Mapping) -> torch.optim.Optimizer:
    """AdamW, or SGD with momentum 0.9 (the original's), with a learning rate for each part of the model."""
    learning = {name: [p for p in part.parameters() if p.requires_grad] for name, part in model.parts().items()}
    groups = [
        {"name": name, "lr": settings["lr"][name], "params": params} for name, params in learning.items() if params
    ]
    if settings["optimizer"] == "sgd":
        return torch.optim.SGD(groups, momentum=0.9, weight_decay=settings["weight_decay"], fused=True)
    return torch.optim.AdamW(groups, weight_decay=settings["weight_decay"], fused=True)


def schedule(name: str, progress: float) -> float:
    """Factor of the learning rate at `progress` (0-1): cosine to 0, × 0.1 at 1/2 and 3/4 (the original's), constant."""
    if name == "cosine":
        return 0.5 * (1 + math.cos(math.pi * progress))
    return 0.1 ** ((progress >= 0.5) + (progress >= 0.75)) if name == "steps" else 1.0


@torch.inference_mode()
def predict(model: Model, clips: Clips, settings: Mapping) -> torch.Tensor:
    """Logits float32 [clips, K], from the middle frame of each segment, unflipped."""
    model.eval()
    device, logits = next(model.parameters()).device, []
    for part in torch.arange(len(clips.labels)).split(settings["batch"]):
        shown, found = ({v: x.to(device) for v, x in tensors.items()} for tensors in clips.centre(part, settings))
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            logits.append(model(shown, found).float())
    return torch.cat(logits).cpu()


def validate(model: Model, clips: Clips, settings: Mapping) -> dict[str, float]:
    """Loss, UAR and WAR on the validation role."""
    logits = predict(model, clips, settings)
    confusion = confusion_matrix(clips.labels.numpy(), logits.argmax(1).numpy(), logits.shape[1])
    loss = nn.functional.cross_entropy(logits, clips.labels).item()
    return {"val/loss": loss, "val/uar": float(uar(confusion)), "val/war": float(war(confusion))}


def _seed(*numbers: int) -> int:
    return int(fingerprint(*numbers), 16)


def _generator(*numbers: int) -> torch.Generator:
    return torch.Generator().manual_seed(_seed(*numbers))


def _keep(path: Path, identity: str, model: Model, optimizer: torch.optim.Optimizer, trained: Training) -> None:
    tensors = {f"model/{name}": tensor for name, tensor in learned(model).items()}
    tensors |= {f"best/{name}": tensor for name, tensor in trained.learned.items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{number}/{name}": torch.as_tensor(value) for name, value in state.items()}
    tensors = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    header = {"identity": identity, "history": trained.history, "best_epoch": trained.best_epoch}
    save_tensors(tensors, header, path)


def _restore(path: Path, identity: str, model: Model, optimizer: torch.optim.Optimizer) -> Training:
    """Put a kept state back; an empty history if it is of another run, or damaged."""
    try:
        tensors, (_, header) = read_tensors(path), open_tensors(path, identity=identity)
    except UserError:
        return Training()
    parts: dict[str, dict[str, Any]] = {"model": {}, "best": {}, "optimizer": {}}
    for key, tensor in tensors.items():
        part, name = key.split("/", 1)
        parts[part][name] = tensor
    model.load_state_dict(parts["model"], strict=False)
    state: dict[int, dict[str, Any]] = {}
    for key, tensor in parts["optimizer"].items():
        number, name = key.split("/")
        state.setdefault(int(number), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return Training(parts["best"], header["history"], header["best_epoch"])
