"""What the drawn students look like."""

from typing import NamedTuple

import numpy as np

from clip_caer.demo.pen import Colour, mix, shade

_SKINS = [(247, 215, 188), (238, 198, 164), (224, 178, 140), (198, 146, 106), (158, 108, 76), (120, 80, 56)]
_DARK_HAIRS = [(34, 28, 28), (44, 40, 52), (58, 38, 28)]
_HAIRS = [*_DARK_HAIRS, (96, 62, 38), (140, 92, 50), (196, 154, 92), (128, 56, 36)]
_RIMS = [(40, 40, 46), (120, 60, 50), (70, 84, 110)]
_IRISES = [(70, 46, 30), (48, 34, 26), (76, 100, 74), (70, 100, 134)]
_CLOTHES = [(186, 70, 66), (62, 98, 150), (78, 130, 96), (226, 184, 92), (120, 90, 140), (72, 76, 88), (222, 218, 208)]


class Look(NamedTuple):
    """A student. `size` is half the width of the face in pixels, the unit of the other lengths."""

    size: float
    chin: float  # from the middle of the face
    jaw: float  # half its width
    skin: Colour
    hair: Colour
    cut: str  # short | bob | long | bun | curly
    fringe: str  # parted | bangs | swept
    mirrored: bool  # the parting
    glasses: Colour | None
    iris: Colour
    brow: float  # how thick
    clothes: Colour
    garment: str  # tee | hoodie | shirt | stripes


def new_look(rng: np.random.Generator) -> Look:
    """A student, drawn by lot."""
    tone = rng.uniform(0, len(_SKINS) - 1.001)
    hairs = _HAIRS if tone < 3 else _DARK_HAIRS
    return Look(
        size=rng.uniform(29.5, 34.5),
        chin=rng.uniform(1.28, 1.44),
        jaw=rng.uniform(0.62, 0.86),
        skin=mix(_SKINS[int(tone)], _SKINS[int(tone) + 1], tone % 1),
        hair=mix(hairs[rng.integers(len(hairs))], hairs[rng.integers(len(hairs))], 0.25),
        cut=str(rng.choice(["short", "bob", "long", "bun", "curly"])),
        fringe=str(rng.choice(["bangs", "parted", "swept"])),
        mirrored=bool(rng.random() < 0.5),
        glasses=_RIMS[rng.integers(len(_RIMS))] if rng.random() < 0.3 else None,
        iris=_IRISES[rng.integers(len(_IRISES))],
        brow=rng.uniform(0.1, 0.15),
        clothes=shade(_CLOTHES[rng.integers(len(_CLOTHES))], rng.uniform(0.85, 1.1)),
        garment=str(rng.choice(["tee", "hoodie", "shirt", "stripes"])),
    )
