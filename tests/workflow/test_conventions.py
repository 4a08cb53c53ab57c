"""Snakemake's own checks, report and profiles."""

import re
import subprocess

from experiments import BIN, PROJECT

FIGURES = ("confusion", "reliability", "strata")  # one for each protocol


def test_snakemake_has_no_complaint(tmp_path):
    done = subprocess.run(
        [BIN / "snakemake", "-s", PROJECT / "Snakefile", "--lint"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_rules_are_formatted():
    done = subprocess.run(
        [BIN / "snakefmt", "--check", "Snakefile", "workflow"], cwd=PROJECT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_report_shows_the_figures(finished, tmp_path):
    finished.run("--report", tmp_path / "report.html")

    page = (tmp_path / "report.html").read_text()
    shown = set(re.findall(r"data:image/png;[^,]*filename=([^;,]+);base64,", page))
    of_protocol = [f"{what}-{p}.png" for what in FIGURES for p in ("official", "subject_kfold")]
    assert shown == {"comparison.png", "pairs.png", "students.png", "training.png", *of_protocol}
    assert "summary/comparison.md" in page


def test_the_slurm_profile_plans_the_whole_run(finished):
    plan = finished.plan("--workflow-profile", PROJECT / "workflow/profiles/slurm", "--forceall")

    assert {"index", "frames", "faces", "features", "train", "evaluate", "summary", "publish"} <= plan.rules
    assert "slurm" in plan.output
