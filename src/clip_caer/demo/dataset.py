"""The demo dataset: videos of drawn students, a sheet, and the best UAR that each view can reach."""

from typing import NamedTuple


class Plan(NamedTuple):
    """What a class shows: the expressions in their order in time, and the object."""

    expressions: tuple[str, ...]
    thing: str


# Enjoyment differs from neutrality only in the face, distraction only in the object; fatigue and confusion only in time.
CLASSES = {
    "neutrality": Plan(("neutral",), "book"),
    "enjoyment": Plan(("smile",), "book"),
    "confusion": Plan(("sleepy", "frown"), "laptop"),
    "fatigue": Plan(("frown", "sleepy"), "laptop"),
    "distraction": Plan(("neutral",), "phone"),
}
