"""What an artifact depends on, as ten hex digits.

A fingerprint covers configuration, code, weights and data. Code is digested as a syntax tree, from a script down
through every function, class and constant of this package that it can reach: a comment, a docstring or a function that
the script does not use costs nothing, an edit anywhere else changes the digest.
"""

import ast
import functools
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_DEFINITION = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)


def fingerprint(*parts: Any) -> str:
    """Ten hex digits of sha256 over the canonical JSON of `parts` (dicts, lists, strings, numbers, None)."""
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:10]


def code_digest(script: str | Path, package: str | Path) -> str:
    """Fingerprint of all code of `package` that `script` can reach, and of the script itself.

    package: the folder of the top-level package, such as src/clip_caer.
    The walk is by name and does not run anything. It errs on the side of too much: a local variable that shares its
    name with a function of the module counts as a use of it; a class counts as a whole.
    """
    package = Path(package)
    main = _Module.read(Path(script), package)
    pieces = {f"{main.path.name}:": main.everything()}
    open_ends = [use for node in main.tree.body for use in main.uses(node)]
    while open_ends:
        module, name = open_ends.pop()
        for key, node in module.definition(name):
            if key not in pieces:
                pieces[key] = _text(node)
                open_ends += module.uses(node)
    return fingerprint(sorted(pieces.items()))


class _Module:
    """One source file: what its top-level names are bound to, and which names of ours a piece of it uses."""

    def __init__(self, path: Path, package: Path):
        self.path, self.package = path, package
        self.tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
        _drop_docstrings(self.tree)
        self.bound: dict[str, list[ast.stmt]] = {}
        self.loose: list[ast.stmt] = []  # statements that run on import and bind nothing by name
        for node in self.tree.body:
            if isinstance(node, _DEFINITION):
                for name in _names_bound(node):
                    self.bound.setdefault(name, []).append(node)
            elif not isinstance(node, ast.Import | ast.ImportFrom):
                self.loose.append(node)

    @functools.cached_property
    def imported(self) -> dict[str, tuple["_Module", str | None]]:
        """Local name → (module of ours, the name in it, or None where the local name is the module itself)."""
        imports = [node for node in self.tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        return {local: target for node in imports for local, target in self._imports(node)}

    @classmethod
    @functools.cache
    def read(cls, path: Path, package: Path) -> "_Module":
        return cls(path, package)

    def everything(self) -> str:
        return "\n".join(_text(node) for node in self.tree.body)

    def definition(self, name: str | None) -> Iterator[tuple[str, ast.stmt]]:
        """The statements that define `name` here, or run on import; all of the module where `name` is None."""
        for number, node in enumerate(self.loose):
            yield f"{self._key}:<{number}>", node
        for bound in self.bound if name is None else [name]:
            for number, node in enumerate(self.bound.get(bound, [])):
                yield f"{self._key}:{bound}:{number}", node

    @functools.cache  # noqa: B019 (modules are kept; scripts share most of what they reach)
    def uses(self, node: ast.AST) -> list[tuple["_Module", str | None]]:
        """(module, name) of everything of ours that `node` mentions, imports inside it included."""
        return list(self._uses(node))

    def _uses(self, node: ast.AST) -> Iterator[tuple["_Module", str | None]]:
        imported, parts = dict(self.imported), list(ast.walk(node))
        attributes = {id(inner.value) for inner in parts if isinstance(inner, ast.Attribute)}
        for inner in parts:
            if isinstance(inner, ast.Import | ast.ImportFrom):
                imported |= dict(self._imports(inner))
        yield from ((module, "") for module, _ in imported.values())  # what an import runs, even if nothing is used
        for inner in parts:
            if isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name):
                module, name = imported.get(inner.value.id, (None, None))
                if module and name is None:
                    yield from module._resolve(inner.attr)
            if isinstance(inner, ast.Name) and inner.id in imported:
                module, name = imported[inner.id]
                if name is not None:
                    yield from module._resolve(name)
                elif id(inner) not in attributes:  # a module as a value: it may be asked for anything
                    yield module, None
            elif isinstance(inner, ast.Name) and inner.id in self.bound:
                yield self, inner.id

    def _resolve(self, name: str) -> Iterator[tuple["_Module", str | None]]:
        """Follow a name through re-exports to the module that defines it."""
        if name in self.imported and name not in self.bound:
            module, original = self.imported[name]
            yield from module._resolve(original) if original else [(module, None)]
        yield self, name

    def _imports(self, node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, tuple["_Module", str | None]]]:
        if isinstance(node, ast.ImportFrom) and node.level:
            raise ValueError(f"{self.path}: `{ast.unparse(node)}` is not followed; name the whole module.")
        for alias in node.names:
            if isinstance(node, ast.Import):
                if "." in alias.name and not alias.asname and self._find(alias.name):
                    raise ValueError(f"{self.path}: `{ast.unparse(node)}` is not followed; write it with `as`.")
                module, local = self._find(alias.name), alias.asname or alias.name
                if module:
                    yield local, (module, None)
            elif module := self._find(f"{node.module}.{alias.name}"):
                yield alias.asname or alias.name, (module, None)
            elif module := self._find(node.module or ""):
                yield alias.asname or alias.name, (module, alias.name)

    def _find(self, dotted: str) -> "_Module | None":
        top, *rest = dotted.split(".")
        if top != self.package.name:
            return None
        path = self.package.joinpath(*rest)
        for candidate in (path.with_suffix(".py"), path / "__init__.py"):
            if candidate.is_file() and candidate != self.path:
                return _Module.read(candidate, self.package)
        return None

    @property
    def _key(self) -> str:
        return self.path.relative_to(self.package).as_posix() if self.path.is_relative_to(self.package) else ""


def _names_bound(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    return [part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)]


def _drop_docstrings(tree: ast.Module) -> None:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_docstring(body[0]):
            body[:1] = [] if len(body) > 1 or node is tree else [ast.Pass()]


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


@functools.cache
def _text(node: ast.AST) -> str:
    """Source of `node` in one canonical layout, without comments."""
    return ast.unparse(node)
