"""Jobs stream through the pictures of a shard: more clips, or longer ones, do not take more memory."""

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import torch

from clip_caer.caching.crop_store import write_crops
from clip_caer.caching.features import FeatureTable, encode_clips, write_features
from clip_caer.faces import detect_clip
from clip_caer.faces.detections import Detections
from clip_caer.pictures.frames import read_picture
from clip_caer.pictures.views import view_crops
from clips import draw_frames, write_pictures

SIZE = 64  # pixels of a crop
FACES = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 10), np.float32))


class Encoder:
    """A network that costs nothing."""

    width = 2

    def stack(self, crops):
        return torch.from_numpy(np.stack(crops))

    def prepare(self, stacked):
        return stacked

    def encode(self, images):
        return torch.zeros(len(images), self.width)


class Detector:
    """A network that sees nothing."""

    batch = 1

    def shrink(self, image):
        return image

    def detect_shrunk(self, images, shapes):
        return [FACES] * len(images)


def load(clip_id):
    return [np.zeros((SIZE, SIZE, 3), np.uint8) for _ in range(10)]


def crops_of(n, folder):
    write_crops([(f"{i}", "sha") for i in range(n)], load, SIZE, folder / "crops.safetensors", "fp", "face", {})


def features_of(n, folder):
    encode_clips([(f"{i}", "sha") for i in range(n)], load, Encoder(), batch=64)


def faces_of(n, folder):
    detect_clip(pictures(n, folder), range(1, n + 1), Detector(), fill_gap=8)


def view_of(n, folder):
    faces = detect_clip(pictures(n, folder), range(1, n + 1), Detector(), fill_gap=8)
    settings = {"box": "person", "fit": "letterbox", "blank_face": True, "resample": "bicubic"}
    view_crops("context", settings, lambda shrink: pictures(n, folder, shrink), faces, 8, None, 640, 360)


def pictures(n, folder, shrink=1):
    return (read_picture(folder / "frame/1.jpg", shrink) for _ in range(n))


@pytest.mark.parametrize("work", [crops_of, features_of, faces_of, view_of])
def test_memory_does_not_grow_with_what_a_shard_holds(work, tmp_path):
    write_pictures(tmp_path / "frame", draw_frames(1, 640, 360))

    work(10, tmp_path)  # imports
    assert peak(work, 80, tmp_path) < 1.5 * peak(work, 10, tmp_path)


def peak(work, n, folder):
    """Bytes."""
    tracemalloc.start()
    try:
        work(n, folder)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_of_the_features_only_one_shard_is_in_memory_twice(tmp_path):
    shards, megabytes = 32, 4
    for shard in range(shards):
        features = torch.zeros(megabytes * 512, 2, 512, dtype=torch.float16)
        table = FeatureTable.of([(f"{shard}", "sha", len(features))], features, torch.ones(len(features)).bool(), {})
        write_features(table, tmp_path / f"{shard}.safetensors", "fp", "face")
    command = [sys.executable, "-c", _READ, *map(str, sorted(tmp_path.iterdir()))]
    grown = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert shards * megabytes <= grown < 1.5 * shards * megabytes


_READ = """
import re, sys
from pathlib import Path
from clip_caer.caching.features import read_features

def peak():
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1])

read_features(sys.argv[1:2], "fp", "face")
before = peak()
read_features(sys.argv[1:], "fp", "face")
print((peak() - before) // 1024)
"""
