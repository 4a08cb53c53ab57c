"""Train the demo's tiny CLIP: faces, contexts, and the words for them.

It never sees the demo: the demo draws its students from seeds that begin with 1 (`clip_caer.demo.dataset`), this
script from seeds that begin with 2 (training) and 3 (its examination).

    .venv/bin/python workflow/demo/train_tiny_clip.py
"""

import argparse
import itertools
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import yaml
from PIL import Image, ImageFilter
from safetensors.torch import save_file
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.nn.functional import log_softmax, normalize
from tqdm import tqdm

from clip_caer import torchvision_on_cpu  # noqa: F401  (before open_clip)
from clip_caer.demo.dataset import CLASSES
from clip_caer.demo.drawing import Scene
from clip_caer.demo.face import EXPRESSIONS
from clip_caer.demo.look import new_look
from clip_caer.demo.rooms import HEIGHT, SETTINGS, WIDTH
from clip_caer.demo.student import sway
from clip_caer.demo.things import OBJECTS
from clip_caer.files import atomic, write_json

import open_clip  # isort: skip

HERE = Path(__file__).parent
FOLDER = HERE / "tiny-clip"
TRAINING, EXAMINATION = 2, 3  # the first number of their seeds
SIZE = 64
MODEL = {
    "embed_dim": 128,
    "vision_cfg": {"image_size": SIZE, "layers": [1, 1, 1, 1], "width": 16, "head_width": 64},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}
MEAN, STD = [0.5, 0.5, 0.5], [0.25, 0.25, 0.25]

EXPRESSION_WORDS = {
    "neutral": ["a neutral face", "a calm face with open eyes and a closed mouth", "a relaxed face"],
    "smile": ["a smiling face", "a smiling face with open eyes", "a happy face with a wide smile"],
    "frown": ["a frowning face", "a frowning face with knitted brows and a crooked mouth", "a puzzled face"],
    "sleepy": ["a sleepy face", "a sleepy face with closed eyes and a yawning mouth", "a tired face, yawning"],
}
OBJECT_WORDS = {
    "book": ["a book in both hands", "a book on the desk", "reading a book"],
    "laptop": ["a laptop on the desk", "an open laptop", "working at a laptop"],
    "phone": ["a phone in the hand", "a phone at the desk", "looking at a phone"],
}


class Pool(NamedTuple):
    """Views of one drawing a row, and what it shows: numbers of EXPRESSIONS, OBJECTS and SETTINGS."""

    faces: torch.Tensor  # uint8 [N, 3, 64, 64]
    contexts: torch.Tensor  # uint8 [N, 3, 64, 64]
    shown: torch.Tensor  # int64 [N, 3]


def draw_pool(namespace: int, scenes: int, workers: int) -> Pool:
    seeds = [(namespace, number) for number in range(scenes)]
    with ProcessPoolExecutor(workers) as executor:
        rows = tqdm(executor.map(_draw_scene, seeds, chunksize=16), "drawing", scenes, unit="scene", mininterval=5)
        faces, contexts, shown = (torch.from_numpy(np.concatenate(arrays)) for arrays in zip(*rows, strict=True))
    return Pool(faces.permute(0, 3, 1, 2), contexts.permute(0, 3, 1, 2), shown)


def _draw_scene(seed: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A student with an object, in all expressions; of each drawing two rows, the first with the face greyed out."""
    rng = np.random.default_rng(seed)
    setting, thing = int(rng.integers(len(SETTINGS))), int(rng.integers(len(OBJECTS)))
    companion = new_look(rng) if rng.random() < 0.2 else None
    scene = Scene(SETTINGS[setting], new_look(rng), OBJECTS[thing], rng, companion)
    faces, contexts, shown = [], [], []
    for number, expression in enumerate(EXPRESSIONS.values()):
        pose = sway(1, rng)[0]
        image = Image.fromarray(scene.draw(pose, expression))
        for blank in (True, rng.random() < 0.7):
            box = np.array(scene.face_box(pose)) + rng.normal(0, 2, 4)  # as far off as a detector
            faces.append(_face_view(image, box, rng))
            contexts.append(_context_view(image, box, blank, rng))
            shown.append((number, thing, setting))
    return np.stack(faces), np.stack(contexts), np.array(shown)


def _face_view(image: Image.Image, box: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if rng.random() < 0.25:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1)))
    margin = rng.uniform(2, 11)
    return _letterbox(image.crop(_corners(box + np.array([-1, -1, 1, 1]) * margin)))


def _context_view(image: Image.Image, box: np.ndarray, blank: bool, rng: np.random.Generator) -> np.ndarray:
    """The whole picture, or the person as the face box lets one guess; the face greyed out where `blank`."""
    if blank:
        image = image.copy()
        image.paste((128, 128, 128), _corners(box + np.array([-1, -1, 1, 1]) * rng.uniform(0, 12)))
    if rng.random() < 0.3:
        return _letterbox(image)
    x0, y0, x1, y1 = box
    half = rng.uniform(1.5, 3.6) * (x1 - x0)
    up, down = (rng.uniform(0.2, 0.9), rng.uniform(1.4, 2.5)) * np.array(y1 - y0)
    person = np.array([(x0 + x1) / 2 - half, y0 - up, (x0 + x1) / 2 + half, y1 + down])
    return _letterbox(image.crop(_corners(person.clip(0, (WIDTH, HEIGHT, WIDTH, HEIGHT)))))


def _corners(box: np.ndarray) -> tuple[int, ...]:
    return tuple(np.round(box).astype(int).tolist())


def _letterbox(image: Image.Image) -> np.ndarray:
    scale = SIZE / max(image.size)
    small = image.resize([max(1, round(side * scale)) for side in image.size], Image.Resampling.BICUBIC)
    square = Image.new("RGB", (SIZE, SIZE))
    square.paste(small, ((SIZE - small.width) // 2, (SIZE - small.height) // 2))
    return np.asarray(square)


Claim = tuple[int, int, int]  # expression, object, setting; -1: says nothing about it
Wordings = dict[Claim, list[str]]


def captions() -> dict[str, Wordings]:
    """What can be said of a face, of a context, and of both together: claim → its wordings, texts.yaml's among them."""
    expressions, objects = list(EXPRESSIONS), list(OBJECTS)
    face, context, both = {}, {}, {}
    for e, expression in enumerate(expressions):
        face[e, -1, -1] = list(EXPRESSION_WORDS[expression])
        for o, thing in enumerate(objects):
            pairs = itertools.product(EXPRESSION_WORDS[expression], OBJECT_WORDS[thing])
            both[e, o, -1] = [f"{one}, {other}" for one, other in pairs]
    for o, thing in enumerate(objects):
        context[-1, o, -1] = OBJECT_WORDS[thing] + [f"a student, {words}" for words in OBJECT_WORDS[thing]]
        for s, setting in enumerate(SETTINGS):
            context[-1, o, s] = [f"{words}, in a {setting}" for words in OBJECT_WORDS[thing]]
    for label, texts in read_texts().items():
        e, o, _ = planted(label)
        face[e, -1, -1].append(texts["face"])
        both[e, o, -1] += [texts["names"], texts["names_with_context"], *2 * [texts["full"]]]
    return {"face": face, "context": context, "both": both}


def read_texts() -> dict[str, dict[str, str]]:
    return yaml.safe_load((HERE / "texts.yaml").read_text(encoding="utf-8"))


def planted(label: str) -> Claim:
    """How a clip of this class ends."""
    return list(EXPRESSIONS).index(CLASSES[label].expressions[-1]), OBJECTS.index(CLASSES[label].thing), -1


def train(pool: Pool, steps: int, batch: int, lr: float, seed: int) -> torch.nn.Module:
    """A CLIP from nothing. The first tenth of the steps sees faces only: they are the harder part."""
    torch.manual_seed(seed)
    rng = np.random.default_rng((TRAINING, seed))
    clip = open_clip.CLIP(**MODEL).train()
    clip.visual.to(memory_format=torch.channels_last)
    tokenizer = open_clip.SimpleTokenizer()
    said = captions()
    optimizer = torch.optim.AdamW(clip.parameters(), lr=lr, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps, pct_start=0.1)
    start = time.time()
    for step in range(1, steps + 1):
        rows = torch.from_numpy(rng.integers(len(pool.shown), size=batch))
        shown = pool.shown[rows]
        images = {"face": _encode(clip, pool.faces[rows])}
        if step > steps // 10:
            images["context"] = _encode(clip, pool.contexts[rows])
            images["both"] = normalize(images["face"] + images["context"], dim=1)
        losses = {}
        for view, features in images.items():
            claims, words = _say(said[view], rng)
            texts = clip.encode_text(tokenizer(words), normalize=True)
            losses[view] = _contrast(clip.logit_scale.exp() * features @ texts.T, _is_true(claims, shown))
        loss = sum(losses.values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            clip.logit_scale.clamp_(max=np.log(100))
        if step % 50 == 0:
            values = "  ".join(f"{view} {value.item():.3f}" for view, value in losses.items())
            print(f"step {step}/{steps}  {time.time() - start:.0f} s  loss: {values}", flush=True)
    clip.eval()
    _scale(clip, pool.faces[:1000])
    return clip


@torch.no_grad()
def _scale(clip: torch.nn.Module, crops: torch.Tensor) -> None:
    """Give image features the size they have in CLIP, 0.45 a dimension; their directions, all that counts here, stay.

    The temporal encoder takes features as they are, and adds its positions to them.
    """
    features = clip.encode_image((crops / 255 - MEAN[0]) / STD[0])
    projection = clip.visual.attnpool.c_proj
    for parameter in projection.parameters():
        parameter *= 0.45 / features.square().mean().sqrt()


def _encode(clip: torch.nn.Module, crops: torch.Tensor) -> torch.Tensor:
    """uint8 [N, 3, 64, 64] → unit vectors [N, D]; mirrored, lighter or darker by lot."""
    flipped = torch.where(torch.rand(len(crops), 1, 1, 1) < 0.5, crops.flip(-1), crops)
    light = torch.empty(len(crops), 1, 1, 1).uniform_(0.75, 1.25)
    pixels = (flipped * light / 255 + torch.randn(crops.shape) * 0.02).clamp(0, 1)
    pixels = (pixels - MEAN[0]) / STD[0]
    with torch.autocast("cpu", torch.bfloat16):
        features = clip.encode_image(pixels.contiguous(memory_format=torch.channels_last))
    return normalize(features.float(), dim=1)


def _say(said: Wordings, rng: np.random.Generator) -> tuple[torch.Tensor, list[str]]:
    """Two wordings of every claim: the claims [M, 3] and the words."""
    chosen = [(claim, str(words)) for claim in said for words in rng.choice(said[claim], 2)]
    return torch.tensor([claim for claim, _ in chosen]), [words for _, words in chosen]


def _is_true(claims: torch.Tensor, shown: torch.Tensor) -> torch.Tensor:
    """Float [N, M]: 1 where caption m is true of drawing n."""
    return ((claims[None] == shown[:, None]) | (claims[None] == -1)).all(dim=2).float()


def _contrast(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """CLIP's loss, where every caption that is true of an image is a right answer."""
    to_text = -(truth / truth.sum(1, keepdim=True) * log_softmax(logits, dim=1)).sum(1).mean()
    to_image = -(truth / truth.sum(0, keepdim=True).clamp(min=1) * log_softmax(logits, dim=0)).sum(0).mean()
    return (to_text + to_image) / 2


def save(clip: torch.nn.Module, folder: Path) -> None:
    """In the form that open_clip reads as local-dir:FOLDER, halves instead of floats."""
    preprocess = {"size": SIZE, "mean": MEAN, "std": STD, "interpolation": "bicubic", "resize_mode": "shortest"}
    write_json({"model_cfg": MODEL, "preprocess_cfg": preprocess}, folder / "open_clip_config.json")
    weights = {
        name: (weight.half() if weight.is_floating_point() else weight).contiguous()
        for name, weight in clip.state_dict().items()
    }
    with atomic(folder / "open_clip_model.safetensors") as temporary:
        save_file(weights, temporary)


def examine(folder: Path, pool: Pool) -> None:
    """Print what the saved model knows of drawings that it has not seen; its probes learn from other students."""
    clip = open_clip.create_model(f"local-dir:{folder}").eval()
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    greyed = slice(0, None, 2)
    shown = pool.shown[greyed].numpy()
    crops = {"face": pool.faces[greyed], "context, face greyed out": pool.contexts[greyed]}
    with torch.inference_mode():
        features = {view: clip.encode_image((x / 255 - MEAN[0]) / STD[0]) for view, x in crops.items()}
        half = len(shown) // 2
        for view, x in features.items():
            for column, what in enumerate(("expression", "object", "setting")):
                probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
                probe.fit(x[:half].numpy(), shown[:half, column])
                right = probe.score(x[half:].numpy(), shown[half:, column])
                print(f"linear probe  {view}: {what} {right:.1%} (chance {1 / (shown[:, column].max() + 1):.0%})")
        face, context = (normalize(x, dim=1) for x in features.values())
        both = normalize(face + context, dim=1)
        texts, answers = read_texts(), np.full(len(shown), -1)
        for number, label in enumerate(texts):
            answers[(shown[:, :2] == planted(label)[:2]).all(axis=1)] = number
        for kind in ("names", "names_with_context", "full"):
            words = clip.encode_text(tokenizer([text[kind] for text in texts.values()]), normalize=True)
            guesses = (both @ words.T).argmax(dim=1).numpy()
            print(f"zero-shot  {kind}: class {(guesses == answers)[answers >= 0].mean():.1%}")
        for view, wordings, column in ((face, EXPRESSION_WORDS, 0), (context, OBJECT_WORDS, 1)):
            words = clip.encode_text(tokenizer([words[0] for words in wordings.values()]), normalize=True)
            right = ((view @ words.T).argmax(dim=1).numpy() == shown[:, column]).mean()
            print(f"zero-shot  {' | '.join(words[0] for words in wordings.values())}: {right:.1%}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=2500, help="students drawn for training; 8 rows each")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2, help="processes that draw")
    parser.add_argument("--threads", type=int, default=1, help="threads that train")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    training = draw_pool(TRAINING, arguments.scenes, arguments.workers)
    torch.set_num_threads(arguments.threads)
    save(train(training, arguments.steps, arguments.batch, arguments.lr, arguments.seed), arguments.folder)
    examine(arguments.folder, draw_pool(EXAMINATION, 400, arguments.workers))
