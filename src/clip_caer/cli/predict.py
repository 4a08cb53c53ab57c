"""clip-caer predict"""

import argparse
import sys
from pathlib import Path

import shtab

from clip_caer.cli.options import add_anonymise, add_device, add_ffmpeg, add_run, expect_folder

NAME = "predict"
HELP = "tell the emotions of students in new videos"
DESCRIPTION = """\
Class probabilities for each video, or for each of its sliding windows; as a table, and as pictures if wanted.
Writes predictions.parquet and predictions.csv, a row for each window and student."""
EXAMPLES = """\
examples:
  # each video as one clip, as in the evaluation
  clip-caer predict lesson.mp4 --run results/runs/fused/official/seed-1
  # every 2 seconds, the last 4; all students; a copy to look at
  clip-caer predict lesson.mp4 --run model.safetensors --window 4s --step 2s --students all --annotate --timeline
  # all videos below a folder, nobody to be recognised
  clip-caer predict videos/ --run model.safetensors --output out --annotate --anonymise
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "videos",
        nargs="+",
        metavar="VIDEO",
        help="a video, a folder of videos, or a folder of pictures 1.jpg, 2.jpg, …",
    ).complete = shtab.FILE
    add_run(parser)
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("predictions"),
        metavar="FOLDER",
        help="where to write (default: predictions)",
    ).complete = shtab.DIRECTORY
    parser.add_argument(
        "--window", metavar="LENGTH", help="of a sliding window: 4s is seconds, 100f frames (default: the whole video)"
    )
    parser.add_argument(
        "--step", metavar="LENGTH", help="from one window to the next (default: half a window); needs --window"
    )
    parser.add_argument(
        "--students",
        choices=["one", "all"],
        default="one",
        help="one: who is nearest to the camera for most of the time, as in training (default); "
        "all: everybody whose face is there for a quarter of the window, each with a number",
    )
    parser.add_argument(
        "--annotate",
        action="store_true",
        help="write an H.264 copy with boxes, classes and a timeline; it has no sound",
    )
    parser.add_argument("--timeline", action="store_true", help="write a picture of each student's emotions over time")
    add_anonymise(parser)
    add_device(parser)
    add_ffmpeg(parser)


def call(args: argparse.Namespace) -> int:
    from clip_caer.device import find_device
    from clip_caer.pictures.video import find_ffmpeg
    from clip_caer.predicting.source import find_videos
    from clip_caer.predicting.windows import check_spans, parse_span
    from clip_caer.showing.videos import Pictures, as_text, predict_videos, write_predictions
    from clip_caer.trained.run import open_run

    expect_folder(args.output)
    window, step = map(parse_span, (args.window, args.step))
    check_spans(window, step)
    videos = find_videos(args.videos)
    trained = open_run(args.run, find_device(args.device))
    pictures = Pictures(args.annotate, args.timeline, args.anonymise)
    table = predict_videos(
        videos, trained, args.output, find_ffmpeg(args.ffmpeg), window, step, args.students, pictures
    )
    write_predictions(table, args.output)
    print(as_text(table))
    print(f"written to {args.output}")
    damaged = table.filter(table["message"].is_not_null())
    for video, message in damaged.select("video", "message").iter_rows():
        print(f"clip-caer predict: {video} is damaged: {message}", file=sys.stderr)
    return 1 if len(damaged) else 0
