"""What predictions are made for: videos, and folders of numbered pictures."""

import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from clip_caer.errors import UserError, reject
from clip_caer.pictures.frames import frame_files, of_one_size, picture_size, read_picture
from clip_caer.pictures.video import frame_times, stream_frames

VIDEOS = (
    ".mp4",
    ".mkv",
    ".mov",
    ".avi",
    ".webm",
    ".m4v",
    ".mpg",
    ".mpeg",
    ".wmv",
    ".flv",
    ".ts",
    ".mts",
    ".3gp",
    ".ogv",
)

Encoded = bytes | Path  # a picture as a file has it: small enough to be kept for a while


class Source(NamedTuple):
    """A video, or the folder of a clip's pictures.

    names: file name of each frame's picture, as the workflow names them. times: when each frame is shown, in seconds
    from the first; None for pictures, which do not tell.
    """

    path: Path
    names: list[str]
    times: list[float] | None
    ffmpeg: str

    @property
    def numbers(self) -> list[int]:
        """Number of each frame, ascending; from 1 for a video."""
        return [int(Path(name).stem) for name in self.names]

    @property
    def rate(self) -> float:
        """Frames a second, on average; 12 where there are no times."""
        return (len(self.times) - 1) / self.times[-1] if self.times and self.times[-1] > 0 else 12.0

    def frames(self) -> Iterator[Encoded]:
        """The frames one by one, all of one size. Raises Damaged."""
        if self.times is not None:
            return stream_frames(self.path, self.ffmpeg)
        return of_one_size(self.path / name for name in self.names)

    def pictures(self) -> Iterator[np.ndarray]:
        """The frames one by one, uint8 [H, W, 3] RGB. Raises Damaged."""
        return map(decoded, self.frames())


def open_source(path: str | Path, ffmpeg: str) -> Source:
    """A video, or a folder of pictures 1.jpg, 2.jpg, …; reads the container, decodes nothing. Raises Damaged."""
    path = Path(path)
    if path.is_dir():
        return Source(path, [file.name for _, file in frame_files(path)], None, ffmpeg)
    times = frame_times(path, ffmpeg)
    return Source(path, [f"{number}.jpg" for number in range(1, len(times) + 1)], times, ffmpeg)


def decoded(frame: Encoded, shrink: int = 1) -> np.ndarray:
    """uint8 [H, W, 3] RGB; shrink: 2, 4 or 8 for a smaller picture. Raises Damaged."""
    return read_picture(_file(frame), shrink)


def frame_size(frame: Encoded) -> tuple[int, int]:
    """Width and height in pixels. Raises Damaged."""
    return picture_size(_file(frame))


def _file(frame: Encoded) -> io.BytesIO | Path:
    return io.BytesIO(frame) if isinstance(frame, bytes) else frame


def find_videos(paths: Sequence[str | Path]) -> list[Path]:
    """The videos that `paths` mean: a file is one, a folder of numbered pictures too; another folder, all below it.

    Raises UserError that lists every path that does not exist or has no video in it.
    """
    found: dict[Path, None] = {}
    problems = []
    for path in map(Path, paths):
        if path.is_dir() and not frame_files(path):
            below = sorted(file for file in path.rglob("*") if file.suffix.lower() in VIDEOS and file.is_file())
            if not below:
                problems.append(f"{path}: no video in this folder; known are {', '.join(VIDEOS)}")
            found |= dict.fromkeys(below)
        elif path.exists():
            found[path] = None
        else:
            problems.append(f"{path}: there is no such file or folder")
    reject(problems, "Some videos cannot be found")
    if not found:
        raise UserError("No video was given.")
    return list(found)


def short_names(videos: Sequence[Path]) -> list[str]:
    """A name for the outputs of each video: its own without suffix, or as much of its path as tells it apart."""
    folder = Path(os.path.commonpath([video.absolute().parent for video in videos]))
    below = [video.absolute().relative_to(folder) for video in videos]
    stems, paths = [path.stem for path in below], [path.with_suffix("").as_posix() for path in below]
    whole = [path.as_posix() for path in below]
    names = [
        stem if stems.count(stem) < 2 else path if paths.count(path) < 2 else full
        for stem, path, full in zip(stems, paths, whole, strict=True)
    ]
    return names if len(set(names)) == len(names) else whole  # a.mp4.mkv beside a.mp4 and a.avi
