"""CoOp (Zhou, Yang, Loy and Liu, "Learning to Prompt for Vision-Language Models", IJCV 2022): only the prompt learns.

As published: 16 context tokens, one set for all classes, before the class name; both towers of CLIP frozen.
Deviations: a clip is the mean of its frames' features, and the sum of its views' unit vectors, as CoOp is for single
pictures; optimiser, epochs and learning rate are the config's.
"""

from clip_caer.comparators.comparator import Comparator

COMPARATOR = Comparator(
    {
        "text": {"kind": "names"},
        "prompts": {"n_ctx": 16, "class_specific": False, "position": "end"},
        "temporal": {"layers": 0},
        "fusion": "sum",
        "adapter": 0,
        "train": {"regime": "frozen"},
    }
)
