"""A model that needs no training: the tiny CLIP tells a book, a laptop and a phone by short captions."""

from pathlib import Path

import numpy as np
import torch

from clip_caer.demo.dataset import RATE
from clip_caer.demo.drawing import Scene
from clip_caer.demo.face import EXPRESSIONS
from clip_caer.demo.look import new_look
from clip_caer.demo.student import sway
from clip_caer.encoder import load_clip, load_tokenizer
from clip_caer.faces.weights import fetch_weights
from clip_caer.trained.packed import Packed, digest

import open_clip  # isort: skip

TINY_CLIP = f"local-dir:{Path(__file__).parents[1] / 'workflow/demo/tiny-clip'}"
WORDS = {"book": "a book in both hands", "laptop": "a laptop on the desk", "phone": "a phone in the hand"}
FACE = {"margin": 6, "fit": "letterbox", "resample": "bicubic", "missing": "mask"}
CONTEXT = {"box": "person", "fit": "letterbox", "resample": "bicubic", "blank_face": False}
FACES = {"detector": "mobile0.25", "longest_side": 640, "threshold": 0.7, "nms": 0.4, "fill_gap": 8}


def detector_weights(request) -> Path:
    """The small detector's weights, fetched once into pytest's cache."""
    path = Path(request.config.cache.mkdir("weights")) / "mobile0.25.onnx"
    if not path.exists():
        fetch_weights("mobile0.25", path)
    return path


def zero_shot(weights: Path, model: str = TINY_CLIP, temperature: float = 1.0) -> Packed:
    """It sees the context, four frames of a clip, and takes their mean."""
    clip, tokenizer = load_clip(model, None), load_tokenizer(model)
    with torch.inference_mode():
        text = clip.encode_text(tokenizer(list(WORDS.values())), normalize=True)
    visual = clip.visual.state_dict()
    config = open_clip.get_model_config(model)
    tower = {"embed_dim": config["embed_dim"], "vision_cfg": config["vision_cfg"], "quick_gelu": False}
    tower |= {"mean": list(clip.visual.image_mean), "std": list(clip.visual.image_std)}
    temporal = {"segments": 4, "layers": 0, "heads": 1, "head_width": 8, "mlp_width": 8, "dropout": 0.0}
    about = {
        "name": "zero-shot",
        "experiment": "which thing?",
        "classes": list(WORDS),
        "texts": list(WORDS.values()),
        "views": {"context": CONTEXT},
        "frames": {"count": "all", "order": "numeric"},
        "faces": FACES,
        "encoder": {
            "model": model,
            "pretrained": None,
            "precision": "fp32",
            "normalise": "clip",
            "finetuned": False,
            "tower": tower,
            "sha256": digest(visual),
        },
        **{"temporal": temporal, "shared": False, "fusion": "concat", "adapter": 0},
        **{"segments": 4, "sampling": "whole", "temperature": temperature, "selected_on": "val"},
        **{"fingerprints": {"run": "0123456789"}, "run_key": "train/zero-shot", "scores": {}, "settings": {}},
        **{"versions": {}, "git_commit": None},
    }
    tensors = {
        "text": text.clone(),
        "background": text[:, None].clone(),
        "detector": torch.frombuffer(bytearray(weights.read_bytes()), dtype=torch.uint8),
    }
    return Packed(tensors | {f"visual/{name}": tensor.clone() for name, tensor in visual.items()}, about)


def draw_student(seed: int, thing: str, frames: int = RATE, expression: str = "neutral") -> np.ndarray:
    """A drawn student with a thing, uint8 [frames, 240, 320, 3]."""
    rng = np.random.default_rng((9, seed))
    scene = Scene("library", new_look(rng), thing, rng)
    return np.stack([scene.draw(pose, EXPRESSIONS[expression]) for pose in sway(frames, rng)])
