"""A config file as it is written: the line of every key, and what a YAML reader lets pass."""

from collections.abc import Iterator
from pathlib import Path

import yaml

from clip_caer.errors import UserError, reject

Places = dict[tuple[str, ...], str]  # path of a key, such as ("train", "epochs") → "my.yaml line 7"


def read_places(path: str | Path) -> Places:
    """Where each key of a config file stands.

    Raises UserError that names the line if it is no YAML, and for every key that stands there twice: of such a pair a
    YAML reader takes the second, and says nothing.
    """
    path = Path(path)
    try:
        tree = yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise UserError(f"The config file {path} cannot be read: {error}") from error
    places: Places = {}
    problems = []
    for key, line in _keys(tree, (), ()):
        if key in places and not key[-1].isdecimal():
            problems.append(f"{path.name} line {line}: {'.'.join(key)} is set already, in {places[key]}; leave one out")
        places[key] = f"{path.name} line {line}"
    reject(problems, f"The config file {path} is wrong")
    return places


def _keys(node: yaml.Node | None, above: tuple[str, ...], around: tuple[int, ...]) -> Iterator[tuple[tuple, int]]:
    """Path and line of every key and item below a node. around: the nodes it stands in, which an alias may name."""
    if id(node) in around:
        return
    if isinstance(node, yaml.MappingNode):
        items = [(str(key.value), key, value) for key, value in node.value if key.tag != "tag:yaml.org,2002:merge"]
    elif isinstance(node, yaml.SequenceNode):
        items = [(str(number), value, value) for number, value in enumerate(node.value)]
    else:
        return
    for name, mark, value in items:
        yield (*above, name), mark.start_mark.line + 1
        yield from _keys(value, (*above, name), (*around, id(node)))
