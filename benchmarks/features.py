"""Features: pictures, or cached crops, to CLIP features, against the bare encoder on tensors that are ready."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from clip_caer.caching.crop_store import CropTable, write_crops
from clip_caer.caching.features import VARIANTS, encode_clips
from clip_caer.caching.shards import Shard, crop_loader
from clip_caer.encoder import ImageEncoder, load_clip
from clip_caer.faces.student import SCHEMA
from clip_caer.pictures.crops import CORNERS
from clip_caer.pictures.video import extract_clip, find_ffmpeg
from made import TINY, read_preset, write_clip, write_video
from measuring import compare, versions

GOAL = 0.85
GPU_GOAL = 10_000  # crops a second on an H100, from cached crops
GPU_READERS = 4  # threads of a job that has a GPU, as workflow/profiles/slurm proposes
VIEW = "context"  # the costlier one: its crops are larger


def packages() -> dict[str, str]:
    return versions("torch", "open_clip_torch")


def measure(work: Path, quick: bool, device: str) -> Iterator[dict[str, Any]]:
    config = read_preset("raer")
    model = TINY if quick else write_clip(work / "clip")
    gpu = device == "cuda"
    n_clips, n_frames, batch = (80, 31, 512) if gpu else (2, 6, 64) if quick else (2, 16, 64)
    cases = [("bf16", 640, 480, True), ("bf16", 640, 480, False), ("bf16", 1920, 1080, False)]
    for precision, width, height, cached in [*([] if quick else cases), ("fp32", 640, 480, False)]:
        encoder = ImageEncoder(load_clip(model, None, precision, device))
        shard = _write_shard(work / f"{precision} {height} {cached}", width, height, n_clips, n_frames)
        load = crop_loader(shard, _faces(shard, height), VIEW, config["views"][VIEW], encoder.image_size)
        if cached:
            load = _cached(shard, load, encoder.image_size, work / "crops.safetensors")
        ready = _ready(shard, load, encoder, batch)
        yield compare(
            f"{precision}, from {'cached crops' if cached else f'JPEG pictures, {width}x{height}'}",
            lambda encoder=encoder, ready=ready: _encode(encoder, ready),
            lambda shard=shard, load=load, encoder=encoder: encode_clips(
                shard.contents, load, encoder, batch, readers=GPU_READERS if gpu else 1
            ),
            2 if quick else 3 if gpu else 5,
            sum(map(len, ready)),
            "crops",
            limit_is="the image encoder on ready tensors",
            goal=GOAL,
            **({"goal_per_second": GPU_GOAL} if gpu and cached else {}),
            model="the demo's tiny CLIP" if quick else "ViT-B/32 of random weights, 224x224",
            batch=batch,
        )


def _write_shard(folder: Path, width: int, height: int, n_clips: int, n_frames: int) -> Shard:
    """Clips of the same pictures."""
    ffmpeg_path = find_ffmpeg("bundled")
    folder.mkdir()
    extract_clip(write_video(folder / "v.mp4", width, height, n_frames, ffmpeg_path), folder / "0", None, ffmpeg_path)
    for number in range(1, n_clips):
        (folder / f"{number}").symlink_to("0")
    names = [f"{number}" for number in range(n_clips)]
    about = {"kind": "frames", "n_frames": n_frames, "status": "ok", "message": None}
    table = pl.DataFrame({"clip_id": names, "source": names, "sha256": names}).with_columns(
        *(pl.lit(value).alias(name) for name, value in about.items())
    )
    no_boxes = pl.DataFrame(schema={"clip_id": pl.String, "kind": pl.String, **dict.fromkeys(CORNERS, pl.Float32)})
    return Shard(table, no_boxes, folder, None, None)


def _faces(shard: Shard, height: int) -> pl.DataFrame:
    """A face in the middle of every picture, a third as high."""
    frames = shard.table.select("clip_id", pl.int_ranges(1, pl.col("n_frames") + 1).alias("frame")).explode("frame")
    corners = {"x0": 0.5 * height, "y0": 0.2 * height, "x1": 0.8 * height, "y1": 0.53 * height}
    values = {**corners, "score": 0.9, "landmarks": None, "found": True, "source": "detected"}
    return frames.with_columns(pl.lit(value, SCHEMA[name]).alias(name) for name, value in values.items())


def _cached(shard: Shard, load, size: int, path: Path):
    write_crops(shard.contents, load, size, path, "benchmark", VIEW, {})
    table = CropTable([path], "benchmark", VIEW)
    number = {clip_id: number for number, clip_id in enumerate(table.clip_ids)}

    def load(clip_id: str) -> list[np.ndarray]:
        clip = number[clip_id]
        return list(table.read([clip], torch.arange(table.length[clip])[None])[0][0].numpy())

    return load


def _ready(shard: Shard, load, encoder: ImageEncoder, batch: int) -> list[torch.Tensor]:
    """What the encoder is given, in the stage's own batches."""
    images = encoder.prepare(encoder.stack(load(shard.clips[0]["clip_id"])))
    variants = torch.stack([change(images) for change in VARIANTS.values()], dim=1).flatten(0, 1)
    return [*variants.split(batch)] * len(shard.clips)


@torch.inference_mode()
def _encode(encoder: ImageEncoder, ready: list[torch.Tensor]) -> None:
    for images in ready:
        encoder.clip.encode_image(images)
