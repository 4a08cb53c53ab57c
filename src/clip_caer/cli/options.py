"""Arguments that several commands share."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import shtab

from clip_caer.errors import UserError


def add_run(parser: argparse.ArgumentParser, name: str = "--run") -> None:
    options = {"required": True} if name.startswith("-") else {}
    parser.add_argument(
        name,
        metavar="RUN",
        help="what was trained: results/runs/ABLATION/SPLIT/seed-N, or a file written by clip-caer export",
        **options,
    ).complete = shtab.FILE


def add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device",
        choices=["auto", "cpu", "cuda"],
        default="auto",
        help="where networks run (default: a GPU if there is one)",
    )


def add_ffmpeg(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ffmpeg",
        choices=["bundled", "system"],
        default="bundled",
        help="the ffmpeg that comes with the package, or the one on PATH (default: bundled)",
    )


def add_anonymise(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--anonymise", action="store_true", help="blur every face in every picture that is written")


def at_least(least: int) -> Callable[[str], int]:
    """The type of an argument that is a whole number, `least` or more."""

    def number(text: str) -> int:
        try:
            if int(text) >= least:
                return int(text)
        except ValueError:
            pass
        raise argparse.ArgumentTypeError(f"expected a whole number, {least} or more, not {text!r}")

    return number


def expect_folder(path: Path) -> None:
    """Raise UserError if --output cannot be a folder at `path`: before the work, not after it."""
    for place in (path, *path.parents):
        if place.exists() and not place.is_dir():
            raise UserError(f"--output: {place} is a file, not a folder. Name another place.")


def expect_file(path: Path, suffixes: Sequence[str]) -> None:
    """Raise UserError if --output cannot be a file at `path`, with one of `suffixes`: before the work, not after it."""
    if path.suffix.lower() not in suffixes:
        raise UserError(f"--output: {path} should end with {' or '.join(suffixes)}.")
    if path.is_dir():
        raise UserError(f"--output: {path} is a folder, not a file. Name another place.")
    expect_folder(path.parent)
