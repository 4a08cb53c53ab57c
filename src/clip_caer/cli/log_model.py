"""clip-caer log-model"""

import argparse
import sys
from pathlib import Path

from clip_caer.cli.options import add_run
from clip_caer.errors import UserError
from clip_caer.tracking.address import without_secrets

NAME = "log-model"
HELP = "log a trained run to MLflow as a model that can be served"
DESCRIPTION = """\
Logs the run as a model with a signature, under the MLflow run of its training. It takes the bytes of videos and gives
the rows of clip-caer predict."""
EXAMPLES = """\
examples:
  clip-caer log-model results/runs/fused/official/seed-1
  clip-caer log-model model.safetensors --uri http://127.0.0.1:5000 --register emotions
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run(parser, "run")
    parser.add_argument("--uri", help="of the MLflow server or database (default: mlflow.db in the run's results)")
    parser.add_argument("--register", metavar="NAME", help="register the model under this name too")


def call(args: argparse.Namespace) -> int:
    from clip_caer.serving.logged import log_model

    uri = args.uri or _own_database(Path(args.run).resolve())
    model = log_model(args.run, uri, args.register)
    print(f"logged as {model}; {_how_to_serve(model, uri)}")
    return 0


def _how_to_serve(model: str, uri: str) -> str:
    """The command; an address that holds a secret is not shown, but left to the user."""
    path = f"PATH={Path(sys.executable).parent}:$PATH"
    command = f"mlflow models serve -m {model} --env-manager local"
    if without_secrets(uri) != uri:
        return f"to serve it, once MLFLOW_TRACKING_URI is set to your address:\n{path} {command}"
    return f"to serve it:\n{path} MLFLOW_TRACKING_URI='{uri}' {command}"


def _own_database(run: Path) -> str:
    for folder in run.parents:
        if (folder / "mlflow.db").is_file():
            return f"sqlite:///{folder / 'mlflow.db'}"
    raise UserError(f"There is no mlflow.db above {run}. Give the address of an MLflow server or database: --uri.")
