"""The work on one shard: its sound clips, one after the other."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from tqdm import tqdm

from clip_caer.dataset.tables import BOXES
from clip_caer.errors import UserError
from clip_caer.faces import detect_clip
from clip_caer.faces.student import SCHEMA, given_faces
from clip_caer.files import read_parquet, refusal
from clip_caer.fingerprints import fingerprint
from clip_caer.pictures.crops import CORNERS
from clip_caer.pictures.frames import EXTRACTED, clip_files, frame_numbers, picture_size, read_picture, size_changed
from clip_caer.pictures.video import Damaged
from clip_caer.pictures.views import person_boxes, view_crops

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
    def decoded(self) -> pl.DataFrame:
        """What was decoded of each video; the folder is named after the fingerprint that it must have."""
        fingerprint = self.frames_folder.parent.name
        return read_parquet(self.frames_folder / "clips.parquet", EXTRACTED, fingerprint=fingerprint)

    @cached_property
    def damaged(self) -> dict[str, str]:
        """Clip id → message of the clips that were found damaged so far."""
        listed = [self.table.select("clip_id", "status", "message")]
        if self.frames_folder:
            listed.append(self.decoded.select("clip_id", "status", "message"))
        return dict(pl.concat(listed).filter(status="damaged").select("clip_id", "message").iter_rows())

    @cached_property
    def clips(self) -> list[dict[str, Any]]:
        """Rows of the sound clips."""
        return [clip for clip in self.table.iter_rows(named=True) if clip["clip_id"] not in self.damaged]

    @property
    def contents(self) -> list[tuple[str, str]]:
        """(clip id, sha256 of its data) of the sound clips."""
        return [(clip["clip_id"], clip["sha256"]) for clip in self.clips]

    @property
    def digest(self) -> str:
        """Tells this content from any other."""
        return fingerprint(self.contents)

    def files(self, clip: Mapping[str, Any]) -> list[tuple[int, Path]]:
        """Frame numbers and pictures of a clip, in order. Raises UserError if decoded frames are no longer there."""
        try:
            files = clip_files(clip, self.dataset_folder, self.frames_folder, self.count)
        except FileNotFoundError as error:
            if clip["kind"] == "frames":
                raise
            raise self._lost(clip, "its frames") from error
        if clip["kind"] == "video":
            (n_frames,) = self.decoded.filter(clip_id=clip["clip_id"])["n_frames"]
            missing = set(frame_numbers(n_frames, self.count)) - {number for number, _ in files}
            if missing:
                raise self._lost(clip, f"frame {min(missing)}")
        return sorted(files, key=lambda file: file[1].name) if self.order == "text" else files

    def picture_size(self, clip: Mapping[str, Any]) -> tuple[int, int]:
        """Width and height of a clip's first frame. Raises Damaged."""
        return self._read(clip, *self.files(clip)[0], picture_size)

    def pictures(self, clip: Mapping[str, Any], shrink: int = 1) -> Iterator[np.ndarray]:
        """The frames of a clip, one by one, uint8 [H, W, 3] RGB of one size. Raises Damaged.

        shrink: 2, 4 or 8 for smaller pictures (see `read_picture`).
        """
        first = None
        for number, path in self.files(clip):
            picture = self._read(clip, number, path, partial(read_picture, shrink=shrink))
            first = picture.shape if first is None else first
            if picture.shape != first:
                raise size_changed(self.files(clip)[0][1], path)
            yield picture

    def _read(self, clip: Mapping[str, Any], number: int, path: Path, read: Callable[[Path], Any]) -> Any:
        try:
            return read(path)
        except Damaged as damage:
            raise damage if clip["kind"] == "frames" else self._lost(clip, f"frame {number}") from damage

    def _lost(self, clip: Mapping[str, Any], what: str) -> UserError:
        return refusal(self.frames_folder, f"{what} of the clip {clip['clip_id']!r} is missing or damaged")


def open_shard(
    table: str, boxes: str, frames: str | None, dataset_folder: str, count: int | None, order: str = "numeric"
) -> Shard:
    """A shard from the paths of its tables, and of its decoded frames where it has some. See `Shard`."""
    frames_folder = Path(frames) if frames else None
    columns = ["clip_id", "source", "kind", "n_frames", "sha256", "status", "message"]
    tables = read_parquet(table, columns), read_parquet(boxes, BOXES)
    return Shard(*tables, Path(dataset_folder), frames_folder, count, order)


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


def read_faces(path: str, shard: Shard) -> pl.DataFrame:
    """The faces table of a shard. Raises UserError that names the file if it is damaged, or not of these clips."""
    faces = read_parquet(path, ["clip_id", *SCHEMA], fingerprint=Path(path).parent.name, clips=shard.digest)
    if not faces.select(pl.col(CORNERS).is_finite().all()).select(pl.all_horizontal(pl.all())).item():
        raise refusal(path, "it holds boxes that are not finite")
    rows = dict(faces.group_by("clip_id").agg("frame").iter_rows())
    for clip in shard.clips:
        with suppress(Damaged):
            if sorted(rows.get(clip["clip_id"], [])) != sorted(number for number, _ in shard.files(clip)):
                deque(shard.pictures(clip), maxlen=0)  # a clip with damaged pictures has no faces
                raise refusal(path, f"it lacks frames of the clip {clip['clip_id']!r}")
    return faces


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
        clip, person = clips[clip_id], given.get(clip_id)
        pictures = partial(shard.pictures, clip)
        return view_crops(view, settings, pictures, of_clip, size, person, *shard.picture_size(clip))

    return load
