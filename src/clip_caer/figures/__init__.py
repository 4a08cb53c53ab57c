"""Pictures for the report and the paper, one a file. Same tables, same bytes."""

from clip_caer.figures.comparison import comparison_figure
from clip_caer.figures.confusion import confusion_figure, confusions_figure
from clip_caer.figures.pairs import pairs_figure
from clip_caer.figures.reliability import reliability_figure
from clip_caer.figures.strata import strata_figure
from clip_caer.figures.students import students_figure
from clip_caer.figures.style import save
from clip_caer.figures.training import training_figure

__all__ = [
    "comparison_figure",
    "confusion_figure",
    "confusions_figure",
    "pairs_figure",
    "reliability_figure",
    "save",
    "strata_figure",
    "students_figure",
    "training_figure",
]
