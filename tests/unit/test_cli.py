"""The command line: help, exit codes, completion."""

import subprocess
import sys

import pytest

from clip_caer.cli import main

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
        (["describe", "nowhere.csv"], "nowhere.csv cannot be read as a sheet"),
    ],
)
def test_what_the_user_can_mend_is_told_in_one_message(arguments, complaint, capsys):
    arguments = [argument.format(here=__file__) for argument in arguments]
    assert main(arguments) == 1
    told = capsys.readouterr().err
    assert complaint in told and told.startswith(f"clip-caer {arguments[0]}: ") and "Traceback" not in told


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("sqlite:////results/mlflow.db", "MLFLOW_TRACKING_URI='sqlite:////results/mlflow.db' mlflow"),
        ("http://me:hush@host:5000", "once MLFLOW_TRACKING_URI is set to your address"),
        ("postgresql://host/db?password=hush", "once MLFLOW_TRACKING_URI is set to your address"),
    ],
)
def test_the_command_that_serves_a_model_shows_no_password(uri, told, capsys, monkeypatch):
    from clip_caer.trained import logged

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
