"""RetinaFace (Deng et al., CVPR 2020) with two networks: a small one by onnxruntime, a large one by torch.

A network gives offsets from anchors; anchors, decoding, clipping and suppression are the same for both.
"""

import io
import pickle
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import torch
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, InvalidGraph, InvalidProtobuf

from clip_caer import torchvision_on_cpu  # noqa: F401  (before torchvision)
from clip_caer.errors import UserError
from clip_caer.faces.detections import Detections
from clip_caer.faces.weights import WEIGHTS

from torchvision.ops import nms  # isort: skip

ANCHOR_SIZES = {8: (16, 32), 16: (64, 128), 32: (256, 512)}  # stride: sides of the squares at each place, pixels
VARIANCES = 0.1, 0.2  # units in which the networks give places, and logarithms of sizes

UNREADABLE = (  # what onnxruntime and torch raise on files of another kind
    *(OSError, ValueError, RuntimeError, EOFError, pickle.UnpicklingError),
    *(Fail, InvalidArgument, InvalidGraph, InvalidProtobuf),
)

# uint8 [B, H, W, 3] RGB → box offsets [B, A, 4], probability of a face [B, A], landmark offsets [B, A, 10]
Network = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Detector:
    """Finds faces with one network.

    longest_side: pixels; larger pictures are scaled down for the network, smaller ones are never scaled up.
    threshold: least score. nms: IoU above which two boxes are one face.
    batch: how many pictures at a time `detect` is best given.
    """

    network: Network
    longest_side: int
    threshold: float
    nms: float
    batch: int

    def detect(self, images: np.ndarray) -> list[Detections]:
        """Faces of each picture of uint8 [B, H, W, 3] RGB, in pixels of that picture."""
        size = np.array([images.shape[2], images.shape[1]], np.float32)
        shrunk = _shrink(images, self.longest_side)
        scale = size / [shrunk.shape[2], shrunk.shape[1]]
        return [
            self._decode(*output, shrunk.shape[1:3], scale, size) for output in zip(*self.network(shrunk), strict=True)
        ]

    def _decode(
        self,
        offsets: np.ndarray,
        scores: np.ndarray,
        landmarks: np.ndarray,
        shape: tuple[int, int],
        scale: np.ndarray,
        size: np.ndarray,
    ) -> Detections:
        """What the network said of one picture of this shape → faces, scaled and clipped to the picture's own size."""
        likely = scores > self.threshold
        scores = scores[likely]
        centre, side = np.split(_anchors(*shape)[likely], 2, axis=1)
        shift, growth = np.split(offsets[likely], 2, axis=1)
        middle = centre + VARIANCES[0] * side * shift
        half = side * np.exp(VARIANCES[1] * growth) / 2
        boxes = np.hstack([middle - half, middle + half])
        landmarks = centre[:, None] + VARIANCES[0] * side[:, None] * landmarks[likely].reshape(-1, 5, 2)
        kept = nms(torch.from_numpy(boxes), torch.from_numpy(scores), self.nms).numpy()
        boxes = (boxes[kept].reshape(-1, 2, 2) * scale).clip(0, size).reshape(-1, 4).astype(np.float32)
        inside = (boxes[:, :2] < boxes[:, 2:]).all(axis=1)
        kept = kept[inside]
        return Detections(boxes[inside], scores[kept], (landmarks[kept] * scale).astype(np.float32))


def load_detector(
    detector: str,
    weights: Path,
    longest_side: int,
    threshold: float,
    nms: float,
    device: str = "cpu",
    threads: int = 1,
) -> Detector:
    """The detector of that name (a key of WEIGHTS) with its weights.

    longest_side, threshold, nms: as in `Detector`. device: where resnet50 runs; mobile0.25 always runs on the CPU.
    threads: of onnxruntime, or of torch in this process.
    Raises UserError if the file does not hold the weights of this detector.
    """
    is_mobile = detector == "mobile0.25"
    try:
        network = _load_mobile(weights, threads) if is_mobile else _load_resnet50(weights, device, threads)
    except UNREADABLE as error:
        why = str(error).partition("\n")[0]
        raise UserError(
            f"{weights}: not the weights of the face detector {detector!r} ({why}). "
            f"Delete it if it was fetched as {WEIGHTS[detector]}; mend faces.weights if it was given there."
        ) from error
    # On a CPU larger batches only fall out of the caches: 14 ms a picture alone, 24 ms in a batch of 16 (mobile0.25).
    return Detector(network, longest_side, threshold, nms, batch=1 if is_mobile or device == "cpu" else 16)


def _load_mobile(weights: Path, threads: int) -> Network:
    """MobileNet-0.25: takes BGR less the means of its training pictures, gives probabilities. Any batch and size."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(weights.read_bytes(), options, providers=["CPUExecutionProvider"])
    outputs = [output.name for output in session.get_outputs()]
    if outputs != ["loc", "conf", "landmarks"]:
        raise ValueError(f"a graph with the outputs {', '.join(outputs)}; expected loc, conf, landmarks")
    mean = np.array([104, 117, 127], np.float32)[:, None, None]

    def run(images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        pixels = images[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32, order="C") - mean
        boxes, probabilities, landmarks = session.run(outputs, {"input": pixels})
        return boxes, probabilities[..., 1], landmarks

    return run


def _load_resnet50(weights: Path, device: str, threads: int) -> Network:
    """ResNet-50 of retinaface-pytorch: takes RGB normalised as for ImageNet, gives logits."""
    from retinaface.network import RetinaFace  # needed by nobody else, and hard to install

    torch.set_num_threads(threads)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package calls torchvision in the manner of 2020
        network = RetinaFace("Resnet50", False, 256, {"layer2": 1, "layer3": 2, "layer4": 3}, 256)
    network.load_state_dict(torch.load(_unpacked(weights), map_location="cpu", weights_only=True))
    network.eval().to(device)
    mean, std = (
        255 * torch.tensor(values, device=device).view(3, 1, 1)
        for values in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    )

    @torch.inference_mode()
    def run(images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        pixels = torch.from_numpy(images).to(device).permute(0, 3, 1, 2)
        boxes, logits, landmarks = network((pixels - mean) / std)
        return boxes.cpu().numpy(), logits.softmax(dim=-1)[..., 1].cpu().numpy(), landmarks.cpu().numpy()

    return run


def _unpacked(weights: Path) -> Path | io.BytesIO:
    """The released archive holds one file, which torch reads; a file saved by torch is an archive of many."""
    if zipfile.is_zipfile(weights):
        with zipfile.ZipFile(weights) as archive:
            if len(archive.namelist()) == 1:
                return io.BytesIO(archive.read(archive.namelist()[0]))
    return weights


def _shrink(images: np.ndarray, longest_side: int) -> np.ndarray:
    height, width = images.shape[1:3]
    share = longest_side / max(height, width)
    if share >= 1:
        return images
    size = max(1, round(width * share)), max(1, round(height * share))
    return np.stack([cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in images])


@lru_cache(maxsize=8)  # the frames of a clip have one size
def _anchors(height: int, width: int) -> np.ndarray:
    """Centre x, y and sides of all anchors in the networks' order, float32 [A, 4], pixels. Not to be written to."""
    anchors = []
    for stride, sizes in ANCHOR_SIZES.items():
        rows, columns, sides = -(-height // stride), -(-width // stride), np.array(sizes)
        y, x, side = np.meshgrid(np.arange(rows), np.arange(columns), sides, indexing="ij")
        anchors.append(np.stack([(x + 0.5) * stride, (y + 0.5) * stride, side, side], axis=-1).reshape(-1, 4))
    return np.concatenate(anchors).astype(np.float32)
