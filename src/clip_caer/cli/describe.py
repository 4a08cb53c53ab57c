"""clip-caer describe"""

import argparse
import os
from pathlib import Path

import shtab

from clip_caer.cli.options import add_anonymise, at_least, expect_file
from clip_caer.describing.findings import findings
from clip_caer.errors import UserError

NAME = "describe"
HELP = "look at a dataset before any training"
DESCRIPTION = """\
Counts by class, student and setting, lengths and sizes, damaged clips, what is worth knowing before training, and a
contact sheet of face and context crops: one HTML page that needs nothing else, and a table of the clips beside it."""
EXAMPLES = """\
examples:
  # a sheet of videos; RAER's folder; the dataset of an experiment, with its labels and views
  clip-caer describe data/clips.csv
  clip-caer describe data/RAER --output raer.html
  clip-caer describe my-experiment.yaml --anonymise
  # a first glance: does not decode whole videos, so damage within them is not found
  clip-caer describe data/clips.csv --quick --samples 0
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "dataset", type=Path, metavar="DATASET", help="a sheet *.csv, RAER's folder, or an experiment's config *.yaml"
    ).complete = shtab.FILE
    parser.add_argument(
        "--output", type=Path, default=Path("dataset.html"), metavar="FILE", help="the page (default: dataset.html)"
    ).complete = shtab.FILE
    parser.add_argument(
        "--samples", type=at_least(0), default=6, metavar="N", help="clips of each class to show (default: 6)"
    )
    parser.add_argument("--quick", action="store_true", help="look at the first frame of each clip only")
    add_anonymise(parser)


def call(args: argparse.Namespace) -> int:
    from clip_caer.describing.describe import describe
    from clip_caer.describing.place import find_dataset

    expect_file(args.output, (".html", ".htm"))
    place = find_dataset(args.dataset)
    table, sheet = args.output.with_suffix(".csv"), Path(place.config["dataset"]["path"]).expanduser()
    if table.resolve() == sheet.resolve():
        raise UserError(
            f"--output: the table of clips beside {args.output} would replace your sheet {sheet}. Name another place."
        )
    workers = os.cpu_count() or 1
    clips = describe(place, str(args.dataset), args.output, args.samples, args.quick, args.anonymise, workers)
    for name in place.classes:
        own = clips.filter(label=name)
        print(f"{name}: {len(own)} clips of {own['subject'].n_unique()} students")
    for finding in findings(clips, place.classes):
        print(f"- {finding}")
    print(f"written to {args.output} and {table}")
    return 0
