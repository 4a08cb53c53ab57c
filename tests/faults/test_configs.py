"""Whatever stands in a config: it is taken, or refused with file, line, key, and what was expected."""

import copy
import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from clip_caer.configuration.places import read_places
from clip_caer.configuration.settings import complete, model_settings, models
from clip_caer.dataset.labels import class_names
from clip_caer.errors import UserError
from clip_caer.fingerprints import fingerprint
from clip_caer.protocol.splits import split_names
from experiments import PROJECT

SCHEMA = PROJECT / "workflow/schemas/config.schema.yaml"
SHIPPED = yaml.safe_load((PROJECT / "config.yaml").read_text())
ODD = st.one_of(
    st.sampled_from(
        [
            *(None, True, False, 0, -1, 1.0, 3.5, 1e308, float("nan"), float("inf"), 10**30, -(2**63), "", " ", "all"),
            *("1e-3", "off", "a\nb", "x" * 5000, "é", "{x}", "$(x)", [], {}, [[]], [None], {"a": None}, {1: 2}),
            *({"face": 1}, {None: {}}, {"views": ["face"]}, {True: {"views": ["face"]}}, ["face", "face"], b"x"),
        ]
    ),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
        max_leaves=5,
    ),
)


def paths(value: object, above: tuple = ()) -> list[tuple]:
    """The path of every key and item in a config."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path for key, inner in items for path in [(*above, key), *paths(inner, (*above, key))]]


def changed(path: tuple, value: object) -> dict:
    """The shipped config with another value at `path`."""
    config = copy.deepcopy(SHIPPED)
    inner = config
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return config


def check(config: object) -> str | None:
    """What the user is told; None if the config is taken. Anything but a UserError fails the test."""
    try:
        filled = complete(config, SCHEMA)
        class_names(filled["dataset"])
        split_names(filled["protocols"])
        fingerprint(filled)
        for name in models(filled):
            fingerprint(model_settings(filled, name))
    except UserError as error:
        return str(error)
    return None


# ---- any values and keys ----


@given(path=st.sampled_from(paths(SHIPPED)), value=ODD)
def test_any_value_is_taken_or_refused_with_its_key(path, value):
    told = check(changed(path, value))
    assert told is None or path[0] in told


@given(path=st.sampled_from([path for path in paths(SHIPPED) if not isinstance(path[-1], int)]), key=ODD)
def test_any_key_is_taken_or_refused(path, key):
    if isinstance(key, list | dict):
        return
    config = changed(path, None)
    inner = config
    for name in path[:-1]:
        inner = inner[name]
    inner[key] = inner.pop(path[-1])
    check(config)


@given(config=st.dictionaries(st.one_of(st.sampled_from(list(SHIPPED)), st.text(max_size=8)), ODD, max_size=5))
def test_any_mapping_is_taken_or_refused(config):
    check(config)


KEYS = [path for path in paths(SHIPPED) if path[0] not in ("ablations", "dataset") and isinstance(path[-1], str)]


@given(path=st.sampled_from([path for path in KEYS if len(path[-1]) > 4]), position=st.integers(0, 3))
def test_a_slip_in_a_key_is_told_with_its_place_and_the_nearest_key(tmp_path_factory, path, position):
    name = path[-1]
    slip = name[:position] + name[position + 1] + name[position] + name[position + 2 :]  # two letters exchanged
    if slip == name:
        return
    inner = config = copy.deepcopy(SHIPPED)
    for key in path[:-1]:
        inner = inner[key]
    inner[slip] = inner.pop(name)
    file = tmp_path_factory.mktemp("config") / "mine.yaml"
    file.write_text(yaml.safe_dump(config))
    line = next(n for n, text in enumerate(file.read_text().splitlines(), 1) if re.search(rf"\b{slip}:", text))

    with pytest.raises(UserError) as told:
        complete(config, SCHEMA, read_places(file))

    assert f"mine.yaml line {line}: {'.'.join(path[:-1]) or 'the top level'}: unknown key {slip!r}" in str(told.value)
    assert f"did you mean {name!r}?" in str(told.value)


# ---- what YAML makes of it ----


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (("train", "epochs"), 3.0, "train.epochs: 3.0; expected integer"),
        (("train", "epochs"), True, "train.epochs: True .*; expected integer"),
        (("train", "epochs"), 10**30, "train.epochs: 1000.*; expected integer"),
        (("train", "lr", "prompts"), "2e-3", "train.lr.prompts: the text '2e-3' .*1.0e-3.*; expected number"),
        (("train", "weight_decay"), float("nan"), "train.weight_decay: nan; expected number"),
        (("dataset", "max_damaged"), float("nan"), "dataset.max_damaged: nan; expected number"),
        (("train", "flip"), False, "train.flip: False .*in quotes.*; expected one of together, apart, off"),
        (("frames",), None, "frames: None; expected object"),
        (("seeds",), [2**64], "seeds.0: .*; expected integer"),
        (("temporal", "heads"), 2**40, "temporal.heads: .*maximum"),
        (("results",), "r{x}", "results: .*No quotes, braces"),
        (("results",), "`id`", "results: .*No quotes, braces"),
        (("results",), "a\nb", "results: .*No quotes, braces"),
        (("ablations", "a\n"), {"views": ["face"]}, r"ablations: 'a\\n' does not fit"),
        (("ablations", 1), {"views": ["face"]}, "ablations: 1; expected string"),
        (("dataset", "label_sets", "fine"), ["a\nb", "c"], r"dataset.label_sets.fine.0: .*control character"),
        (("dataset", "label_sets", None), ["a", "b"], "dataset.label_sets: None; expected string"),
    ],
)
def test_what_yaml_makes_of_a_value_is_told(path, value, expected):
    assert re.search(expected, check(changed(path, value)))


@given(text=st.one_of(st.text(max_size=60), st.text(alphabet="ab:- \t\n[]{}&*!#'\"?0", max_size=60)))
def test_any_text_is_a_config_file_or_refused(tmp_path_factory, text):
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_text(text, encoding="utf-8", errors="ignore", newline="")
    try:
        read_places(file)
    except UserError as error:
        assert "any.yaml" in str(error)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seeds: [1]\ntrain: {epochs: 1}\nseeds: [2]\n", "mine.yaml line 3: seeds is set already, in mine.yaml line 1"),
        ("train:\n  epochs: 1\n  epochs: 2\n", "mine.yaml line 3: train.epochs is set already, in mine.yaml line 2"),
        ("train:\n\tepochs: 1\n", "line 2"),
        ("train: *nothing\n", "line 1"),
        ("train: [1\n", "line 2"),
    ],
)
def test_what_a_yaml_reader_lets_pass_or_cannot_read(tmp_path, text, expected):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match="mine") as told:
        read_places(file)
    assert expected in str(told.value)


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbfseeds: [1]\n", b"a: &a [*a]\n", b"<<: {a: 1}\na: 2\n", b"{}"])
def test_what_is_odd_but_yaml_is_no_problem_here(tmp_path, content):
    (tmp_path / "mine.yaml").write_bytes(content)
    read_places(tmp_path / "mine.yaml")


# ---- through the workflow ----


def test_a_wrong_config_is_told_with_file_and_line(finished, tmp_path):
    config = finished.config | {"tarin": {}, "results": str(tmp_path)}
    config["train"]["epochs"] = 3.0
    (finished.folder / "wrong.yaml").write_text(yaml.safe_dump(config))
    lines = (finished.folder / "wrong.yaml").read_text().splitlines()

    outcome = finished.snakemake("-n", config="wrong.yaml")

    assert outcome.code == 1 and "Traceback" not in outcome.output
    for line, problem in {
        "tarin: {}": "unknown key 'tarin'; did you mean 'train'?",
        "  epochs: 3.0": "expected integer",
    }.items():
        number = lines.index(line) + 1
        assert re.search(rf"wrong\.yaml line {number}: .*{re.escape(problem)}", outcome.output), outcome.output
