"""A contact sheet of explained clips, written to a file."""

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from clip_caer.errors import reject
from clip_caer.explaining.clips import Case
from clip_caer.explaining.explain import Explanation, explain
from clip_caer.explaining.sheet import contact_sheet
from clip_caer.files import atomic
from clip_caer.pictures.video import Damaged
from clip_caer.showing.anonymise import load_hider
from clip_caer.trained.model import Trained

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".pdf")  # of a sheet; others cannot hold one that is long


def write_gallery(cases: Sequence[Case], trained: Trained, path: Path, anonymise: bool = False) -> None:
    """Explain clips, at least one, and write their contact sheet. anonymise: blur every face.

    Raises UserError that lists the clips that are damaged.
    """
    explanations, damaged = explain_sound(cases, trained, anonymise)
    reject(damaged, "Some clips cannot be explained")
    write_sheet(explanations, trained, path)


def explain_sound(
    cases: Sequence[Case], trained: Trained, anonymise: bool = False
) -> tuple[list[Explanation], list[str]]:
    """The clips that are sound, explained; and of each one that is not, which it is and why."""
    detector, hider = trained.load_detector(), load_hider(trained) if anonymise else None
    explanations, damaged = [], []
    for case in tqdm(cases, desc="explain", unit="clip"):
        try:
            explanations.append(explain(case, trained, detector, hider))
        except Damaged as damage:
            damaged.append(f"{case.path} is damaged: {damage}")
    return explanations, damaged


def write_sheet(explanations: Sequence[Explanation], trained: Trained, path: Path) -> None:
    """Write the contact sheet of explained clips, at least one, atomically; path: with one of SUFFIXES."""
    with atomic(path) as temporary:
        contact_sheet(explanations, trained.about["name"]).save(temporary)
