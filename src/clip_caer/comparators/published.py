"""Published results on RAER: quoted, measured by others, on other splits than ours (Zhao et al., ICCV 2025).

To be shown in a column of their own, marked as quoted, and on RAER only.
"""

from collections.abc import Iterable
from typing import NamedTuple


class Quoted(NamedTuple):
    """uar: in 0–1. model: the comparator here, or clip_caer; None where the method is not built here."""

    uar: float
    model: str | None


PUBLISHED = {
    "3D ResNet-18": Quoted(0.4398, "r3d_18"),
    "I3D": Quoted(0.4463, None),
    "CAER-Net": Quoted(0.4592, "caer_net"),
    "M3DFEL": Quoted(0.5082, None),
    "Former-DFER": Quoted(0.5126, None),
    "CLIPER": Quoted(0.5318, None),
    "DFER-CLIP": Quoted(0.6119, "dfer_clip"),
    "CLIP-CAER": Quoted(0.6800, "clip_caer"),
}


def published_of(models: Iterable[str]) -> dict[str, float]:
    """Model → published UAR in 0–1, of those that are built here."""
    of_model = {quoted.model: quoted.uar for quoted in PUBLISHED.values() if quoted.model}
    return {model: of_model[model] for model in models if model in of_model}
