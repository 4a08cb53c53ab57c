"""Detection: a clip's pictures on disk to its faces table, against the bare network on tensors that are ready.

The network has one thread, as in a job. It always runs on the CPU.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import onnxruntime

from clip_caer.faces import detect_clip
from clip_caer.faces.detector import load_detector
from clip_caer.faces.weights import fetch_weights
from clip_caer.pictures.frames import frame_files, read_picture
from clip_caer.pictures.video import extract_clip, find_ffmpeg
from made import write_video
from measuring import compare, versions

GOAL = 0.85
LONGEST_SIDE = 640


def packages() -> dict[str, str]:
    return versions("onnxruntime")


def measure(work: Path, quick: bool, device: str) -> Iterator[dict[str, Any]]:
    weights = Path("results/weights/mobile0.25.onnx")
    if not weights.exists():
        weights = work / weights.name
        fetch_weights("mobile0.25", weights)
    detector = load_detector("mobile0.25", weights, LONGEST_SIDE, 0.7, 0.4)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    network = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
    for width, height, n_frames in [(320, 240, 6)] if quick else [(640, 480, 60), (1920, 1080, 60)]:
        video = write_video(work / f"{height}.mp4", width, height, n_frames, find_ffmpeg("bundled"))
        extract_clip(video, work / f"{height}", None, find_ffmpeg("bundled"))
        files = [path for _, path in frame_files(work / f"{height}")]
        ready = [_ready(detector.shrink(read_picture(path))) for path in files]
        yield compare(
            f"mobile0.25 on JPEG pictures, {width}x{height}",
            lambda ready=ready: [network.run(None, {"input": pixels}) for pixels in ready],
            lambda files=files: detect_clip(map(read_picture, files), range(1, len(files) + 1), detector, 8),
            2 if quick else 7,
            n_frames,
            "pictures",
            limit_is="the network on ready tensors, 1 thread",
            goal=GOAL,
            network_sees="x".join(map(str, ready[0].shape[:1:-1])),
        )


def _ready(picture):
    return cv2.dnn.blobFromImages([picture], mean=(104, 117, 127), swapRB=True)
