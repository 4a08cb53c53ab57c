"""A trained run as a model of MLflow: with a signature, loadable by mlflow.pyfunc, servable by mlflow models serve."""

import tempfile
from importlib.metadata import version
from pathlib import Path

from clip_caer.tracking.publish import UNUSABLE, quiet, unusable  # it sets how MLflow behaves, so before its import

# isort: split
import mlflow
from mlflow import MlflowClient
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

from clip_caer.predicting.predict import columns
from clip_caer.trained.file import write_model
from clip_caer.trained.model import Trained
from clip_caer.trained.run import open_packed

_TYPES = {"String": DataType.string, "Int64": DataType.long, "Float64": DataType.double}
# What `serving` imports; torch comes without the name of a local build.
_PACKAGES = (
    *(
        "ffmpeg-python",
        "imageio-ffmpeg",
        "jsonschema",
        "matplotlib",
        "mlflow",
        "numpy",
        "onnxruntime",
        "open_clip_torch",
    ),
    *("opencv-python-headless", "pandas", "pillow", "polars", "pyyaml", "safetensors", "torch", "torchvision", "tqdm"),
)


def log_model(run: str | Path, uri: str, register: str | None = None) -> str:
    """Log a run, or an exported file, to MLflow; the model's address, `models:/…`.

    uri: of the tracking server or database. The model belongs to the MLflow run of its training, if that is there, else
    to a new run. register: name under which it is registered too. Raises UserError where MLflow cannot be used.
    """
    packed = open_packed(run)
    try:
        with quiet(), tempfile.TemporaryDirectory() as folder:
            mlflow.set_tracking_uri(uri)
            run_id = _training(MlflowClient(uri), packed.about)
            file = Path(folder, "model.safetensors")
            write_model(packed, file)
            return Model.log(
                None,
                flavor=mlflow.pyfunc,
                name=packed.about["name"].replace(" · ", "-").replace(" ", "-"),
                run_id=run_id,
                registered_model_name=register,
                python_model=str(Path(__file__).with_name("model.py")),
                artifacts={"model": str(file)},
                code_paths=[str(Path(__file__).parents[1])],
                signature=signature(Trained(packed)),
                pip_requirements=[f"{package}=={version(package).partition('+')[0]}" for package in _PACKAGES],
            ).model_uri
    except UNUSABLE as error:
        raise unusable(error, uri, "--uri") from None  # what is chained may show a password


def signature(trained: Trained) -> ModelSignature:
    """Bytes of videos in, rows of predictions out."""
    found = {"video": DataType.long, **{name: _TYPES[str(dtype)] for name, dtype in columns(trained).items()}}
    found["message"] = DataType.string
    params = {"window": "", "step": "", "students": "one"}
    return ModelSignature(
        Schema([ColSpec(DataType.binary, "video")]),
        Schema([ColSpec(dtype, name, required=name == "video") for name, dtype in found.items()]),
        ParamSchema([ParamSpec(name, DataType.string, default) for name, default in params.items()]),
    )


def _training(client: MlflowClient, about: dict) -> str:
    """Id of the MLflow run that a model comes from; a new one where it was never published."""
    experiment = mlflow.set_experiment(about["experiment"])
    key = about["run_key"].replace("'", "")
    found = client.search_runs([experiment.experiment_id], f"tags.run_key = '{key}'", max_results=1)
    if found:
        return found[0].info.run_id
    run = client.create_run(
        experiment.experiment_id, run_name=about["name"], tags={"fingerprint": about["fingerprints"]["run"]}
    )
    client.set_terminated(run.info.run_id)
    return run.info.run_id
