"""A code digest follows what a script can reach, and nothing else."""

from pathlib import Path

import pytest

from clip_caer import fingerprints
from clip_caer.fingerprints import code_digest, fingerprint

FILES = {
    "pkg/__init__.py": "",
    "pkg/a.py": '''
"""Module."""
from pkg import effects
from pkg.b import deep
LIMIT = 3

def used(x):
    """What it does."""
    # why
    return deep(x) + LIMIT

def unused(x):
    return x
''',
    "pkg/b.py": """
from pkg import c

class Thing:
    def method(self):
        return c.helper()

def deep(x):
    from pkg.d import lazy
    return lazy(Thing().method())

def other():
    return 1
""",
    "pkg/c.py": "def helper():\n    return 1\n\ndef stranger():\n    return 2\n",
    "pkg/d.py": "def lazy(x):\n    return x\n",
    "pkg/effects.py": "import sys\n\ndef fix():\n    return 1\n\nif fix():\n    sys.x = 1\n",
    "script.py": '"""Script."""\nfrom pkg.a import used\n\nprint(used(1))\n',
}


@pytest.fixture
def digest(tmp_path):
    """A function that edits one file of the little package and gives the digest."""

    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def measure(name=None, old="", new=""):
        for file, text in FILES.items():
            write(file, text)
        if name:
            assert old in FILES[name]
            write(name, FILES[name].replace(old, new))
        fingerprints._Module.read.cache_clear()
        return code_digest(tmp_path / "script.py", tmp_path / "pkg")

    return measure


@pytest.mark.parametrize(
    "edit",
    [
        ("pkg/a.py", "LIMIT = 3", "LIMIT = 4"),
        ("pkg/a.py", "deep(x) +", "deep(x) -"),
        ("pkg/b.py", "c.helper()", "c.helper() + 1"),
        ("pkg/c.py", "return 1", "return 7"),
        ("pkg/d.py", "return x", "return -x"),
        ("pkg/effects.py", "return 1", "return 0"),
        ("script.py", "used(1)", "used(2)"),
    ],
)
def test_an_edit_of_what_is_reached_changes_the_digest(digest, edit):
    assert digest(*edit) != digest()


def test_a_module_that_is_handed_on_counts_as_a_whole(tmp_path):
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg/__init__.py").write_text("")
    (tmp_path / "s.py").write_text("from pkg import a\nhelpers = a\nprint(helpers.f())\n")
    found = set()
    for number in (1, 2):
        (tmp_path / "pkg/a.py").write_text(f"def f():\n    return {number}\n")
        fingerprints._Module.read.cache_clear()
        found.add(code_digest(tmp_path / "s.py", tmp_path / "pkg"))
    assert len(found) == 2


@pytest.mark.parametrize("line", ["import pkg.a", "from . import a", "from .a import f"])
def test_imports_that_are_not_followed_are_refused(tmp_path, line):
    (tmp_path / "pkg").mkdir()
    for name, text in {
        "__init__": "",
        "a": "def f():\n    return 1\n",
        "b": f"{line}\ndef g():\n    return 2\n",
    }.items():
        (tmp_path / f"pkg/{name}.py").write_text(text)
    (tmp_path / "s.py").write_text("from pkg.b import g\ng()\n")
    with pytest.raises(ValueError, match="is not followed"):
        code_digest(tmp_path / "s.py", tmp_path / "pkg")


@pytest.mark.parametrize(
    "edit",
    [
        ("pkg/a.py", "# why", "# because"),
        ("pkg/a.py", "What it does.", "What it really does."),
        ("pkg/a.py", "def unused(x):\n    return x", "def unused(x):\n    return -x"),
        ("pkg/b.py", "return 1", "return 2"),
        ("pkg/c.py", "return 2", "return 3"),
        ("script.py", "Script.", "The script."),
    ],
)
def test_comments_docstrings_and_strangers_cost_nothing(digest, edit):
    assert digest(*edit) == digest()


def test_modules_that_import_each_other(tmp_path):
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg/__init__.py").write_text("")
    (tmp_path / "pkg/a.py").write_text("from pkg import b\ndef f():\n    return b.g()\n")
    (tmp_path / "pkg/b.py").write_text("from pkg import a\ndef g():\n    return a.f\n")
    (tmp_path / "s.py").write_text("from pkg.a import f\nf()\n")
    assert len(code_digest(tmp_path / "s.py", tmp_path / "pkg")) == 10


def test_every_script_of_the_workflow_has_a_digest_of_its_own():
    root = Path(__file__).parents[2]
    scripts = sorted(set((root / "workflow/scripts").glob("*.py")))
    digests = {code_digest(script, root / "src/clip_caer") for script in scripts}
    assert len(digests) == len(scripts) > 5


def test_a_fingerprint_depends_on_values_not_on_order_of_keys():
    assert fingerprint({"a": 1, "b": [2, None]}) == fingerprint({"b": [2, None], "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
