"""The feature store: CLIP features of one view, one file a shard, that cannot be taken for something else."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch

from clip_caer.errors import UserError
from clip_caer.pictures.video import Damaged
from clip_caer.store import open_tensors, read_tensors, refusal, save_tensors

if TYPE_CHECKING:
    from clip_caer.encoder import ImageEncoder

VARIANTS = {"identity": lambda images: images, "hflip": lambda images: images.flip(-1)}
FORMAT = {"format": "clip-caer features 1", "variants": list(VARIANTS)}

Crops = list[np.ndarray | None]  # of one clip, in the order of its frames; None where the view shows nothing (no face)
Loaded = TypeVar("Loaded")


@dataclass(frozen=True)
class FeatureTable:
    """Features of one view of many clips, in memory.

    features: float16 [rows, variants, D]; found: bool [rows]; clip i has the rows start[i] : start[i] + length[i].
    sha256: of each clip's data. damaged: clip id → why it has no features.
    """

    clip_ids: list[str]
    sha256: list[str]
    features: torch.Tensor
    found: torch.Tensor
    start: torch.Tensor
    length: torch.Tensor
    damaged: dict[str, str]

    @classmethod
    def of(cls, clips: Sequence[tuple[str, str, int]], features: torch.Tensor, found: torch.Tensor, damaged: dict):
        """A table from (clip id, sha256, rows) of each clip, its rows in this order."""
        length = torch.tensor([rows for _, _, rows in clips], dtype=torch.long)
        ids, sha256 = [clip_id for clip_id, _, _ in clips], [digest for _, digest, _ in clips]
        return cls(ids, sha256, features, found, length.cumsum(0) - length, length, damaged)

    @property
    def clips(self) -> list[tuple[str, str, int]]:
        """(clip id, sha256, rows) of each clip."""
        return list(zip(self.clip_ids, self.sha256, self.length.tolist(), strict=True))

    def to(self, device: str) -> "FeatureTable":
        """The table with its features and found mask on a device, where a step of training then finds them."""
        return replace(self, features=self.features.to(device), found=self.found.to(device))

    def select(self, clip_ids: Sequence[str]) -> "FeatureTable":
        """The table of these clips, in this order; no feature is copied. Raises KeyError for an unknown clip."""
        position = {clip_id: i for i, clip_id in enumerate(self.clip_ids)}
        chosen = torch.tensor([position[clip_id] for clip_id in clip_ids], dtype=torch.long)
        sha256 = [self.sha256[i] for i in chosen]
        return replace(
            self, clip_ids=list(clip_ids), sha256=sha256, start=self.start[chosen], length=self.length[chosen]
        )


def encode_clips(
    clips: Iterable[tuple[str, str]],
    load: Callable[[str], Crops],
    encoder: "ImageEncoder",
    batch: int,
    readers: int = 1,
) -> FeatureTable:
    """Features of clips, all variants of all frames; while one clip is encoded the next are read and cropped.

    clips: (clip id, sha256). load(clip id): its crops, uint8 [S, S, 3] each; on Damaged the clip is left out.
    batch: crops encoded at once, of one clip, so that its features do not depend on its neighbours. readers: threads
    that load. Features stay where the encoder is until all are there: a GPU is not waited for.
    """
    done, damaged, found, encoded = [], {}, [], []
    at_once = max(1, batch // len(VARIANTS))

    def read(clip_id: str) -> tuple[list[bool], list[torch.Tensor]]:
        crops = load(clip_id)
        shown = [crop for crop in crops if crop is not None]
        parts = [shown[i : i + at_once] for i in range(0, len(shown), at_once)]
        return [crop is not None for crop in crops], [encoder.stack(part) for part in parts]

    for clip_id, sha256, (found_here, stacks) in sound_clips(clips, read, damaged, readers):
        done.append((clip_id, sha256, len(found_here)))
        found += found_here
        for stacked in stacks:
            images = encoder.prepare(stacked)
            variants = torch.stack([change(images) for change in VARIANTS.values()], dim=1)
            encoded.append(encoder.encode(variants.flatten(0, 1)).half())
    found = torch.tensor(found, dtype=torch.bool)
    features = torch.zeros(len(found), len(VARIANTS), encoder.width, dtype=torch.float16)
    if encoded:
        features[found] = torch.cat(encoded).unflatten(0, (-1, len(VARIANTS))).cpu()
    table = FeatureTable.of(done, features, found, damaged)
    for clip_id, start, length in zip(table.clip_ids, table.start, table.length, strict=True):
        if not features[start : start + length].isfinite().all():
            raise UserError(f"clip {clip_id!r}: CLIP gave features that are not finite. Try encoder.precision: fp32.")
    return table


def write_features(table: FeatureTable, path: str | Path, fingerprint: str, view: str) -> None:
    """Write one shard: the tensors, and a header that says what they are of."""
    header = {"fingerprint": fingerprint, "view": view, "clips": table.clips, "damaged": table.damaged, **FORMAT}
    save_tensors({"features": table.features, "found": table.found}, header, path)


def read_features(paths: Sequence[str | Path], fingerprint: str, view: str) -> FeatureTable:
    """Read the shards of one view into one table; one shard at a time is in memory twice.

    Raises UserError that names the file if it is cut short, has another fingerprint, view, format or set of variants
    than expected, holds other rows than its header says, values that are not finite, or others than were written.
    """
    opened = [open_tensors(path, fingerprint=fingerprint, view=view, **FORMAT) for path in paths]
    clips = [clip for _, header in opened for clip in header["clips"]]
    damaged = {clip_id: message for _, header in opened for clip_id, message in header["damaged"].items()}
    rows, width = sum(length for _, _, length in clips), opened[0][0].get_slice("features").get_shape()[-1]
    features = torch.empty(rows, len(VARIANTS), width, dtype=torch.float16)
    found = torch.empty(rows, dtype=torch.bool)
    start = 0
    for path, (_, header) in zip(paths, opened, strict=True):
        tensors, stop = read_tensors(path), start + sum(length for _, _, length in header["clips"])
        if not len(tensors["features"]) == len(tensors["found"]) == stop - start:
            raise refusal(path, f"it holds {len(tensors['features'])} rows, its header says {stop - start}")
        features[start:stop], found[start:stop] = tensors["features"], tensors["found"]
        start = stop
    return FeatureTable.of(clips, features, found, damaged)


def check_cached(cached: Mapping[str, str], clips: Iterable[tuple[str, str]], view: str) -> None:
    """Raises UserError if a cache misses one of `clips`, or is of other data than the index lists.

    cached: clip id → sha256. clips: (clip id, sha256) of the index.
    """
    for clip_id, sha256 in clips:
        if cached.get(clip_id) != sha256:
            why = "is of other data than the index lists" if clip_id in cached else "is missing"
            raise UserError(f"the {view} view of clip {clip_id!r} {why}. Delete the cache and start again.")


def sound_clips(
    clips: Iterable[tuple[str, str]], load: Callable[[str], Loaded], damaged: dict[str, str], readers: int = 1
) -> Iterator[tuple[str, str, Loaded]]:
    """(clip id, sha256, what `load` gives) of each clip, while threads load the next, one each and one more.

    A clip whose loading raises Damaged is left out, and its message put into `damaged`.
    """

    def result(clip_id: str, sha256: str, loaded: Future) -> Iterator[tuple[str, str, Loaded]]:
        try:
            yield clip_id, sha256, loaded.result()
        except Damaged as damage:
            damaged[clip_id] = str(damage)

    with ThreadPoolExecutor(readers) as pool:
        pending: deque = deque()
        for clip_id, sha256 in clips:
            pending.append((clip_id, sha256, pool.submit(load, clip_id)))
            if len(pending) > readers + 1:
                yield from result(*pending.popleft())
        for waiting in pending:
            yield from result(*waiting)
