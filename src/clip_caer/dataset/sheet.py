"""The csv reader: a sheet with one line a clip, beside its videos."""

import csv
import os
import re
from pathlib import Path, PurePath
from stat import S_ISDIR, S_ISREG

from clip_caer.dataset.labels import Labels
from clip_caer.dataset.pictures import check_pictures
from clip_caer.dataset.problems import Complain, Problems, unknown
from clip_caer.dataset.tables import Dataset
from clip_caer.errors import UserError, reject
from clip_caer.files import is_endless

_NEEDED = ["video", "label", "subject"]
_COLUMNS = [*_NEEDED, "setting", "split", "label_coarse", "votes"]
_ROLES = ["train", "val", "test"]


def read_sheet(path: Path, labels: Labels) -> Dataset:
    """Read a sheet with the columns video, label, subject and, if wanted, setting, split, label_coarse, votes.

    video: path, relative to the sheet's folder, of a video or of a folder of numbered pictures; without its suffix it
    is the clip's id. split: the role in the official split, for all clips or for none. votes: see `Labels.votes`.
    Raises `UserError` with every problem and its line.
    """
    problems = Problems()
    clips: dict[str, dict] = {}
    first: dict[str, int] = {}
    lines = _read_lines(path)
    _check_heading(path, *lines[0])
    for line, cells in lines[1:]:
        complain = problems.at(f"{path.name} line {line}")
        if len(cells) != len(lines[0][1]):
            complain(f"{len(cells)} cells; expected {len(lines[0][1])}, as in the heading")
            continue
        row = dict.fromkeys(_COLUMNS, "") | dict(zip(lines[0][1], cells, strict=True))
        clip = _read_clip(row, path.parent, labels, complain)
        if clip["clip_id"] in clips:
            told = f"duplicate clip {clip['clip_id']!r}; it is in line {first[clip['clip_id']]} already"
            if (other := clips[clip["clip_id"]]["source"]) != clip["source"]:
                told += f", there {other}: a suffix is no part of a clip's id, nor is ..; rename one"
            complain(told)
        elif clip["clip_id"]:
            clips[clip["clip_id"]], first[clip["clip_id"]] = clip, line
    for clip_id in clips:
        if in_the_way := _in_the_way(clip_id, clips):
            problems.at(f"{path.name} line {first[clip_id]}")(in_the_way)
    without_role = [first[clip_id] for clip_id, clip in clips.items() if clip["role"] == ""]
    if 0 < len(without_role) < len(clips):
        problems.at(f"{path.name} line {without_role[0]}")("the split is empty; give it for all clips or for none")
    reject(problems, f"The sheet {path} cannot be used")
    if not clips:
        raise UserError(f"The sheet {path} has no clips: nothing stands below its heading.")
    return Dataset.of(path.parent, ({key: value or None for key, value in clip.items()} for clip in clips.values()))


def read_labels(path: Path) -> list[str]:
    """The labels that stand in a sheet, in alphabetical order. Raises `UserError` if it is no such sheet."""
    (line, heading), *lines = _read_lines(path)
    _check_heading(path, line, heading)
    place = heading.index("label")
    return sorted({cells[place].strip() for _, cells in lines if len(cells) > place} - {""})


def _read_lines(path: Path) -> list[tuple[int, list[str]]]:
    """The sheet's cells with the number of the line in which they begin; empty lines are left out."""
    lines, last = [], 0
    if is_endless(path):
        raise UserError(f"dataset.path: {path} is no file; expected the sheet, a csv file.")
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            for cells in reader:  # a quoted cell may hold line ends
                lines.append((last + 1, cells))
                last = reader.line_num
    except OSError as error:
        raise UserError(f"dataset.path: the sheet {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"The sheet {path} is not UTF-8 (byte {error.start}: {error.reason}). Save it as UTF-8."
        ) from error
    except csv.Error as error:
        raise UserError(f"The sheet {path} is not proper csv below line {last}: {error}.") from error
    lines = [(line, cells) for line, cells in lines if any(cell.strip() for cell in cells)]
    if not lines:
        raise UserError(f"The sheet {path} is empty; expected a heading with {', '.join(_NEEDED)}, and a line a clip.")
    return lines


def _check_heading(path: Path, line: int, heading: list[str]) -> None:
    if len(heading) == 1 and (other := re.search(r"[;\t|]", heading[0])):
        raise UserError(
            f"The sheet {path} has its cells separated by {other[0]!r}; expected commas. Save it as csv with commas."
        )
    problems = Problems()
    complain = problems.at(f"{path.name} line {line}")
    for column in heading:
        if column not in _COLUMNS:
            complain(unknown("column", column, _COLUMNS))
    for column in _COLUMNS:
        if heading.count(column) > 1:
            complain(f"the column {column!r} stands there more than once")
        elif column in _NEEDED and column not in heading:
            complain(f"the column {column!r} is missing")
    reject(problems, f"The sheet {path} cannot be used")


def _read_clip(row: dict[str, str], folder: Path, labels: Labels, complain: Complain) -> dict:
    """One clip as a row of the table; empty values are null, or were complained about."""
    video = row.pop("video")  # its name may well begin or end with a space
    row = {column: cell.strip() for column, cell in row.items()}
    if not row["subject"]:
        complain("the subject is empty")
    if row["split"] and row["split"] not in _ROLES:
        complain(unknown("split", row["split"], _ROLES))
    return _find_video(video, folder, complain) | {
        "label": labels.choose(row["label"], row["label_coarse"], complain),
        "subject": row["subject"],
        "setting": row["setting"],
        "role": row["split"],
        "votes": labels.votes(row["votes"], complain) if row["votes"] else None,
    }


def _in_the_way(clip_id: str, clips: dict[str, dict]) -> str | None:
    """Why the frames of a clip cannot be kept below its id: other files have, or will have, that name."""
    for place in (clip_id, *map(str, PurePath(clip_id).parents)):
        frame = re.fullmatch(r"(.+)/[0-9]+\.jpg", place)
        if place == "clips.parquet" or (frame and frame[1] in clips):
            return (
                f"the name {clip_id!r} is taken by {'a frame of another clip' if frame else 'a table'}; rename the file"
            )
    return None


def _find_video(video: str, folder: Path, complain: Complain) -> dict:
    """clip_id, source and kind of the video, or folder of pictures, that a sheet in `folder` calls `video`."""
    folder, path = Path(os.path.abspath(folder)), Path(os.path.abspath(folder / video))
    below = [part for part in PurePath(os.path.relpath(path, folder)).parts if part != os.pardir]
    if not video.strip() or not below:
        complain(f"the video {video!r} is no path of a clip" if video.strip() else "the video is empty")
        return {"clip_id": None}
    frames = False
    try:
        frames, is_file = (check(path.stat().st_mode) for check in (S_ISDIR, S_ISREG))
    except FileNotFoundError:
        complain(f"no such file: {video}")
    except (OSError, ValueError) as error:
        complain(f"{video!r} cannot be read: {getattr(error, 'strerror', error)}")
    else:
        if frames:
            check_pictures(path, video, None, complain)
        elif not is_file:
            complain(f"{video} is neither a file nor a folder")
        elif not os.access(path, os.R_OK):
            complain(f"no permission to read {video}")
    return {
        "clip_id": (PurePath(*below) if frames else PurePath(*below).with_suffix("")).as_posix(),
        "source": path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.as_posix(),
        "kind": "frames" if frames else "video",
    }
