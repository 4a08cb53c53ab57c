"""The configuration: complete, or one message that names every problem."""

import copy
from pathlib import Path

import pytest
import yaml

from clip_caer.configuration.settings import complete, merge, model_settings
from clip_caer.errors import UserError

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"
SMALL = {"dataset": {"reader": "demo"}, "encoder": {"model": "local-dir:clip"}}


def test_the_shipped_config_and_every_preset_are_valid():
    files = [ROOT / "config.yaml", *sorted((ROOT / "workflow/presets").glob("*.yaml"))]
    for path in files:
        complete(yaml.safe_load(path.read_text()), SCHEMA)
    assert len(files) > 2


def test_defaults_are_filled_in_at_every_depth():
    config = complete(SMALL, SCHEMA)
    assert config["train"]["lr"]["temporal"] > 0
    assert config["views"]["face"]["margin"] == 20
    assert list(config["ablations"]) == ["face", "context", "fused"]


def test_the_given_config_is_left_alone():
    given = copy.deepcopy(SMALL)
    complete(given, SCHEMA)
    assert given == SMALL


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"train": {"epoch": 3}}, ["train", "'epoch'", "did you mean 'epochs'"]),
        ({"train": {"epochs": "many"}}, ["train.epochs", "'many'", "integer"]),
        ({"train": {"optimizer": "adam"}}, ["train.optimizer", "'adam'", "adamw, sgd"]),
        ({"frames": {"count": 0}}, ["frames.count", "0"]),
        ({"faces": {"detector": "mtcnn"}}, ["faces.detector", "mobile0.25, resnet50"]),
        ({"ablations": {"a": {"views": ["hands"]}}}, ["ablations.a.views.0", "'hands'", "face, context"]),
        ({"ablations": {"a": {"views": ["face"], "train": {"epoch": 1}}}}, ["ablations.a", "did you mean 'epochs'"]),
        ({"ablations": {"a b": {"views": ["face"]}}}, ["ablations", "'a b'"]),
        ({"dataset": {"reader": "demo", "labels": "rough"}}, ["dataset.labels", "'rough'", "fine"]),
        ({"dataset": {"reader": "csv"}}, ["dataset.path", "csv"]),
        ({"dataset": {}}, ["dataset", "reader"]),
        ({"train": None}, ["train", "None", "object"]),
    ],
)
def test_a_wrong_key_or_value_is_named_with_what_was_expected(change, expected):
    with pytest.raises(UserError) as error:
        complete(SMALL | change, SCHEMA)
    for words in expected:
        assert words in str(error.value)


def test_all_problems_are_listed_at_once():
    with pytest.raises(UserError, match="3 problems"):
        complete(SMALL | {"trian": {}, "train": {"batch": 0}, "seeds": []}, SCHEMA)


def test_an_ablation_changes_only_what_it_names():
    config = complete(
        SMALL | {"ablations": {"a": {"views": ["face"], "train": {"lr": {"prompts": 0.5}}, "prompts": {"n_ctx": 0}}}},
        SCHEMA,
    )
    settings = model_settings(config, "a")
    assert settings["train"]["lr"] == config["train"]["lr"] | {"prompts": 0.5}
    assert settings["prompts"]["n_ctx"] == 0
    assert config["prompts"]["n_ctx"] == 8


def test_merge_replaces_lists_and_merges_mappings():
    assert merge({"a": {"x": 1, "y": [1]}, "b": 2}, {"a": {"y": [3]}}) == {"a": {"x": 1, "y": [3]}, "b": 2}
