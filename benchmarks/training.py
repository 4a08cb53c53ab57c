"""Training: a step of the fused ablation on cached features, prompts and all, against its matrix products alone.

The products are those that one real step asks torch for, forward and backward, noted as it runs and run again on the
same tensors: every mm, addmm, bmm and attention kernel, and nothing between them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from clip_caer.learning.losses import make_loss
from clip_caer.learning.training import make_optimizer, take_step
from made import TINY, write_clip
from measuring import compare, versions
from runs import builder, random_clips, run_settings

PRODUCTS = ("mm", "addmm", "bmm", "baddbmm")


def packages() -> dict[str, str]:
    return versions("torch", "open_clip_torch")


class Products(TorchDispatchMode):
    """Notes the matrix products that torch is asked for."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        name = operator.overloadpacket.__name__
        if name in PRODUCTS or name.startswith("_scaled_dot_product"):
            self.asked.append((operator, args, kwargs or {}))
        return operator(*args, **(kwargs or {}))

    @torch.no_grad()
    def repeat(self) -> None:
        for operator, args, kwargs in self.asked:
            operator(*args, **kwargs)


def measure(work: Path, quick: bool, device: str) -> Iterator[dict[str, Any]]:
    model = TINY if quick else write_clip(work / "clip")
    for train in ({"batch": 8, "optimizer": "sgd", "weight_decay": 1e-4}, {}):
        settings = run_settings(["face", "context"], **train)
        batch = settings["train"]["batch"]
        clips = random_clips(model, settings, [batch] * 5, device)
        torch.set_flush_denormal(True)
        caer = builder(model, settings, device)().train()
        optimizer = make_optimizer(caer, settings["train"])
        loss_of = make_loss(clips.labels, 5, settings["train"]["loss"]).to(device)
        generator = torch.Generator().manual_seed(0)

        def step(clips=clips, caer=caer, optimizer=optimizer, loss_of=loss_of, settings=settings, generator=generator):
            chosen = torch.randperm(len(clips.labels), generator=generator)[: settings["train"]["batch"]]
            inputs = clips.draw(chosen, settings["train"], generator)
            place = next(caer.parameters()).device
            take_step(caer, optimizer, loss_of, inputs, clips.labels[chosen], settings["train"], place)

        with Products() as products:
            step()
        yield compare(
            f"a step of {batch} clips, {settings['train']['optimizer']}",
            products.repeat,
            step,
            3 if quick else 21,
            batch,
            "clips",
            limit_is=f"its {len(products.asked)} matrix products",
            model="the demo's tiny CLIP" if quick else "ViT-B/32 of random weights",
        )
