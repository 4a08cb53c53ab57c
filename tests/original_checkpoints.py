"""Checkpoint files in the original's layout, with random weights, for tests."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from clip_caer import torchvision_on_cpu  # noqa: F401  (before open_clip)

import open_clip  # isort: skip

TEXTS = ["calm, the student's eyes on the book", "a well-lit smile", "2 raised brows (and a frown)"]
TOKENIZER = open_clip.SimpleTokenizer()
CLIP_WIDTH, VOCABULARY, LENGTH = 64, 49408, 77  # of the text tower


def shapes(classes, n_ctx=8, shared=False, depth=1, embedding=64, vision=64, patch=16, segments=16, layers=2) -> dict:
    """Name → shape of the tensors that a checkpoint of these sizes holds, without repetitions and class texts."""
    found = {"prompt_learner.ctx": (n_ctx, CLIP_WIDTH) if shared else (classes, n_ctx, CLIP_WIDTH)}
    for tower, width in (("", CLIP_WIDTH), ("visual.", vision)):
        for block in (f"clip_model_.{tower}transformer.resblocks.{block}." for block in range(layers)):
            found |= {block + "attn.in_proj_weight": (3 * width, width), block + "attn.in_proj_bias": (3 * width,)}
            found |= linear_shapes(block + "attn.out_proj", width, width) | norm_shapes(block + "ln_1", width)
            found |= linear_shapes(block + "mlp.c_fc", width, 4 * width) | norm_shapes(block + "ln_2", width)
            found |= linear_shapes(block + "mlp.c_proj", 4 * width, width)
    clip = {
        "positional_embedding": (LENGTH, CLIP_WIDTH),
        "text_projection": (CLIP_WIDTH, embedding),
        "token_embedding.weight": (VOCABULARY, CLIP_WIDTH),
        "logit_scale": (),
        "visual.class_embedding": (vision,),
        "visual.positional_embedding": (1 + (32 // patch) ** 2, vision),
        "visual.proj": (vision, embedding),
        "visual.conv1.weight": (vision, 3, patch, patch),
    }
    found |= {"clip_model_." + name: shape for name, shape in clip.items()}
    found |= norm_shapes("clip_model_.ln_final", CLIP_WIDTH)
    found |= norm_shapes("clip_model_.visual.ln_pre", vision) | norm_shapes("clip_model_.visual.ln_post", vision)
    for net in ("temporal_net.", "temporal_net_body."):
        found |= {net + "cls_token": (1, 1, embedding), net + "pos_embedding": (1, segments + 1, embedding)}
        for layer in (f"{net}temporal_transformer.layers.{layer}." for layer in range(depth)):
            found |= {layer + "0.fn.fn.to_qkv.weight": (3 * 512, embedding)}
            found |= linear_shapes(layer + "0.fn.fn.to_out.0", 512, embedding)
            found |= linear_shapes(layer + "1.fn.fn.net.0", embedding, 1024)
            found |= linear_shapes(layer + "1.fn.fn.net.3", 1024, embedding)
            found |= norm_shapes(layer + "0.fn.norm", embedding) | norm_shapes(layer + "1.fn.norm", embedding)
    return found | linear_shapes("project_fc", 2 * embedding, embedding)


def linear_shapes(name, width_in, width_out):
    return {name + ".weight": (width_out, width_in), name + ".bias": (width_out,)}


def norm_shapes(name, width):
    return {name + ".weight": (width,), name + ".bias": (width,)}


def complete(tensors: dict, texts: list[str], n_ctx: int) -> dict:
    """A state_dict of the original: with the embedded class texts, and CLIP under its other names."""
    prompts = TOKENIZER([" ".join(["X"] * n_ctx + [text]) for text in texts])
    embedded = tensors["clip_model_.token_embedding.weight"][prompts]
    state = tensors | {"prompt_learner.token_prefix": embedded[:, :1]}
    state |= {"prompt_learner.token_suffix": embedded[:, 1 + n_ctx :]}
    for name, tensor in tensors.items():
        if name.startswith("clip_model_.visual."):
            state["image_encoder." + name.removeprefix("clip_model_.visual.")] = tensor
        elif name.startswith("clip_model_.") and "logit_scale" not in name and "token_embedding" not in name:
            state["text_encoder." + name.removeprefix("clip_model_.")] = tensor
    return state


def random_state(seed: int, texts: list[str] = TEXTS, **sizes) -> dict:
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in shapes(len(texts), **sizes).items():
        gain = len(shape) == 1 and name.endswith(".weight")
        scale = 0.1 if len(shape) == 1 else 0.05
        tensors[name] = torch.randn(shape, generator=generator) * scale + gain
    return complete(tensors, texts, sizes.get("n_ctx", 8))


class RecorderMeter:
    """Curves of a training, as the original pickles them: a class of its script, with arrays inside."""

    def __init__(self, epochs: int):
        self.total_epoch, self.current_epoch = epochs, 0
        self.epoch_losses = np.zeros((epochs, 2), np.float32) - 1
        self.epoch_accuracy = np.zeros((epochs, 2), np.float32)


RecorderMeter.__module__ = "__main__"


def save(path: Path, state: dict, best_acc=68.0, **options) -> Path:
    """Write a checkpoint as the original's training script does."""
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([weight], lr=1e-2, momentum=0.9)
    weight.sum().backward()
    optimizer.step()
    others = {"best_acc": best_acc, "optimizer": optimizer.state_dict(), "recorder": RecorderMeter(20)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules["__main__"], "RecorderMeter", RecorderMeter, raising=False)
        torch.save({"epoch": 7, "state_dict": state} | others, path, **options)
    return path
