"""clip-caer explain"""

import argparse
import sys
from pathlib import Path

import shtab

from clip_caer.cli.options import add_anonymise, add_device, add_ffmpeg, add_run, at_least, expect_file
from clip_caer.errors import UserError, reject

NAME = "explain"
HELP = "show what a trained run looked at"
DESCRIPTION = """\
A contact sheet: what each view was shown of a clip, which places of it spoke for the predicted class (Grad-CAM for
ResNet towers, attention rollout for transformers), and how much of the decision came from the face and the context."""
EXAMPLES = """\
examples:
  # the eight clips that the run got most wrong
  clip-caer explain --run results/runs/fused/official/seed-1 --worst 8
  # its surest hits and misses, nobody to be recognised
  clip-caer explain --run results/runs/fused/official/seed-1 --best 4 --worst 4 --anonymise
  # clips of its dataset by their ids; any videos
  clip-caer explain --run results/runs/fused/official/seed-1 --clips videos/library/S02/01
  clip-caer explain lesson.mp4 --run model.safetensors --output lesson.png
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "videos", nargs="*", metavar="VIDEO", help="a video, or a folder as for predict"
    ).complete = shtab.FILE
    add_run(parser)
    parser.add_argument(
        "--worst", type=at_least(0), default=0, metavar="N", help="test clips that the run got most wrong"
    )
    parser.add_argument(
        "--best", type=at_least(0), default=0, metavar="N", help="test clips that the run got most surely right"
    )
    parser.add_argument("--clips", nargs="+", default=[], metavar="ID", help="clips of the run's dataset")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("explained.png"),
        metavar="FILE",
        help="the picture (default: explained.png)",
    ).complete = shtab.FILE
    add_anonymise(parser)
    add_device(parser)
    add_ffmpeg(parser)


def call(args: argparse.Namespace) -> int:
    from clip_caer.device import find_device
    from clip_caer.explaining.clips import Case, best, cases_of_run, worst
    from clip_caer.explaining.gallery import SUFFIXES, explain_sound, write_sheet
    from clip_caer.pictures.video import find_ffmpeg
    from clip_caer.predicting.source import find_videos
    from clip_caer.trained.run import open_run

    if not (args.videos or args.clips or args.worst or args.best):
        raise UserError("nothing to explain. Give videos, --clips ID …, --worst N or --best N.")
    expect_file(args.output, SUFFIXES)
    run, ffmpeg = Path(args.run), find_ffmpeg(args.ffmpeg)
    if (args.clips or args.worst or args.best) and not run.is_dir():
        raise UserError("--clips, --worst and --best need the folder of a run: an exported file knows no clips.")
    cases = [Case(video.name, video, ffmpeg) for video in (find_videos(args.videos) if args.videos else [])]
    chosen = [
        *args.clips,
        *(best(run, args.best) if args.best else []),
        *(worst(run, args.worst) if args.worst else []),
    ]
    cases += cases_of_run(run, chosen) if chosen else []  # an exported file has no dataset
    if not cases:
        raise UserError(f"{run}: it made no such mistake; there is nothing to show.")
    trained = open_run(run, find_device(args.device))
    explanations, damaged = explain_sound(cases, trained, args.anonymise)
    if not explanations:
        reject(damaged, "No clip can be explained")
    write_sheet(explanations, trained, args.output)
    print(f"written to {args.output}")
    for complaint in damaged:
        print(f"clip-caer explain: {complaint}", file=sys.stderr)
    return 1 if damaged else 0
