"""Frames of clips as pictures, whether they come from a video or as a folder of numbered pictures."""

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import polars as pl
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from tqdm import tqdm

from clip_caer.errors import UserError
from clip_caer.files import atomic, write_parquet
from clip_caer.pictures.video import Damaged, extract_clip

_FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP")  # whatever the name says; some others would run a program
_PICTURE = re.compile(r"([0-9]+)\.(jpg|jpeg|png)", re.IGNORECASE)
_START_OF_SCAN, _END_OF_PICTURE = b"\xff\xda", b"\xff\xd9"  # of JPEG
_REDUCED = {1: 0, 2: 16, 4: 32, 8: 64}  # what cv2.IMREAD_REDUCED_COLOR_2, _4 and _8 have beside the order of colours
_MARKER_IN_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7]")  # but for restarts
EXTRACTED = {
    "clip_id": pl.String,
    "status": pl.String,
    "message": pl.String,
    "n_frames": pl.Int64,  # decoded
    "width": pl.Int32,
    "height": pl.Int32,
}


def frame_numbers(n_frames: int, count: int | None) -> list[int]:
    """1-based numbers of the frames to use: the middles of `count` equal segments; all, if None or no more there."""
    if count is None or count >= n_frames:
        return list(range(1, n_frames + 1))
    return [(2 * i + 1) * n_frames // (2 * count) + 1 for i in range(count)]


def frame_files(folder: str | Path, count: int | None = None) -> list[tuple[int, Path]]:
    """The pictures {number}.jpg, .jpeg or .png of a folder with their numbers, in numeric order: all, or `count`."""
    names = [(match, entry) for entry in os.scandir(folder) if (match := _PICTURE.fullmatch(entry.name))]
    files = sorted((int(match[1]), Path(entry.path)) for match, entry in names if entry.is_file())
    return [files[number - 1] for number in frame_numbers(len(files), count)]


def read_picture(path: str | Path | BinaryIO, shrink: int = 1) -> np.ndarray:
    """A picture, from its path or an open file, as uint8 [H, W, 3], RGB, upright; what is transparent becomes black.

    shrink: 2, 4 or 8 give a picture smaller by this, sides rounded up; JPEG is then decoded faster. Raises `Damaged`.
    """
    with _opened(path) as picture:
        if picture.format == "JPEG" and picture.mode in ("L", "RGB"):
            picture.fp.seek(0)
            pixels = _decode_jpeg(picture.fp.read(), shrink)
            if pixels is not None:
                return pixels
        return shrunk(_upright(picture), shrink)


def shrunk(picture: np.ndarray, shrink: int) -> np.ndarray:
    """uint8 [H, W, 3] smaller by 2, 4 or 8, sides rounded up: means of its pixels; itself for 1."""
    return picture if shrink == 1 else np.array(Image.fromarray(picture).reduce(shrink))


def picture_size(path: str | Path | BinaryIO) -> tuple[int, int]:
    """Width and height of a picture, from its path or an open file, upright, not decoded. Raises `Damaged`."""
    with _opened(path) as picture:
        turned = picture.getexif().get(ExifTags.Base.Orientation, 1) >= 5
        return picture.size[::-1] if turned else picture.size


def of_one_size(files: Iterable[Path]) -> Iterator[Path]:
    """The files of a clip's pictures, one by one. Raises `Damaged` where the size of the picture changes."""
    first = size = None
    for file in files:
        if first is None:
            first, size = file, picture_size(file)
        elif picture_size(file) != size:
            raise size_changed(first, file)
        yield file


def size_changed(first: Path, file: Path) -> Damaged:
    """What is wrong with a clip where `file` has another size than its `first` picture."""
    sizes = " and ".join("{} × {}".format(*picture_size(path)) for path in (first, file))
    return Damaged(f"{file.name}: the size of the picture changes within the clip: {sizes}")


def _upright(picture: Image.Image) -> np.ndarray:
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I"):  # 16-bit grey; Pillow would clip it
        return np.repeat((np.asarray(picture) // 257).astype(np.uint8)[..., None], 3, axis=2)
    if picture.has_transparency_data:
        black = Image.new("RGBA", picture.size, "black")
        picture = Image.alpha_composite(black, picture.convert("RGBA"))
    return np.array(picture.convert("RGB"))


@contextmanager
def _opened(path: str | Path | BinaryIO) -> Iterator[Image.Image]:
    """An open picture. Raises `Damaged` for whatever a decoder raises, then and while it is read."""
    try:
        with Image.open(path, formats=_FORMATS) as picture:
            yield picture
    except UnidentifiedImageError as error:
        raise Damaged(f"{_name(path)}: this is no picture") from error
    except Exception as error:  # a decoder may raise anything at all
        if isinstance(error, MemoryError) or getattr(error, "errno", None):  # this is not the picture's fault
            raise
        raise Damaged(f"{_name(path)}: {error}") from error


def _name(path: str | Path | BinaryIO) -> str:
    return Path(path).name if isinstance(path, str | Path) else "a frame"


def _decode_jpeg(content: bytes, shrink: int) -> np.ndarray | None:
    """The same pixels as Pillow's, upright too, in 40 % of its time; None where Pillow has to look.

    OpenCV says nothing of what is missing or too much, so it is given only what has one scan, which ends the file.
    """
    import cv2  # planning a run imports this module, and reads no picture

    scan = content.find(_START_OF_SCAN)
    marker = _MARKER_IN_SCAN.search(content, scan + 2)
    if scan < 0 or marker is None or content[marker.start() :] != _END_OF_PICTURE:
        return None
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB | _REDUCED[shrink])


def clip_files(
    clip: Mapping[str, Any], dataset_folder: str | Path, frames_folder: str | Path | None, count: int | None
) -> list[tuple[int, Path]]:
    """Numbers and files of a clip's frames. clip: a row of the index, with clip_id, source and kind.

    frames_folder: where `extract_shard` wrote the frames of the clip's shard; not looked at for a clip of pictures.
    """
    if clip["kind"] == "frames":
        return frame_files(Path(dataset_folder, clip["source"]), count)
    return frame_files(Path(frames_folder, clip["clip_id"]))


def extract_shard(
    shard: pl.DataFrame,
    dataset_folder: str | Path,
    target: str | Path,
    count: int | None,
    ffmpeg_path: str,
    fingerprint: str = "",
) -> pl.DataFrame:
    """Write the frames of a shard's videos to `target`/{clip_id}/{number}.jpg, and a table of its clips.

    shard: a table of index/shards. count: frames a clip; None for all. A clip of pictures stays where it is and is only
    listed. A damaged clip is listed with a message and has no frames here.
    The table, also in `target`/clips.parquet under that fingerprint: clip_id, status, message, n_frames (of the whole
    clip), width, height.
    """
    with atomic(target) as folder:
        folder.mkdir()
        clips = shard.sort("clip_id").rows(named=True)
        rows = [
            _extract(clip, Path(dataset_folder), folder, count, ffmpeg_path)
            for clip in tqdm(clips, desc="frames", unit="clip")
        ]
        table = pl.DataFrame(rows, schema=EXTRACTED, orient="row")
        write_parquet(table, folder / "clips.parquet", fingerprint=fingerprint)
    return table


def _extract(clip: dict, dataset_folder: Path, target: Path, count: int | None, ffmpeg_path: str) -> tuple:
    """One row of the table of clips."""
    if clip["status"] != "ok":
        return clip["clip_id"], clip["status"], clip["message"], 0, None, None
    source, folder = dataset_folder / clip["source"], target / clip["clip_id"]
    if not source.exists():
        raise UserError(f"{source} is gone since the dataset was indexed. Bring it back, or take its line out.")
    try:
        if clip["kind"] == "frames":
            files = frame_files(source)
            n_frames, (height, width, _) = len(files), read_picture(files[0][1]).shape
        else:
            numbers = None if count is None else frame_numbers(clip["n_frames"], count)
            n_frames, width, height = extract_clip(source, folder, numbers, ffmpeg_path)
        if n_frames != clip["n_frames"]:
            raise Damaged(f"decoded {n_frames} of {clip['n_frames']} frames")
    except Damaged as damage:
        shutil.rmtree(folder, ignore_errors=True)
        return clip["clip_id"], "damaged", str(damage), 0, None, None
    return clip["clip_id"], "ok", None, n_frames, width, height
