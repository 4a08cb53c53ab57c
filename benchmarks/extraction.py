"""Extraction: the frames of a video as pictures, against ffmpeg that decodes the same file and throws the frames away.

Both decode with one thread, as jobs do, of which one runs on each core.
"""

import re
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

from clip_caer.pictures.frames import frame_numbers
from clip_caer.pictures.video import extract_clip, find_ffmpeg
from made import write_video
from measuring import compare

GOAL = 0.85


def packages() -> dict[str, str]:
    told = subprocess.run([find_ffmpeg("bundled"), "-version"], capture_output=True, text=True, check=True).stdout
    return {"ffmpeg": re.search(r"version n?([\w.]+)", told)[1]}


def measure(work: Path, quick: bool, device: str) -> Iterator[dict[str, Any]]:
    ffmpeg_path, fresh = find_ffmpeg("bundled"), count()
    decode = [ffmpeg_path, "-v", "error", "-nostdin", "-threads", "1", "-i"]
    for width, height, n_frames in [(320, 240, 24)] if quick else [(640, 480, 500), (1920, 1080, 250)]:
        video = write_video(work / f"{height}.mp4", width, height, n_frames, ffmpeg_path)
        for kept in (None, 16):
            numbers = kept and frame_numbers(n_frames, kept)
            yield compare(
                f"{kept or 'all'} frames of a video, {width}x{height}",
                lambda video=video: subprocess.run([*decode, video, "-f", "null", "-"], check=True),
                lambda video=video, numbers=numbers: extract_clip(
                    video, work / f"frames {next(fresh)}", numbers, ffmpeg_path
                ),
                2 if quick else 7,
                n_frames,
                "frames decoded",
                limit_is="ffmpeg -threads 1 -f null",
                goal=GOAL,
                megabytes=round(video.stat().st_size / 1e6, 2),
            )
