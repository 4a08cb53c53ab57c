"""What the tests of faults share."""

import os

import hypothesis
import pytest
from soak import small_experiment

from experiments import Experiment

# The same examples every time; HYPOTHESIS_EXAMPLES=5000 looks farther, and elsewhere each time.
more = os.environ.get("HYPOTHESIS_EXAMPLES")
hypothesis.settings.register_profile(
    "faults",
    max_examples=int(more or 150),
    derandomize=not more,
    deadline=None,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
hypothesis.settings.load_profile("faults")


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory, model, weights) -> Experiment:
    """A small experiment that has run to its end. Its folder is for looking and for dry runs."""
    experiment = small_experiment(tmp_path_factory.mktemp("undisturbed"), model, weights)
    experiment.run()
    return experiment


@pytest.fixture
def small(undisturbed, tmp_path) -> Experiment:
    """A copy of the finished small experiment, to disturb."""
    return undisturbed.copy(tmp_path / "small")
