"""Small clips for tests: videos made by ffmpeg, and folders in RAER's layout."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from clip_caer.pictures.video import find_ffmpeg

FFMPEG = find_ffmpeg("bundled")
FOREIGN_PREFIX = "/home/someone/data/RAER"

HOSTILE_NAMES = [  # of files, without their suffix
    "a b",
    'it\'s "quoted"',
    "line\nend",
    "naïve 学生",
    "100%d %03d",
    "a:b",
    "-y",
    "[0:v];x,y",
    "$HOME `ls` *?",
    "{a}",
]


def draw_frames(n_frames: int = 5, width: int = 64, height: int = 48, seed: int = 0) -> np.ndarray:
    """Frames of flat colour, uint8 [n_frames, height, width, 3]; frame n has grey level 20 + 5 n in its left half."""
    colour = np.random.default_rng(seed).integers(0, 256, 3)
    frames = np.empty((n_frames, height, width, 3), np.uint8)
    frames[:, :, width // 2 :] = colour
    frames[:, :, : width // 2] = (20 + 5 * np.arange(1, n_frames + 1))[:, None, None, None]
    return frames


def frame_number(picture: np.ndarray) -> int:
    """Which frame of `draw_frames` a picture shows."""
    return round((picture[:, : picture.shape[1] // 4].mean() - 20) / 5)


def write_video(path: Path, frames: np.ndarray, *options: str) -> Path:
    """Write frames as a video; without options as H.264 with B-frames, 25 a second, BT.601 in limited range."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = frames.shape[1:3]
    run_ffmpeg(
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", "25", "-i", "-"),
        *(options or ("-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-crf", "8", "-pix_fmt", "yuv420p")),
        path,
        stdin=frames.tobytes(),
    )
    return path


def write_pictures(folder: Path, frames: np.ndarray) -> Path:
    """Write frames as 1.jpg, 2.jpg, …"""
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames, start=1):
        Image.fromarray(frame).save(folder / f"{number}.jpg", quality=95)
    return folder


def spoil(video: Path) -> Path:
    """Damage a video so that its frames can be counted but not decoded: zeros in place of the last half of them."""
    content = bytearray(video.read_bytes())
    start = content.index(b"mdat") - 4
    size = int.from_bytes(content[start : start + 4])
    content[start + size // 2 : start + size] = bytes(size - size // 2)
    video.write_bytes(content)
    return video


def run_ffmpeg(*options: str | Path, stdin: bytes = b"") -> None:
    """Run ffmpeg with these options; it overwrites its output."""
    subprocess.run([FFMPEG, "-v", "error", "-y", *map(str, options)], input=stdin, check=True)


@dataclass(frozen=True)
class RaerClip:
    """One clip of a made RAER folder. face: {frame: box}; both kinds of boxes may be missing."""

    path: str  # below images/
    role: str
    label: int  # 1 to 5
    n_frames: int
    face: Mapping[int, Sequence[float]] | None = None
    body: Sequence[float] | None = None


RAER_CLIPS = [
    RaerClip(
        "Class/Classroom/Class001/P001/1",
        "train",
        1,
        12,
        {n: [-3.5, 2, 30, 40] for n in range(1, 12)},
        [-9, -4, 70, 60],
    ),
    RaerClip("Class/Classroom/Class001/P001/2", "test", 2, 5, {1: [10, 5, 30, 25.5]}),
    RaerClip("Class/Laboratory/P002/1", "train", 3, 6, None, [0, 0, 64, 48]),
    RaerClip("SelfStudy/Library/P003/10", "train", 4, 11),
    RaerClip("SelfStudy/Dormitory/P004/2", "test", 5, 5, {}, [5.25, 1, 60, 48]),
]


def write_raer(folder: Path, clips: Sequence[RaerClip] = RAER_CLIPS, prefix: str = FOREIGN_PREFIX) -> Path:
    """Write a folder in RAER's released layout to `folder`/RAER: unpadded names, and paths of somebody's machine."""
    folder = folder / "RAER"
    for seed, clip in enumerate(clips):
        write_pictures(folder / "images" / clip.path, draw_frames(clip.n_frames, seed=seed))
    for role in ("train", "test"):
        lines = [f"{prefix}/images/{clip.path} {clip.n_frames} {clip.label}\n" for clip in clips if clip.role == role]
        (folder / f"{role}.txt").write_text("".join(lines))
    face = {
        f"{prefix}/images/{clip.path}": {f"{number}.jpg": box for number, box in clip.face.items()}
        for clip in clips
        if clip.face is not None
    }
    body = {f"{prefix}/images/{clip.path}": clip.body for clip in clips if clip.body is not None}
    (folder / "face.json").write_text(json.dumps(face))
    (folder / "body.json").write_text(json.dumps(body))
    return folder
