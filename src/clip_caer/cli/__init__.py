"""The command clip-caer: thin doors to the library.

Exit codes: 0 done; 1 something that the user can mend, told in one message; 2 the command line is wrong.
"""

import argparse
import sys
from collections.abc import Sequence

import shtab

from clip_caer.cli import describe, explain, export, log_model, predict
from clip_caer.errors import UserError

_EPILOG = """\
clip-caer COMMAND --help has examples of each.

Completion in the shell, for bash (zsh and tcsh alike):
  clip-caer --print-completion bash > ~/.local/share/bash-completion/completions/clip-caer

Exit codes: 0 done; 1 something that you can mend, as the message says; 2 the command line is wrong.
"""


def build_parser() -> argparse.ArgumentParser:
    """The whole command line; what a command does stands in its `call`."""
    parser = argparse.ArgumentParser(
        prog="clip-caer",
        description="Look at a dataset before training, and use a trained run after it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    shtab.add_argument_to(parser, help="print a script that completes this command in your shell")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module in (describe, predict, explain, export, log_model):
        command = commands.add_parser(
            module.NAME,
            help=module.HELP,
            description=module.DESCRIPTION,
            epilog=module.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(call=module.call)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    args = build_parser().parse_args(argv)
    try:
        return args.call(args)
    except UserError as error:
        print(f"clip-caer {args.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
