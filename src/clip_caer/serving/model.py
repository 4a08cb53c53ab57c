"""A trained run behind MLflow's pyfunc: videos in, predictions out. MLflow runs this file; nothing is pickled."""

import tempfile
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import polars as pl

from clip_caer.pictures.video import find_ffmpeg
from clip_caer.predicting.windows import parse_span
from clip_caer.showing.videos import predict_videos
from clip_caer.trained.run import open_run


class VideoModel(mlflow.pyfunc.PythonModel):
    """Takes a table with a column `video`, the bytes of a video each; gives the rows of `clip-caer predict`.

    In the result `video` is the number of the row asked for, from 0. Parameters: window, step and students, as those of
    the command; empty for none.
    """

    def load_context(self, context: mlflow.pyfunc.PythonModelContext) -> None:
        self.trained, self.ffmpeg = open_run(context.artifacts["model"]), find_ffmpeg("bundled")

    def predict(self, context, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        window, step = (parse_span(params[name]) if params else None for name in ("window", "step"))
        with tempfile.TemporaryDirectory() as folder:
            videos = [Path(folder, f"{number}") for number in range(len(model_input))]
            for path, content in zip(videos, model_input["video"], strict=True):
                path.write_bytes(content)
            students = params["students"] if params else "one"
            table = predict_videos(videos, self.trained, Path(folder), self.ffmpeg, window, step, students)
        number = pl.col("video").map_elements(lambda path: int(Path(path).name), pl.Int64)
        return pd.DataFrame(table.with_columns(number).to_dict(as_series=False))


mlflow.models.set_model(VideoModel())
