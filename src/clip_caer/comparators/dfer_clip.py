"""DFER-CLIP (Zhao and Patras, "Prompting Visual-Language Models for Dynamic Facial Expression Recognition", BMVC 2023).

As published: the face alone, a transformer layer over its frames that ends in a class token, a description of the face
for each class behind 8 context tokens of its own.
Deviations: the image encoder is frozen, where the publication fine-tunes it; the descriptions are those of the config's
`text.file`, kind `face`; optimiser, epochs and learning rates are the config's.
"""

from clip_caer.comparators.comparator import Comparator

COMPARATOR = Comparator(
    {
        "views": ["face"],
        "text": {"kind": "face"},
        "prompts": {"n_ctx": 8, "class_specific": True, "position": "end"},
        "temporal": {"layers": 1},
        "adapter": 0,
        "train": {"regime": "frozen"},
    }
)
