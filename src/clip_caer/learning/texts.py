"""The fixed texts that describe the classes."""

from collections.abc import Sequence
from pathlib import Path

import yaml

from clip_caer.errors import UserError, reject


def class_texts(classes: Sequence[str], kind: str, path: str | Path | None) -> list[str]:
    """One text a class, from a YAML file {class: {kind: text}}; without a file, only the kind `names` exists.

    The four kinds follow the paper's ablation (section 4): the name; the name in a setting; a description of the face;
    a description of face and context. Raises UserError that lists every class or text that is missing.
    """
    if path is None:
        if kind != "names":
            raise UserError(
                f"text.kind: {kind!r} needs a text for each class. Give text.file, or use text.kind: names."
            )
        return list(classes)
    try:
        texts = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"text.file: cannot read {path}: {error}") from error
    if not isinstance(texts, dict):
        raise UserError(f"{path}: expected a mapping {{class: {{kind: text}}}}.")
    reject(
        [
            f"class {name!r} has no text of kind {kind!r}"
            for name in classes
            if not isinstance(texts.get(name), dict) or not isinstance(texts[name].get(kind), str)
        ],
        f"{path}: expected, for each class, a text of kind {kind!r}",
    )
    return [texts[name][kind] for name in classes]
