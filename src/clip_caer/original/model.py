"""The original's model, built of our parts from the tensors of its checkpoint."""

from collections.abc import Mapping
from math import isqrt
from pathlib import Path

import torch
from torch import nn

from clip_caer import torchvision_on_cpu  # noqa: F401  (before open_clip)
from clip_caer.errors import reject
from clip_caer.learning.model import ClipCaer
from clip_caer.learning.prompts import PromptLearner
from clip_caer.original.checkpoint import read_tensors
from clip_caer.original.texts import read_texts

import open_clip  # isort: skip

_HEAD_WIDTH = 64  # of every attention: OpenAI's in both towers, the paper's in the temporal encoders

_CLIP, _LAYERS = "clip_model_.", "temporal_net.temporal_transformer.layers."
_ALIASES = {"image_encoder.": _CLIP + "visual.", "text_encoder.": _CLIP}  # the original keeps CLIP under three names
_NAMES = {  # parts of our names, and what the original calls them
    "temporal.face.": "temporal_net.",
    "temporal.context.": "temporal_net_body.",
    "layers.": "temporal_transformer.layers.",
    ".norm1.": ".0.fn.norm.",
    ".qkv.": ".0.fn.fn.to_qkv.",
    ".out.": ".0.fn.fn.to_out.",
    ".norm2.": ".1.fn.norm.",
    ".mlp.": ".1.fn.fn.net.",
    ".cls": ".cls_token",
    ".positions": ".pos_embedding",
    "fusion.": "project_fc.",
}
# The tensors that tell the sizes: how many dimensions they may have, and what their first dimension is a multiple of.
_SIZES = {
    "clip_model_.visual.conv1.weight": ((4,), _HEAD_WIDTH),  # [vision width, 3, patch size, patch size]
    "clip_model_.visual.positional_embedding": ((2,), 1),  # [1 + patches, vision width]
    "clip_model_.positional_embedding": ((2,), 1),  # [context length, text width]
    "clip_model_.text_projection": ((2,), _HEAD_WIDTH),  # [text width, D]
    "prompt_learner.ctx": ((2, 3), 1),  # [n_ctx, text width], or [K, n_ctx, text width]
    "prompt_learner.token_suffix": ((3,), 1),  # [K, context length - 1 - n_ctx, text width]
    "temporal_net.pos_embedding": ((3,), 1),  # [1, 1 + segments, D]
    _LAYERS + "0.0.fn.fn.to_qkv.weight": ((2,), 3 * _HEAD_WIDTH),  # [3 × heads × head width, D]
    _LAYERS + "0.1.fn.fn.net.0.weight": ((2,), 1),  # [MLP width, D]
}


class Original(nn.Module):
    """The whole model, from pixels to logits. Every frame of both views is shown: none is masked.

    visual: CLIP's image tower. caer: the model on its features. texts: the class texts, in the order of the logits.
    """

    def __init__(self, visual: nn.Module, caer: ClipCaer, texts: list[str]):
        super().__init__()
        self.visual, self.caer, self.texts = visual, caer, texts

    def frames(self, pixels: torch.Tensor) -> torch.Tensor:
        """pixels [B, T, 3, S, S] in [0, 1], without CLIP's mean and deviation → frame features [B, T, D]."""
        return self.visual(pixels.flatten(0, 1)).unflatten(0, pixels.shape[:2])

    def forward(self, face: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Pixels of both views, as `frames` takes them → logits [B, K]."""
        features = {"face": self.frames(face), "context": self.frames(context)}
        found = {view: x.new_ones(x.shape[:2], dtype=torch.bool) for view, x in features.items()}
        return self.caer(features, found)


def load_checkpoint(path: str | Path) -> Original:
    """The model of a checkpoint of the original, its variant with two temporal encoders, concatenated and projected.

    In evaluation mode, frozen, float32, on the CPU. Sizes, depth, context tokens, their kind and the class texts follow
    from the tensors. Two things do not: attention heads are 64 wide, and a class text follows its context tokens.
    Raises UserError if the file is not such a checkpoint (see `read_tensors`), if tensors are missing, unknown or of
    shapes that do not go together, or if the class texts cannot be read (see `read_texts`).
    """
    tensors = read_tensors(path)
    _check_sizes(tensors, path)
    length = len(tensors["clip_model_.positional_embedding"])
    tokenizer = open_clip.SimpleTokenizer(context_length=length)
    clip = _empty_clip(tensors, length, tokenizer.vocab_size)
    caer = _empty_caer(tensors, clip.visual.output_dim)
    _check_names_and_shapes(tensors, _shapes(clip, caer, tensors), path)
    clip.load_state_dict({name: tensors[_CLIP + name] for name in clip.state_dict()})
    caer.load_state_dict({name: tensors[_original_name(name)] for name in caer.state_dict()})
    caer.prompts, texts = _prompts(tensors, clip, tokenizer, path)
    return Original(clip.visual, caer, texts).eval().requires_grad_(False)


def _check_sizes(tensors: Mapping[str, torch.Tensor], path: str | Path) -> None:
    problems = []
    for name, (dimensions, multiple) in _SIZES.items():
        shape = tuple(tensors[name].shape) if name in tensors else None
        if shape is None:
            problems.append(f"{name} is missing")
        elif len(shape) not in dimensions or 0 in shape or shape[0] % multiple:
            problems.append(f"{name} cannot have the shape {shape}")
    reject(problems, f"{path}: is not a checkpoint of the original's model")


def _empty_clip(tensors: Mapping[str, torch.Tensor], context_length: int, vocabulary: int) -> nn.Module:
    """An untrained CLIP of the checkpoint's sizes."""
    width, _, patch, _ = tensors["clip_model_.visual.conv1.weight"].shape
    side = isqrt(len(tensors["clip_model_.visual.positional_embedding"]) - 1)  # patches in a row of the picture
    text_width, embedding = tensors["clip_model_.text_projection"].shape
    blocks = [name for name in tensors if name.startswith(_CLIP) and name.endswith(".attn.in_proj_weight")]
    vision_blocks = [name for name in blocks if name.startswith(_CLIP + "visual.")]
    vision = open_clip.CLIPVisionCfg(
        layers=len(vision_blocks),
        width=width,
        head_width=_HEAD_WIDTH,
        patch_size=patch,
        image_size=max(side, 1) * patch,
    )
    text = open_clip.CLIPTextCfg(
        context_length=context_length,
        vocab_size=vocabulary,
        width=text_width,
        heads=text_width // _HEAD_WIDTH,
        layers=len(blocks) - len(vision_blocks),
    )
    return open_clip.CLIP(embedding, vision, text, quick_gelu=True)


def _empty_caer(tensors: Mapping[str, torch.Tensor], width: int) -> ClipCaer:
    """An untrained model of the checkpoint's sizes, still without prompts: these need CLIP's weights."""
    temporal = {
        "segments": tensors["temporal_net.pos_embedding"].shape[1] - 1,
        "layers": sum(name.startswith(_LAYERS) and name.endswith(".to_qkv.weight") for name in tensors),
        "heads": len(tensors[_LAYERS + "0.0.fn.fn.to_qkv.weight"]) // (3 * _HEAD_WIDTH),
        "head_width": _HEAD_WIDTH,
        "mlp_width": len(tensors[_LAYERS + "0.1.fn.fn.net.0.weight"]),
        "dropout": 0.1,
    }
    return ClipCaer(["face", "context"], width, None, temporal)


def _original_name(name: str) -> str:
    """What the original calls the tensor `name` of a ClipCaer."""
    for ours, theirs in _NAMES.items():
        name = name.replace(ours, theirs)
    return name


def _first_name(name: str) -> str:
    """The one of the original's names for a tensor that its CLIP gives it."""
    for alias, clip in _ALIASES.items():
        if name.startswith(alias):
            return clip + name.removeprefix(alias)
    return name


def _shapes(clip: nn.Module, caer: ClipCaer, tensors: Mapping[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor that a checkpoint of these sizes holds, by the original's names."""
    ours = {_CLIP + name: tensor for name, tensor in clip.state_dict().items()}
    ours |= {_original_name(name): tensor for name, tensor in caer.state_dict().items()}
    ctx, classes = tensors["prompt_learner.ctx"], len(tensors["prompt_learner.token_suffix"])
    n_ctx, width = ctx.shape[-2], len(clip.ln_final.weight)
    return {name: tuple(tensor.shape) for name, tensor in ours.items()} | {
        "prompt_learner.ctx": (classes, n_ctx, width)[3 - ctx.dim() :],
        "prompt_learner.token_prefix": (classes, 1, width),
        "prompt_learner.token_suffix": (classes, clip.context_length - 1 - n_ctx, width),
    }


def _check_names_and_shapes(
    tensors: Mapping[str, torch.Tensor], shapes: Mapping[str, tuple[int, ...]], path: str | Path
) -> None:
    problems = [f"{name} is missing" for name in shapes if name not in tensors]
    for name, tensor in tensors.items():
        meant = _first_name(name)
        if meant not in shapes:
            problems.append(f"{name} is unknown")
        elif tuple(tensor.shape) != shapes[meant]:
            problems.append(f"{name} has the shape {tuple(tensor.shape)}; the other tensors ask for {shapes[meant]}")
        elif name != meant and meant in tensors and not torch.equal(tensor, tensors[meant]):
            problems.append(f"{name} and {meant} should be one tensor, and differ")
    reject(problems, f"{path}: is not a checkpoint of the original's model")


def _prompts(
    tensors: Mapping[str, torch.Tensor], clip: nn.Module, tokenizer, path: str | Path
) -> tuple[PromptLearner, list[str]]:
    ctx = tensors["prompt_learner.ctx"]
    fixed = torch.cat([tensors["prompt_learner.token_prefix"], tensors["prompt_learner.token_suffix"]], dim=1)
    texts = read_texts(fixed, tensors["clip_model_.token_embedding.weight"], tokenizer, path)
    prompts = PromptLearner(clip, tokenizer, texts, ctx.shape[-2], class_specific=ctx.dim() == 3, position="end")
    prompts.load_state_dict({"ctx": ctx}, strict=False)
    return prompts, texts
