"""Methods of the field, trained on the same splits by the same rules as our ablations.

To add one: a file named after it that gives its Comparator, and a line here. These files import no torch: the
configuration reads them. See docs/comparators.md.
"""

from clip_caer.comparators import caer_net, coop, dfer_clip, r3d_18
from clip_caer.comparators.comparator import Comparator

COMPARATORS: dict[str, Comparator] = {
    "coop": coop.COMPARATOR,
    "dfer_clip": dfer_clip.COMPARATOR,
    "caer_net": caer_net.COMPARATOR,
    "r3d_18": r3d_18.COMPARATOR,
}
