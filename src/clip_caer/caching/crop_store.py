"""The crop store: crops of one view, one file a shard, read a frame at a time. For the regime `finetuned`.

Pictures are decoded and cropped once, not every epoch as in the original.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
import torch

from clip_caer.caching.features import Crops, sound_clips
from clip_caer.store import open_tensors, refusal, save_bytes

FORMAT = {"format": "clip-caer crops 1"}


def write_crops(
    clips: Iterable[tuple[str, str]],
    load: Callable[[str], Crops],
    size: int,
    path: str | Path,
    fingerprint: str,
    view: str,
    damaged: dict[str, str],
) -> dict[str, int]:
    """Write one shard; counts of its clips, frames, crops and damaged clips.

    clips: (clip id, sha256). load(clip id): its crops, uint8 [size, size, 3] each; on Damaged the clip is left out.
    damaged: clip id → message of the clips that were damaged before.
    """
    done, found, damaged = [], [], dict(damaged)
    nothing = np.zeros((size, size, 3), np.uint8)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=Path(path).parent) as pixels:  # all crops of a shard may be more than fits into memory
        for clip_id, sha256, crops in sound_clips(clips, load, damaged):
            pixels.writelines((nothing if crop is None else crop).tobytes() for crop in crops)
            found += [crop is not None for crop in crops]
            done.append((clip_id, sha256, len(crops)))
        pixels.write(bytes(found))
        header = {"fingerprint": fingerprint, "view": view, "clips": done, "damaged": damaged, **FORMAT}
        shapes = {"crops": ("U8", [len(found), size, size, 3]), "found": ("BOOL", [len(found)])}
        save_bytes(pixels, shapes, header, path)
    return {"clips": len(done), "frames": len(found), "crops": sum(found), "damaged": len(damaged)}


class CropTable:
    """Crops of one view of many clips; the pictures stay in their files until they are asked for.

    clip_ids, sha256: of each clip. length: its frames, int64 [clips].
    Raises UserError that names the file if it is cut short, or not of this fingerprint and view.
    """

    def __init__(self, paths: Sequence[str | Path], fingerprint: str, view: str):
        self.clip_ids: list[str] = []
        self.sha256: list[str] = []
        length, self._place = [], []  # of each clip: the crops of its file, the found mask there, its first row
        for path in paths:
            shard, header = open_tensors(path, fingerprint=fingerprint, view=view, **FORMAT)
            crops, found, rows = shard.get_tensor("crops"), shard.get_tensor("found"), 0  # mapped: nothing is read yet
            if len(found) != sum(frames for _, _, frames in header["clips"]):
                raise refusal(path, f"it holds {len(found)} rows, and its header says otherwise")
            for clip_id, sha256, frames in header["clips"]:
                self.clip_ids.append(clip_id)
                self.sha256.append(sha256)
                self._place.append((crops, found, rows))
                length.append(frames)
                rows += frames
        self.length = torch.tensor(length, dtype=torch.long)

    def select(self, clip_ids: Sequence[str]) -> "CropTable":
        """The table of these clips, in this order. Raises KeyError for an unknown clip."""
        position = {clip_id: i for i, clip_id in enumerate(self.clip_ids)}
        chosen = [position[clip_id] for clip_id in clip_ids]
        table = object.__new__(CropTable)
        table.clip_ids, table.sha256 = list(clip_ids), [self.sha256[i] for i in chosen]
        table.length, table._place = self.length[chosen], [self._place[i] for i in chosen]
        return table

    def read(self, clips: Sequence[int], frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Crops uint8 [B, T, S, S, 3] and found mask bool [B, T] of clips by number; frames: from 0, [B, T]."""
        places = [self._place[clip] for clip in clips]
        shown = torch.empty(*frames.shape, *places[0][0].shape[1:], dtype=torch.uint8)
        for (crops, _, first), of_clip, copy in zip(places, frames, shown, strict=True):
            torch.index_select(crops, 0, first + of_clip, out=copy)
        return shown, torch.stack([found[first + of] for (_, found, first), of in zip(places, frames, strict=True)])
