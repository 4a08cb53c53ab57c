"""The command line: help, exit codes, completion."""

import subprocess
import sys

import pytest

from clip_caer.cli import main
from clips import draw_frames, write_video

COMMANDS = ["describe", "predict", "explain", "export", "log-model"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    told = capsys.readouterr().out
    assert ended.value.code == 0
    assert "examples:" in told and f"clip-caer {command} " in told.split("examples:")[1]


@pytest.mark.parametrize("arguments", [[], ["predct"], ["predict"], ["predict", "a.mp4"], ["export", "run"]])
def test_a_wrong_command_line_ends_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: clip-caer" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["predict", "nowhere.mp4", "--run", "r"], "nowhere.mp4: there is no such file or folder"),
        (["predict", "{here}", "--run", "r", "--window", "soon"], "'soon' is no length of time"),
        (["predict", "{here}", "--run", "nowhere"], "--run: there is no nowhere"),
        (["explain", "--run", "nowhere"], "nothing to explain"),
        (["explain", "--run", "nowhere", "--worst", "3"], "need the folder of a run"),
        (["export", "nowhere", "model.safetensors"], "there is no nowhere"),
        (["log-model", "nowhere"], "no mlflow.db above"),
        (["describe", "nowhere.csv"], "nowhere.csv cannot be read"),
        (["predict", "{here}", "--run", "r", "--step", "1s"], "A step needs a window. Say how long one is"),
        (["predict", "nowhere.mp4", "--run", "r", "--output", "{here}"], "test_cli.py is a file, not a folder"),
        (["predict", "nowhere.mp4", "--run", "r", "--output", "{here}/out"], "test_cli.py is a file, not a folder"),
        (["explain", "{here}", "--run", "r", "--output", "e7.xyz"], "e7.xyz should end with .png or .jpg or "),
        (["explain", "{here}", "--run", "r", "--output", "e7"], "e7 should end with .png or .jpg or "),
        (["explain", "{here}", "--run", "r", "--output", "{here}/e7.png"], "test_cli.py is a file, not a folder"),
        (["describe", "nowhere.csv", "--output", "page.pdf"], "page.pdf should end with .html or .htm"),
        (["describe", "nowhere.csv", "--output", "{here}/page.html"], "test_cli.py is a file, not a folder"),
    ],
)
def test_what_the_user_can_mend_is_told_in_one_message(arguments, complaint, capsys):
    arguments = [argument.format(here=__file__) for argument in arguments]
    assert main(arguments) == 1
    told = capsys.readouterr().err
    assert complaint in told and told.startswith(f"clip-caer {arguments[0]}: ") and "Traceback" not in told


@pytest.mark.parametrize(("command", "suffix"), [("describe", ".html"), ("explain", ".png")])
def test_a_folder_in_place_of_the_output_is_told_before_any_work(command, suffix, tmp_path, capsys):
    (tmp_path / f"out{suffix}").mkdir()
    run = ["--run", "nowhere"] if command == "explain" else []
    assert main([command, "nowhere", *run, "--output", str(tmp_path / f"out{suffix}")]) == 1
    assert f"out{suffix} is a folder, not a file" in capsys.readouterr().err


def test_describe_does_not_replace_the_sheet_that_it_describes(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = ["video,label,subject"]
    for number, label in enumerate(("calm", "keen")):
        write_video(tmp_path / f"{number}.mp4", draw_frames(3))
        rows.append(f"{number}.mp4,{label},S{number}")
    sheet = tmp_path / "dataset.csv"
    sheet.write_text("\n".join(rows))
    assert main(["describe", "dataset.csv", "--quick", "--samples", "0"]) == 1
    assert "would replace your sheet dataset.csv" in capsys.readouterr().err
    assert sheet.read_text() == "\n".join(rows) and not (tmp_path / "dataset.html").exists()
    assert main(["describe", "dataset.csv", "--quick", "--samples", "0", "--output", "page.html"]) == 0
    assert (tmp_path / "page.csv").is_file()


@pytest.mark.parametrize(
    "arguments",
    [
        ["explain", "--run", "r", "--best", "-1"],
        ["explain", "--run", "r", "--worst", "-1"],
        ["explain", "--run", "r", "--worst", "two"],
        ["describe", "d.csv", "--samples", "-3"],
    ],
)
def test_a_number_out_of_range_is_told(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    *_, told = capsys.readouterr().err.splitlines()
    assert f"argument {arguments[-2]}: expected a whole number, 0 or more, not '{arguments[-1]}'" in told


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("sqlite:////results/mlflow.db", "MLFLOW_TRACKING_URI='sqlite:////results/mlflow.db' mlflow"),
        ("http://me:hush@host:5000", "once MLFLOW_TRACKING_URI is set to your address"),
        ("postgresql://host/db?password=hush", "once MLFLOW_TRACKING_URI is set to your address"),
    ],
)
def test_the_command_that_serves_a_model_shows_no_password(uri, told, capsys, monkeypatch):
    from clip_caer.serving import logged

    monkeypatch.setattr(logged, "log_model", lambda run, uri, register: "models:/m-1")
    assert main(["log-model", __file__, "--uri", uri]) == 0
    shown = capsys.readouterr().out
    assert told in shown and "mlflow models serve -m models:/m-1" in shown and "hush" not in shown


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_the_shell_completes_commands(shell, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--print-completion", shell])
    told = capsys.readouterr().out
    assert not ended.value.code and all(command in told for command in COMMANDS)


def test_help_does_not_wait_for_torch():
    code = "import sys; from clip_caer.cli import build_parser; build_parser(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
