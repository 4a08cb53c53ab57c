"""The pinned environments agree with each other and with what the scripts import."""

import ast
import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def pins_in(lines):
    """{package: version} of requirement lines that name an exact version."""
    found = (re.match(r"([\w.-]+)==([\w.]+)", line) for line in lines)
    return {canonical(match[1]): match[2] for match in found if match}


def project_requirements():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return project["project"]["dependencies"] + project["dependency-groups"]["dev"]


def environment_pins(path):
    pip = yaml.safe_load(path.read_text())["dependencies"][-1]["pip"]
    deploy = path.with_suffix(".post-deploy.sh")
    lines = pip + (deploy.read_text().split() if deploy.exists() else [])
    pins = pins_in(lines)
    assert set(map(canonical, (re.split("==", line)[0] for line in pip))) <= set(pins), "every package is pinned"
    return pins


def test_the_project_pins_what_the_constraints_pin():
    requirements = project_requirements()
    pins = pins_in(requirements)
    assert len(pins) == len(requirements)
    constraints = pins_in((ROOT / "envs/constraints.txt").read_text().splitlines())
    assert "torch" not in constraints  # pinned by the project; a machine may have its own build of it
    assert {name: version for name, version in pins.items() if constraints.get(name) != version} == {
        "torch": pins["torch"]
    }


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_an_environment_pins_what_the_project_pins(path):
    project = pins_in(project_requirements())
    pins = environment_pins(path)
    assert pins == {name: project[name] for name in pins}


def with_dependencies(names):
    """Distributions that come with `names`; what is not installed here does not count."""
    found, open_ends = set(), {canonical(name) for name in names}
    while open_ends:
        name = open_ends.pop()
        found.add(name)
        try:
            lines = [line for line in requires(name) or [] if "extra ==" not in line]
        except PackageNotFoundError:
            continue
        open_ends |= {canonical(re.match(r"[\w.-]+", line)[0]) for line in lines} - found
    return found


def imported_packages(script):
    """Top-level names that a script imports, through any module of ours, that are neither ours nor Python's."""
    found, seen, open_ends = set(), set(), [script]
    while open_ends:
        path = open_ends.pop()
        if path in seen:
            continue
        seen.add(path)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            else:
                continue
            for name in names:
                ours = [
                    file
                    for folder in (ROOT / "src", script.parent)
                    for file in (
                        folder / f"{name.replace('.', '/')}.py",
                        folder / name.replace(".", "/") / "__init__.py",
                    )
                    if file.is_file()
                ]
                open_ends += ours
                if not ours and name.split(".")[0] not in {"clip_caer", *sys.stdlib_module_names}:
                    found.add(name.split(".")[0])
    return found - {path.stem for path in seen}


def rules_with_script():
    for path in sorted((ROOT / "workflow/rules").glob("*.smk")):
        for rule in re.split(r"\nrule ", path.read_text())[1:]:
            environment, script = re.search(r"envs/(\w+\.yaml)", rule), re.search(r"scripts/(\w+\.py)", rule)
            if script:
                yield pytest.param(environment and environment[1], script[1], id=rule.split(":")[0])


@pytest.mark.parametrize(("environment", "script"), list(rules_with_script()))
def test_an_environment_has_what_its_rules_import(environment, script):
    assert environment, "the rule names no environment"
    available = with_dependencies(environment_pins(ROOT / "envs" / environment))
    distributions = packages_distributions()
    missing = {
        package
        for package in imported_packages(ROOT / "workflow/scripts" / script)
        if not available & {canonical(name) for name in distributions.get(package, [package])}
    }
    assert not missing


def test_tests_that_share_an_experiment_go_to_one_worker(request):
    if not hasattr(request.config, "workerinput"):
        pytest.skip("there is only one worker")
    assert request.node.nodeid.endswith("@test_environments")
