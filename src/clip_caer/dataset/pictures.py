"""A clip that comes as a folder of numbered pictures."""

from pathlib import Path

from clip_caer.dataset.problems import Complain
from clip_caer.pictures.frames import frame_files


def check_pictures(folder: Path, name: str, listed: int | None, complain: Complain) -> None:
    """Complain unless the pictures of `folder` are numbered from 1 without gaps, and are as many as listed.

    name: what the list or sheet calls the folder. listed: how many pictures it says there are, if it does.
    """
    try:
        numbers = [number for number, _ in frame_files(folder)]
    except FileNotFoundError:
        return complain(f"no such folder: {name}")
    except (OSError, ValueError) as error:
        return complain(f"the folder {name!r} cannot be read: {getattr(error, 'strerror', error)}")
    missing = [wanted for wanted, number in enumerate(sorted({*numbers} - {0}), start=1) if number != wanted]
    if not numbers:
        complain(f"no pictures 1.jpg, 2.jpg, … in {name}")
    elif listed is not None and len(numbers) != listed:
        complain(f"{listed} frames are listed, but {name} holds {len(numbers)} pictures")
    elif missing:
        complain(f"the pictures of {name} are not numbered from 1 without gaps: {missing[0]} is missing")
    elif len(set(numbers)) < len(numbers) or numbers[0] == 0:
        complain(f"the pictures of {name} are not numbered from 1, each once")
