"""The work on one shard: its sound clips, one after the other."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from tqdm import tqdm

from clip_caer.faces import detect_clip
from clip_caer.faces.student import SCHEMA, given_faces
from clip_caer.frames import clip_files, read_picture
from clip_caer.video import Damaged
from clip_caer.views import person_boxes, view_crops

if TYPE_CHECKING:
    from clip_caer.faces.detector import Detector


@dataclass(frozen=True)
class Shard:
    """What is known of a shard before its pictures are looked at.

    table: of index/shards. boxes: of index/boxes. dataset_folder: where `source` is relative to.
    frames_folder: decoded frames of the shard; None for a dataset of frames, which is read in place.
    count: frames used of each clip; None for all.
    order: `numeric`; `text` sorts frames by name, 1, 10, 11, …, 2, as the original does.
    """

    table: pl.DataFrame
    boxes: pl.DataFrame
    dataset_folder: Path
    frames_folder: Path | None
    count: int | None
    order: str = "numeric"

    @cached_property
    def damaged(self) -> dict[str, str]:
        """Clip id → message of the clips that were found damaged so far."""
        listed = [self.table.select("clip_id", "status", "message")]
        if self.frames_folder:
            listed.append(pl.read_parquet(self.frames_folder / "clips.parquet").select("clip_id", "status", "message"))
        return dict(pl.concat(listed).filter(status="damaged").select("clip_id", "message").iter_rows())

    @cached_property
    def clips(self) -> list[dict[str, Any]]:
        """Rows of the sound clips."""
        return [clip for clip in self.table.iter_rows(named=True) if clip["clip_id"] not in self.damaged]

    @property
    def contents(self) -> list[tuple[str, str]]:
        """(clip id, sha256 of its data) of the sound clips."""
        return [(clip["clip_id"], clip["sha256"]) for clip in self.clips]

    def files(self, clip: Mapping[str, Any]) -> list[tuple[int, Path]]:
        """Frame numbers and pictures of a clip, in order."""
        files = clip_files(clip, self.dataset_folder, self.frames_folder, self.count)
        return sorted(files, key=lambda file: file[1].name) if self.order == "text" else files

    def pictures(self, clip: Mapping[str, Any]) -> Iterator[np.ndarray]:
        """The frames of a clip, one by one, uint8 [H, W, 3] RGB. Raises Damaged."""
        return (read_picture(path) for _, path in self.files(clip))


def open_shard(
    table: str, boxes: str, frames: str | None, dataset_folder: str, count: int | None, order: str = "numeric"
) -> Shard:
    """A shard from the paths of its tables, and of its decoded frames where it has some. See `Shard`."""
    frames_folder = Path(frames) if frames else None
    return Shard(pl.read_parquet(table), pl.read_parquet(boxes), Path(dataset_folder), frames_folder, count, order)


def shard_faces(shard: Shard, detector: "Detector", fill_gap: int) -> pl.DataFrame:
    """The faces table of a shard: one row a frame. Given boxes are taken as they are; other clips are searched.

    A clip whose pictures turn out damaged has no rows; its features will name it.
    """
    parts = [pl.DataFrame(schema={"clip_id": pl.String, **SCHEMA})]
    given = shard.boxes.filter(kind="face")
    for clip in tqdm(shard.clips, desc="faces", unit="clip"):
        frames, of_clip = [number for number, _ in shard.files(clip)], given.filter(clip_id=clip["clip_id"])
        try:
            if len(of_clip):
                faces = given_faces(of_clip, frames, fill_gap)
            else:
                faces = detect_clip(shard.pictures(clip), frames, detector, fill_gap)
        except Damaged:
            continue
        parts.append(faces.select(pl.lit(clip["clip_id"]).alias("clip_id"), pl.all()))
    return pl.concat(parts)


def crop_loader(
    shard: Shard, faces: pl.DataFrame, view: str, settings: Mapping, size: int
) -> Callable[[str], list[np.ndarray | None]]:
    """A function clip id → its crops in `view`; it raises Damaged where the pictures cannot be read.

    faces: the shard's faces table. settings: the view's section of the config. size: side of a crop in pixels.
    """
    clips = {clip["clip_id"]: clip for clip in shard.clips}
    faces_of = faces.partition_by("clip_id", as_dict=True)
    given = person_boxes(shard.boxes)

    def load(clip_id: str) -> list[np.ndarray | None]:
        frames = pl.DataFrame({"frame": [number for number, _ in shard.files(clips[clip_id])]})
        of_clip = frames.join(faces_of.get((clip_id,), faces.clear()), on="frame", how="left", maintain_order="left")
        return view_crops(view, settings, shard.pictures(clips[clip_id]), of_clip, size, given.get(clip_id))

    return load
