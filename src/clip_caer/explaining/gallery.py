"""A contact sheet of explained clips, written to a file."""

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from clip_caer.explaining.clips import Case
from clip_caer.explaining.explain import explain
from clip_caer.explaining.sheet import contact_sheet
from clip_caer.files import atomic
from clip_caer.showing.anonymise import load_hider
from clip_caer.trained.model import Trained


def write_gallery(cases: Sequence[Case], trained: Trained, path: Path, anonymise: bool = False) -> None:
    """Explain clips, at least one, and write their contact sheet. anonymise: blur every face. Raises Damaged."""
    detector, hider = trained.load_detector(), load_hider(trained) if anonymise else None
    explanations = [explain(case, trained, detector, hider) for case in tqdm(cases, desc="explain", unit="clip")]
    with atomic(path) as temporary:
        contact_sheet(explanations, trained.about["name"]).save(temporary)
