"""3D ResNet-18 (Tran et al., "A Closer Look at Spatiotemporal Convolutions for Action Recognition", CVPR 2018).

As published: torchvision's r3d_18 with its batch norms, on pictures of 112 × 112, trained from random weights.
Deviations: a network for each view, their outputs side by side before the classifier; frames without a face are blank.
It needs a GPU. `train.encoder_blocks`, `lora_rank` and `grad_checkpointing` do not apply; with `train.accumulate` the
batch statistics are those of a part.
"""

from clip_caer.comparators.comparator import Comparator


def build(width, settings):
    from clip_caer.comparators.networks.r3d_18 import R3D18

    return R3D18(settings["views"], len(settings["classes"]))


COMPARATOR = Comparator(
    {"train": {"regime": "finetuned", "optimizer": "adamw", "lr": {"encoder": 3e-4, "fusion": 3e-4}}},
    build,
)
