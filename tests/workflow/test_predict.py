"""A trained run used: its predictions on new videos are those of its evaluation, wherever it is used."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from base64 import b64encode
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from clip_caer.cli import main
from clip_caer.explaining.clips import worst
from clips import spoil
from experiments import BIN, PROJECT, Experiment, set_up

RUN = "runs/fused/official/seed-1"
CLASSES = ["neutrality", "enjoyment", "confusion", "fatigue", "distraction"]
PROBABILITIES = [f"probability_{name}" for name in CLASSES]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory, model, weights) -> Experiment:
    """Two runs on a small demo: a frozen ResNet, and a transformer that was fine-tuned by low-rank changes."""
    folder = tmp_path_factory.mktemp("drawn")
    (folder / "vit").symlink_to(model)
    experiment = set_up(
        folder,
        PROJECT / "workflow/demo/tiny-clip",
        weights,
        dataset={"reader": "demo", "shards": 2},
        demo={"students": 4, "clips": 15, "seed": 3},
        views={"face": {"margin": 6}, "context": {"blank_face": True}},
        text={"file": "workflow/demo/texts.yaml", "kind": "full"},
        train={"segments": 16},
        protocols={"official": {}},
        ablations={
            "fused": {"views": ["face", "context"]},
            "tuned": {
                "views": ["face", "context"],
                "encoder": {"model": "local-dir:vit"},
                "train": {"regime": "finetuned", "lora_rank": 2},
            },
        },
    )
    targets = [f"results/runs/{name}/official/seed-1/metrics.json" for name in ("fused", "tuned")]
    experiment.run(*targets, "results/runs/fused/settings.json", "results/mlflow.db")
    return experiment


@pytest.fixture(scope="module")
def evaluated(drawn) -> pl.DataFrame:
    """What the evaluation of fused says of the clips of val and test."""
    return drawn.table(f"{RUN}/predictions.parquet")


@pytest.fixture(scope="module")
def held_out(drawn, evaluated) -> list[str]:
    """The videos of those clips."""
    return [str(drawn.results / "demo" / f"{clip_id}.mp4") for clip_id in evaluated["clip_id"]]


@pytest.fixture(scope="module")
def exported(drawn, tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("exported") / "model.safetensors"
    assert main(["export", str(drawn.results / RUN), str(file)]) == 0
    return file


def check_equal(table: pl.DataFrame, evaluated: pl.DataFrame) -> None:
    """Clip for clip the probabilities of the evaluation; rows in any order."""
    by_clip = {
        Path(video).with_suffix("").as_posix(): row for video, *row in table.select("video", *PROBABILITIES).rows()
    }
    assert len(by_clip) == len(table) == len(evaluated)
    for clip_id, expected in evaluated.select("clip_id", "probability").iter_rows():
        (found,) = (row for video, row in by_clip.items() if video.endswith(clip_id))
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("name", ["fused", "tuned"])
def test_a_run_predicts_what_its_evaluation_found(drawn, held_out, tmp_path, capfd, name):
    run = f"runs/{name}/official/seed-1"
    assert main(["predict", *held_out, "--run", str(drawn.results / run), "--output", str(tmp_path)]) == 0

    evaluated = drawn.table(f"{run}/predictions.parquet")
    table = pl.read_parquet(tmp_path / "predictions.parquet")
    check_equal(table, evaluated)
    assert table["predicted"].to_list() == evaluated["predicted"].to_list()
    assert pl.read_csv(tmp_path / "predictions.csv").columns == table.columns
    assert table["face_found"].is_between(0, 1).all() and table["face_found"].mean() > 0.5
    shares = table.select("share_face", "share_context").drop_nulls().to_numpy()
    assert len(shares) >= 3
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    assert held_out[0] in capfd.readouterr().out


def test_an_exported_run_needs_nothing_of_the_experiment(exported, evaluated, held_out, tmp_path):
    shown = subprocess.run([BIN / "python", "-c", _PREDICT, exported, tmp_path, *held_out], env=_lonely(tmp_path))
    assert shown.returncode == 0
    check_equal(pl.read_parquet(tmp_path / "predictions.parquet"), evaluated)
    assert "UAR" in exported.with_suffix(".md").read_text()


_PREDICT = """
import sys
from clip_caer.cli import main
sys.exit(main(["predict", *sys.argv[3:], "--run", sys.argv[1], "--output", sys.argv[2]]))
"""


def _lonely(folder: Path) -> dict[str, str]:
    """The environment of somebody who has the package and nothing else."""
    return os.environ | {"HOME": str(folder), "PYTHONPATH": str(PROJECT / "src")}


def test_without_its_encoder_a_file_names_it_and_knows_it_again(drawn, exported, tmp_path, capsys):
    small = tmp_path / "small.safetensors"
    assert main(["export", str(drawn.results / RUN), str(small), "--without-encoder"]) == 0
    assert small.stat().st_size < exported.stat().st_size
    video = str(next(drawn.results.rglob("*.mp4")))
    for file, folder in ((exported, "whole"), (small, "small")):
        assert main(["predict", video, "--run", str(file), "--output", str(tmp_path / folder)]) == 0
    whole, named = (pl.read_parquet(tmp_path / folder / "predictions.parquet") for folder in ("whole", "small"))
    assert whole.equals(named)


@pytest.mark.parametrize(
    ("section", "value", "complaint"),
    [("files", "0" * 64, "has changed"), ("runs", "0123456789", "trained with other settings")],
)
def test_a_run_whose_makings_have_changed_is_not_used(drawn, tmp_path, capsys, section, value, complaint):
    copy = drawn.copy(tmp_path / "copy")
    path = copy.results / "runs/fused/settings.json"
    settings = json.loads(path.read_text())
    settings[section] = dict.fromkeys(settings[section], value)
    path.write_text(json.dumps(settings))
    assert main(["export", str(copy.results / RUN), str(tmp_path / "model.safetensors")]) == 1
    assert complaint in capsys.readouterr().err


def test_a_damaged_video_is_told_and_the_others_are_predicted(exported, held_out, tmp_path, capfd):
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(Path(held_out[0]).read_bytes())
    spoil(damaged)
    code = main(["predict", str(damaged), held_out[1], "--run", str(exported), "--output", str(tmp_path / "out")])
    table = pl.read_parquet(tmp_path / "out/predictions.parquet")
    assert code == 1
    assert "damaged.mp4 is damaged" in capfd.readouterr().err
    assert table["message"].is_null().to_list() == [False, True]
    assert table["predicted"].is_null().to_list() == [True, False]


def test_a_folder_of_videos_goes_through_the_workflow(drawn, evaluated, held_out, tmp_path):
    experiment = drawn.copy(tmp_path / "copy")
    (experiment.folder / "new").mkdir()
    for video in held_out:
        name = Path(video).relative_to(drawn.results / "demo")
        (experiment.folder / "new" / name).parent.mkdir(parents=True, exist_ok=True)
        (experiment.folder / "new" / name).symlink_to(video)
    experiment.configure(predict={"videos": "new", "run": "fused/official/seed-1", "timeline": True})

    outcome = experiment.run("predict")

    assert outcome.rules == {"export", "predict_videos", "predict"}
    (table,) = experiment.results.glob("predictions/*/predictions.parquet")
    check_equal(pl.read_parquet(table), evaluated)
    assert len(list(table.parent.rglob("*.timeline.png"))) == len(held_out)
    assert experiment.plan("predict").rules == set(), "it is done"
    assert "predict_videos" in experiment.plan("predict", predict={"students": "all"}).rules

    (experiment.folder / "new/broken.mp4").write_bytes(b"no video")
    assert "new/broken.mp4 could not be used: " in experiment.run("predict").output


def test_a_prediction_without_a_run_is_refused_before_any_work(drawn, tmp_path):
    experiment = drawn.copy(tmp_path / "copy")
    experiment.configure(predict={"videos": "results/demo"})
    assert "predict.run: name the run" in experiment.fail("-n").output
    experiment.configure(predict={"run": "fused/official/seed-9"})
    assert "predict.run: there is no fused/official/seed-9" in experiment.fail("-n").output
    experiment.configure(predict={"run": "fused/official/seed-1", "step": "2s"})
    assert "A step needs a window" in experiment.fail("-n").output


def test_the_report_can_have_a_gallery(drawn, tmp_path):
    experiment = drawn.copy(tmp_path / "copy")
    assert "gallery" not in experiment.plan("results/summary/report.html").rules
    experiment.configure(gallery={"run": "fused/official/seed-1", "clips": 1, "anonymise": True})
    assert "gallery" in experiment.plan("results/summary/report.html").rules
    assert experiment.run("results/summary/gallery.png").rules == {"gallery"}
    with Image.open(experiment.results / "summary/gallery.png") as picture:
        assert min(picture.size) > 400
    experiment.configure(gallery={"run": "fused/official/seed-7"})
    assert "this experiment has no run 'fused/official/seed-7'" in experiment.fail("-n").output


@pytest.mark.parametrize("name", ["fused", "tuned"])
def test_the_worst_clips_are_explained(drawn, tmp_path, capsys, name):
    run, sheet = drawn.results / f"runs/{name}/official/seed-1", tmp_path / "sheet.png"
    predictions = pl.read_parquet(run / "predictions.parquet").filter(role="test")
    wrong = predictions.filter(pl.col("label") != pl.col("predicted"))["clip_id"].to_list()
    assert wrong, "two epochs are not enough to get everything right"
    assert set(worst(run, 99)) == set(wrong)
    assert main(["explain", "--run", str(run), "--worst", "1", "--output", str(sheet)]) == 0
    with Image.open(sheet) as picture:
        assert min(picture.size) > 400
    assert main(["explain", "--run", str(run), "--output", str(sheet)]) == 1
    assert "nothing to explain" in capsys.readouterr().err


def test_the_dataset_of_a_config_is_described(drawn, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(drawn.folder)
    assert main(["describe", "config.yaml", "--output", str(tmp_path / "demo.html"), "--samples", "1"]) == 0
    page, clips = (tmp_path / "demo.html").read_text(), pl.read_csv(tmp_path / "demo.csv")
    assert len(clips) == 15 and set(clips["width"]) == {320}
    assert all(name in page for name in CLASSES) and page.count("data:image/png;base64,") == 1
    assert "http" not in page.replace("http-equiv", "")


def test_mlflow_loads_and_serves_a_run(drawn, evaluated, held_out, capsys):
    import mlflow

    assert main(["log-model", str(drawn.results / RUN)]) == 0
    told = capsys.readouterr().out
    address, uri = told.split("logged as ")[1].split(";")[0], f"sqlite:///{drawn.results}/mlflow.db"
    mlflow.set_tracking_uri(uri)
    model = mlflow.pyfunc.load_model(address)
    assert [column.name for column in model.metadata.signature.inputs] == ["video"]
    content = Path(held_out[0]).read_bytes()
    expected = evaluated["probability"][0].to_list()
    (row,) = model.predict([{"video": content}]).to_dict("records")
    np.testing.assert_allclose([row[name] for name in PROBABILITIES], expected, atol=1e-5)

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [BIN / "mlflow", "models", "serve", "-m", address, "-p", str(port), "--env-manager", "local"]
    environment = os.environ | {"MLFLOW_TRACKING_URI": uri, "PATH": f"{BIN}:{os.environ['PATH']}"}
    server = subprocess.Popen(list(map(str, command)), env=environment, start_new_session=True)
    try:
        answer = _ask(f"http://127.0.0.1:{port}/invocations", content, server)
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(30)
    (row,) = answer["predictions"]
    np.testing.assert_allclose([row[name] for name in PROBABILITIES], expected, atol=1e-5)
    assert row["predicted"] == evaluated["predicted"][0] and row["student"] in (1, None)


def _ask(url: str, video: bytes, server: subprocess.Popen, patience: float = 120) -> dict:
    """Post a video to a server that may still be starting."""
    body = {"dataframe_split": {"columns": ["video"], "data": [[b64encode(video).decode()]]}}
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    end = time.monotonic() + patience
    while True:
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error
        except OSError:
            assert server.poll() is None and time.monotonic() < end
            time.sleep(0.5)
