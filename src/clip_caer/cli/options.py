"""Arguments that several commands share."""

import argparse

import shtab


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
