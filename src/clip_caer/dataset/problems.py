"""How the problems of a dataset are collected and told."""

from collections.abc import Callable, Sequence
from difflib import get_close_matches

Complain = Callable[[str], None]  # takes note of one problem of one place


class Problems(list[str]):
    """All problems found so far."""

    def at(self, place: str) -> Complain:
        """Takes note of problems of `place`, such as "clips.csv line 7"."""
        return lambda problem: self.append(f"{place}: {problem}")


def unknown(what: str, name: str, known: Sequence[str]) -> str:
    """The complaint about a name that is not among the known ones, with the nearest of them."""
    near = get_close_matches(name, known, n=1)
    return f"unknown {what} {name!r}; expected one of {', '.join(known)}" + (
        f"; did you mean {near[0]!r}?" if near else ""
    )
