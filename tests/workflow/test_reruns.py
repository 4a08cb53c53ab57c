"""What runs again after a change of the config or of the code: what depends on it, and nothing else."""

import ast
import shutil
from pathlib import Path

import pytest

from experiments import PROJECT, Experiment

AFTER_SUMMARY = {"summary", "page", "publish"}
AFTER_TRAINING = {"evaluate"} | AFTER_SUMMARY
SETTINGS = {"settings"}  # of each run, written beside it
AFTER_FEATURES = {"splits", "train", "controls", "leakage"} | AFTER_TRAINING


def test_a_second_run_has_nothing_to_do(finished):
    assert "Nothing to be done" in finished.run().output


def test_a_setting_of_training_reruns_training_and_what_follows(finished):
    plan = finished.plan(train={"epochs": 3})

    assert plan.rules == {"train"} | AFTER_TRAINING | SETTINGS
    assert plan.values("publish", "stage") == {"experiment", "summary"}


def test_a_setting_of_the_statistics_reruns_the_summary(finished):
    plan = finished.plan(statistics={"bootstrap": 200})

    assert plan.rules == AFTER_SUMMARY
    assert plan.values("publish", "stage") == {"summary"}


def test_a_setting_of_the_detector_reruns_faces_and_what_follows(finished):
    assert finished.plan(faces={"threshold": 0.8}).rules == {"faces", "features"} | AFTER_FEATURES | SETTINGS


def test_a_setting_of_a_view_reruns_the_features_of_this_view(finished):
    plan = finished.plan(views={"face": {"margin": 5}})

    assert plan.rules == {"features"} | AFTER_FEATURES | SETTINGS
    assert plan.values("features", "view") == {"face"}


def test_a_new_ablation_leaves_the_others_alone(finished):
    plan = finished.plan(ablations={"context": {"views": ["context"]}})

    assert plan.rules == {"train"} | AFTER_TRAINING | SETTINGS
    assert plan.values("train", "model") == plan.values("evaluate", "model") == {"context"}


def test_a_setting_of_one_ablation_leaves_the_others_alone(finished):
    plan = finished.plan(ablations={"face": {"train": {"epochs": 3}}})

    assert plan.values("train", "model") == plan.values("evaluate", "model") == {"face"}


def test_dealing_once_more_leaves_the_first_deal_alone(experiment):
    experiment.configure(protocols={"subject_kfold": {"repeats": 2}})
    experiment.run("results/splits/subject_kfold-1-repeat-2.parquet")  # and with it all splits

    plan = experiment.plan()

    new = {"subject_kfold-1-repeat-2", "subject_kfold-2-repeat-2"}
    assert plan.values("train", "split") == plan.values("evaluate", "split") == plan.values("controls", "split") == new


def test_a_setting_of_a_view_leaves_models_without_it_alone(experiment):
    experiment.configure(views={"context": {"blank_face": True}})

    outcome = experiment.run("results/runs/face/official/seed-1/metrics.json")

    assert outcome.values("features", "view") == {"context"}
    assert not outcome.rules & {"train", "evaluate"}


def test_a_setting_switched_back_finds_its_old_cache(experiment):
    usable = "results/index/usable.parquet"  # made from the features
    experiment.configure(views={"face": {"margin": 5}})
    assert "features" in experiment.run(usable).rules

    experiment.configure(views={"face": {"margin": 20}})
    assert "features" not in experiment.run(usable).rules
    assert experiment.plan("results/summary/comparison.md").rules == set()


@pytest.fixture
def edited(finished, tmp_path) -> Experiment:
    """The finished experiment with a copy of the project, to be edited."""
    project = tmp_path / "project"
    project.mkdir()
    for name in ("workflow", "src", "envs", "profiles"):
        shutil.copytree(PROJECT / name, project / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "config.yaml"):
        shutil.copy2(PROJECT / name, project)
    return Experiment(finished.folder, project)


def test_comments_and_docstrings_rerun_nothing(edited):
    for module in [*edited.project.glob("src/clip_caer/**/*.py"), *edited.project.glob("workflow/scripts/*.py")]:
        module.write_text(module.read_text().replace('"""', '"""Once more: ', 1) + "\n# a comment\n")

    assert edited.plan().rules == set()


@pytest.mark.parametrize(
    ("module", "function", "rules"),
    [
        ("src/clip_caer/pictures/crops.py", "face_view", {"features"} | AFTER_FEATURES | SETTINGS),
        ("src/clip_caer/learning/training.py", "schedule", {"train"} | AFTER_TRAINING | SETTINGS),
        ("src/clip_caer/protocol/evaluation.py", "macro_f1", AFTER_TRAINING),
        ("src/clip_caer/statistics/intervals.py", "interval_table", AFTER_SUMMARY),
        ("src/clip_caer/tracking/publish.py", "publish", {"publish"}),
        ("src/clip_caer/caching/shards.py", "open_shard", {"faces", "features"} | AFTER_FEATURES | SETTINGS),
    ],
)
def test_an_edited_function_reruns_what_depends_on_it(edited, module, function, rules):
    edit(edited.project / module, function)

    assert edited.plan().rules == rules


def edit(path: Path, function: str) -> None:
    """Add a statement to a function."""
    lines = path.read_text().splitlines()
    (node,) = [node for node in ast.parse("\n".join(lines)).body if getattr(node, "name", None) == function]
    last = node.body[-1]
    lines.insert(last.lineno - 1, f"{' ' * last.col_offset}assert True")
    path.write_text("\n".join(lines))
