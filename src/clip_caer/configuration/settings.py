"""The configuration: checked against its schema, completed with the schema's defaults, and merged for an ablation."""

import copy
import difflib
import math
import reprlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError

from clip_caer.comparators import COMPARATORS
from clip_caer.configuration.places import Places
from clip_caer.errors import UserError, reject

OVERRIDES = ("encoder", "text", "prompts", "temporal", "fusion", "adapter", "train")  # what an ablation may change


def complete(config: Mapping, schema_path: str | Path, places: Places | None = None) -> dict:
    """A copy of `config` with every default filled in.

    places: where its keys stand (see `read_places`), for messages.
    Raises UserError that lists every problem with its place and key, what was expected, and the nearest known key.
    """
    schema = yaml.safe_load(Path(schema_path).read_text(encoding="utf-8"))
    filled = _fill(copy.deepcopy(dict(config)), schema, schema)
    reject(_problems(filled, schema, places or {}), "The configuration is wrong")
    for name, model in models(filled).items():
        merged = filled | model_settings(filled, name)
        reject(
            _problems(merged, schema, {}), f"The configuration is wrong: {model['kind']}s.{name} with what it changes"
        )
    reject(list(_odd_ablations(filled["ablations"])), "The configuration is wrong")
    _check_dataset(filled["dataset"])
    return filled


def models(config: Mapping) -> dict[str, dict[str, Any]]:
    """Everything that is trained, by name, each with its `kind`: the ablations, the comparators, and the control
    `shuffled_labels`, which is the ablation of the most views, trained on labels that mean nothing.

    Raises UserError if a comparator or control has the name of an ablation.
    """
    ablations = {name: {"kind": "ablation", **ablation} for name, ablation in config["ablations"].items()}
    learning = [ablation for ablation in ablations.values() if "checkpoint" not in ablation]
    widest = max(learning or ablations.values(), key=lambda ablation: len(ablation["views"]))
    others = {
        name: {"kind": "comparator", "views": widest["views"], **COMPARATORS[name].changes}
        for name in config["comparators"]
    }
    if "shuffled_labels" in config["controls"] and learning:
        others["shuffled_labels"] = merge(widest, {"kind": "control", "train": {"labels": "shuffled"}})
    reject(
        [
            f"ablations.{name}: the name is taken by a comparator or control; choose another"
            for name in ablations
            if name in others or name in config["controls"]
        ],
        "The configuration is wrong",
    )
    return ablations | others


def model_settings(config: Mapping, name: str) -> dict[str, Any]:
    """What a model may change of the config, as this model has it."""
    changes = {key: value for key, value in models(config)[name].items() if key in OVERRIDES}
    return merge({key: config[key] for key in OVERRIDES}, changes)


def merge(base: Mapping, change: Mapping) -> dict:
    """`base` with `change` laid over it, mappings within mappings too."""
    merged = dict(base)
    for key, value in change.items():
        both = isinstance(value, Mapping) and isinstance(base.get(key), Mapping)
        merged[key] = merge(base[key], value) if both else value
    return merged


def _fill(value: Any, schema: Mapping, root: Mapping) -> Any:
    """Put the defaults of `schema` into the mapping `value`, in place; its keys get the schema's order, so that two
    configs that say the same are the same for snakemake.
    """
    if "$ref" in schema:
        return _fill(value, root["$defs"][schema["$ref"].rsplit("/", 1)[1]], root)
    if isinstance(value, dict):
        for key, part in schema.get("properties", {}).items():
            target = root["$defs"][part["$ref"].rsplit("/", 1)[1]] if "$ref" in part else part
            if key not in value and "default" in target:
                value[key] = copy.deepcopy(target["default"])
            if key in value:
                value[key] = _fill(value.pop(key), part, root)
    return value


def _is_integer(_, value: Any) -> bool:
    """JSON Schema takes 3.0 for an integer, and any number of digits; `range` and torch do not."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _is_number(_, value: Any) -> bool:
    return _is_integer(_, value) or (isinstance(value, float) and math.isfinite(value))


_TYPES = Draft202012Validator.TYPE_CHECKER.redefine_many({"integer": _is_integer, "number": _is_number})
_Validator = validators.extend(Draft202012Validator, type_checker=_TYPES)


def _problems(config: Mapping, schema: Mapping, places: Places) -> list[str]:
    errors = _Validator(schema).iter_errors(config)
    return [_explain(error, places) for error in sorted(errors, key=lambda error: list(map(str, error.path)))]


def _explain(error: ValidationError, places: Places) -> str:
    path = tuple(map(str, error.path))
    where = ".".join(path) or "the top level"
    if error.validator == "additionalProperties" and error.schema.get("additionalProperties") is False:
        known = list(error.schema.get("properties", {}))
        unknown = sorted(map(str, set(error.instance) - set(known)))
        hints = [f"did you mean {near[0]!r}?" for key in unknown if (near := difflib.get_close_matches(key, known))]
        path = (*path, unknown[0])
        told = f"unknown key {', '.join(map(repr, unknown))}; {' '.join(hints) or 'known: ' + ', '.join(known)}"
    elif error.validator == "enum":
        told = f"{_shown(error.instance)}; expected one of {', '.join(map(str, error.validator_value))}"
    elif error.validator == "type":
        types = error.validator_value
        told = f"{_shown(error.instance)}; expected {types if isinstance(types, str) else ' or '.join(types)}"
    elif error.validator == "required":
        told = f"{error.message.removesuffix(' is a required property')} is missing"
    elif error.validator in ("anyOf", "pattern"):
        told = f"{_shown(error.instance)} does not fit. {error.schema.get('description', '')}".strip()
    else:
        told = f"{error.message[:300]}. {error.schema.get('description', '')}".strip()
    place = next((places[path[:end]] for end in range(len(path), 0, -1) if path[:end] in places), None)
    return f"{place}: {where}: {told}" if place else f"{where}: {told}"


def _shown(value: Any) -> str:
    """A wrong value, and what YAML may have made of what was meant."""
    if isinstance(value, bool):
        return f"{value} (off, on, no and yes are false and true to YAML, unless in quotes)"
    with suppress(ValueError, TypeError):
        if isinstance(value, str) and math.isfinite(float(value)):
            return f"the text {value!r} (a number has no quotes, and a point before its exponent: 1.0e-3)"
    return reprlib.repr(value)


def _odd_ablations(ablations: Mapping) -> Iterator[str]:
    """What a schema cannot tell of them."""
    for name, ablation in ablations.items():
        if "checkpoint" in ablation and sorted(ablation["views"]) != ["context", "face"]:
            yield f"ablations.{name}.views: a checkpoint of the original sees both; expected [face, context]"
        if "batch" in ablation.get("encoder", {}):
            yield f"ablations.{name}.encoder.batch: it changes no feature; set encoder.batch, for all"


def _check_dataset(dataset: Mapping) -> None:
    known = list(dataset["label_sets"])
    if dataset["labels"] not in known:
        raise UserError(f"dataset.labels: {dataset['labels']!r} is no label set; expected one of {', '.join(known)}.")
    if dataset["reader"] != "demo" and not dataset["path"]:
        raise UserError(f"dataset.path: the reader {dataset['reader']!r} needs the path of the data.")
