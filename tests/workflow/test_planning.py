"""Planning stays quick: nothing heavy is imported for it, and there are few jobs."""

import subprocess
import sys

from experiments import PROJECT, Experiment

HEAVY = {"torch", "open_clip", "sklearn", "mlflow", "matplotlib", "cv2"}


def test_planning_imports_nothing_heavy(finished):
    script = f"""
import sys
from snakemake.cli import main
try:
    main(sys.argv[1:])
finally:
    print("imported:", *({HEAVY} & set(sys.modules)))
"""
    command = [sys.executable, "-c", script, *finished.command("-n")[1:]]
    done = subprocess.run(command, cwd=finished.folder, capture_output=True, text=True)

    assert done.stdout.rstrip().endswith("imported:"), done.stdout + done.stderr


def test_at_raers_size_there_are_few_jobs(tmp_path):
    (tmp_path / "data/raer-sized/RAER").mkdir(parents=True)
    (tmp_path / "data/raer-sized/clip").mkdir()
    (tmp_path / "config.yaml").write_text((PROJECT / "workflow/presets/raer-sized.yaml").read_text())

    assert len(Experiment(tmp_path).plan().jobs) < 200, "a job costs a second, and up to a minute in a queue"
