"""The benchmarks run, and what they write can be read and compared."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """What the quick benchmarks of three stages write; the others need the network, or longer."""
    folder = tmp_path_factory.mktemp("benchmarks")
    command = [sys.executable, "benchmarks/run.py", "extraction", "features", "training", "--quick", "--to", folder]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return sorted(folder.iterdir())


def test_each_stage_has_a_file_named_after_the_machine_and_the_versions(written):
    assert [path.name.split("-")[0] for path in written] == ["extraction", "features", "training"]
    for path in written:
        conditions = json.loads(path.read_text())["conditions"]
        assert path.name.isascii() and " " not in path.name
        assert conditions["device"].split()[0] in path.name
        assert any(version in path.name for version in conditions["versions"].values())


def test_a_stage_stands_beside_its_limit_with_all_conditions(written):
    for path in written:
        file = json.loads(path.read_text())
        assert {"cpu", "cores", "load_average_before", "load_average_after", "torch_threads", "quick"} < set(
            file["conditions"]
        )
        assert file["conditions"]["quick"] and file["measured"]
        for one in file["measured"]:
            fastest, slowest = one["ratio_spread"]
            assert 0 < fastest <= one["ratio"] <= slowest
            assert one["repeats"] > 1 and one["limit"]["seconds"] > 0 and one["stage"]["seconds"] > 0


def test_an_unknown_stage_is_refused(tmp_path):
    done = subprocess.run([sys.executable, "benchmarks/run.py", "flying"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "there is no stage flying" in done.stderr
