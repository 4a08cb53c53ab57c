"""How coarse UAR is: the rarest class and what one of its clips weighs."""

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

A_POINT = 0.01


class Rarest(NamedTuple):
    """The class with the fewest clips, its clips and students, and by how much one of its clips moves UAR (0–1)."""

    label: str
    clips: int
    subjects: int
    step: float

    @property
    def coarse(self) -> bool:
        """Whether one clip moves UAR by more than a point."""
        return self.step > A_POINT


def rarest(predictions: pl.DataFrame, classes: Sequence[str]) -> Rarest:
    """The rarest class of a prediction table. A class without clips does not count: UAR leaves it out."""
    counts = {
        name: (of["clip_id"].n_unique(), of["subject"].n_unique())
        for name in classes
        if len(of := predictions.filter(label=name))
    }
    label, (clips, subjects) = min(counts.items(), key=lambda item: item[1])
    return Rarest(label, clips, subjects, 1 / (len(counts) * clips))
