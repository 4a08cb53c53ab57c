"""clip-caer export"""

import argparse
from pathlib import Path

import shtab

from clip_caer.cli.options import add_run

NAME = "export"
HELP = "make a trained run one file that works anywhere"
DESCRIPTION = """\
One safetensors file with all that predictions need: what was trained, the class texts, CLIP's image encoder, the face
detector, preprocessing, fingerprints and a model card, which is also written beside it. Nothing in it is code."""
EXAMPLES = """\
examples:
  clip-caer export results/runs/fused/official/seed-1 model.safetensors
  # smaller: CLIP's image encoder is only named, and must be at hand, with the same weights, where the file is used
  clip-caer export results/runs/fused/official/seed-1 small.safetensors --without-encoder
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run(parser, "run")
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="the file to write, *.safetensors"
    ).complete = shtab.FILE
    parser.add_argument(
        "--without-encoder",
        action="store_true",
        help="leave CLIP's image encoder out; it is known by its name and sha256",
    )


def call(args: argparse.Namespace) -> int:
    from clip_caer.trained.file import write_model
    from clip_caer.trained.run import open_packed

    write_model(open_packed(args.run), args.file, with_encoder=not args.without_encoder)
    print(
        f"written to {args.file} ({args.file.stat().st_size / 1e6:.1f} MB), its card to {args.file.with_suffix('.md')}"
    )
    return 0
