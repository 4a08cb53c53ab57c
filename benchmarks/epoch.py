"""Training: an epoch of the fused ablation on cached features, against one that decodes and encodes its frames anew.

The second is what the original does: it reads and crops 16 pictures of 1920x1080 for each clip, and its image encoder
learns. One step of it (8 clips, SGD) is measured, and the epoch reckoned from it. In its favour, its class texts are
cut as ours are, each picture is read once for both views, and by as many threads as there are cores.
The epoch on cached features is run as a whole, with its validation; prompts learn as often as the preset `raer` says.
The last entry is reckoned from measured epochs: all runs of the preset `raer`, a job for each ablation and split, as
many at a time as there are cores, as Snakemake starts them.
"""

import math
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from PIL import Image

from clip_caer.encoder import image_size
from clip_caer.learning.losses import make_loss
from clip_caer.learning.training import make_optimizer, take_step, train
from clip_caer.pictures.crops import context_view, face_view
from clip_caer.pictures.frames import frame_files
from clip_caer.pictures.video import extract_clip, find_ffmpeg
from made import TINY, read_preset, write_clip, write_video
from measuring import compare, versions
from runs import TRAIN, VAL, builder, random_clips, run_settings

VIEWS = ["face", "context"]
ORIGINAL = {"batch": 8, "optimizer": "sgd", "weight_decay": 1e-4, "schedule": "steps"}
GOALS = {8: 250, 32: 1000}  # times as fast, by batch


def packages() -> dict[str, str]:
    return versions("torch", "open_clip_torch")


def measure(work: Path, quick: bool, device: str) -> Iterator[dict[str, Any]]:
    model = TINY if quick else write_clip(work / "clip")
    counts = [[8] * 5, [4] * 5] if quick else [TRAIN, VAL]
    original = original_step(model, work, quick, device)
    for changes in (ORIGINAL, {}):
        settings = run_settings(VIEWS, epochs=1, **changes)
        batch = settings["train"]["batch"]
        one = compare(
            f"an epoch on cached features, batch {batch}, prompts every {settings['train']['prompts_every']} steps",
            original,
            cached_epoch(model, settings, counts, device),
            1 if quick else 3,
            sum(counts[0]),
            "clips",
            limit_is=f"one step of {ORIGINAL['batch']} clips, of {math.ceil(sum(counts[0]) / ORIGINAL['batch'])} steps",
            model="the demo's tiny CLIP" if quick else "ViT-B/32 of random weights",
        )
        times = round(one["ratio"] * math.ceil(sum(counts[0]) / ORIGINAL["batch"]), 1)
        yield {**one, "times_as_fast": times, **({} if quick else {"goal_times_as_fast": GOALS[batch]})}
    yield all_runs(model, counts, device)


def cached_epoch(model: str, settings: dict, counts: list, device: str):
    build = builder(model, settings, device)
    roles = [random_clips(model, settings, of_role, device) for of_role in counts]
    return lambda: train(build, *roles, 5, settings["train"], seed=1)


def original_step(model: str, work: Path, quick: bool, device: str):
    settings = run_settings(VIEWS, regime="finetuned", accumulate=8, **ORIGINAL)
    width, height = (320, 240) if quick else (1920, 1080)
    n_frames, size = ORIGINAL["batch"] * settings["train"]["segments"], image_size(model)
    video = write_video(work / "v.mp4", width, height, n_frames, find_ffmpeg("bundled"))
    extract_clip(video, work / "frames", None, find_ffmpeg("bundled"))
    files = [path for _, path in frame_files(work / "frames")]
    face = 0.5 * height, 0.2 * height, 0.8 * height, 0.53 * height
    person = 0.1 * height, 0.0, 1.3 * height, height
    whole = builder(model, settings, device)().train()
    optimizer = make_optimizer(whole, settings["train"])
    labels = torch.arange(ORIGINAL["batch"]) % 5
    loss_of = make_loss(labels, 5, settings["train"]["loss"]).to(device)

    def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
        picture = np.asarray(Image.open(path).convert("RGB"))
        of_face = face_view(picture, face, size, margin=20, fit="squash", resample="bilinear")
        return of_face, context_view(picture, person, size, fit="letterbox", resample="bilinear")

    def step() -> None:
        with ThreadPoolExecutor(os.cpu_count()) as readers:
            views = [torch.from_numpy(np.stack(crops)) for crops in zip(*readers.map(read, files), strict=True)]
        shown = {
            view: crops.permute(0, 3, 1, 2).unflatten(0, (ORIGINAL["batch"], -1))
            for view, crops in zip(VIEWS, views, strict=True)
        }
        found = {view: torch.ones(crops.shape[:2], dtype=torch.bool) for view, crops in shown.items()}
        place = next(whole.parameters()).device
        take_step(whole, optimizer, loss_of, (shown, found), labels, settings["train"], place)

    return step


def all_runs(model: str, counts: list, device: str) -> dict[str, Any]:
    """Every job trains a few epochs with the others beside it; from them, and from its start, all runs are reckoned."""
    config = read_preset("raer")
    epochs, seeds = config["train"]["epochs"], len(config["seeds"])
    ablations = [ablation["views"] for ablation in config["ablations"].values()]
    splits, cores = config["protocols"]["subject_kfold"]["folds"], len(os.sched_getaffinity(0))
    few = 5 if device == "cuda" else 1
    with ProcessPoolExecutor(cores, get_context("spawn"), max_tasks_per_child=1) as pool:
        jobs = [pool.submit(run_job, model, views, counts, few, device) for views in ablations * splits]
        took = [job.result() for job in jobs]
    whole = [starting + an_epoch * epochs * seeds for starting, an_epoch in took]
    return {
        "name": f"{len(ablations)} ablations x {splits} splits x {seeds} seeds x {epochs} epochs, reckoned",
        "jobs": len(jobs),
        "at_once": cores,
        "epochs_measured": few,
        "starting": [round(starting, 1) for starting, _ in took],
        "an_epoch": [round(an_epoch, 3) for _, an_epoch in took],
        "stage": {"seconds": round(max(sum(whole) / cores, *whole), 1)},
    }


def run_job(model: str, views: list[str], counts: list, epochs: int, device: str) -> tuple[float, float]:
    """Seconds for starting, from the start of the process on, and for an epoch. One thread, as in a job."""
    torch.set_num_threads(1)
    train_epochs = cached_epoch(model, run_settings(views, epochs=epochs), counts, device)
    clock = time.perf_counter()
    starting = time.time() - psutil.Process().create_time()
    train_epochs()
    return starting, (time.perf_counter() - clock) / epochs
