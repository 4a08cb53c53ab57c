"""CAER-Net (Lee, Kim, Kim, Park and Sohn, "Context-Aware Emotion Recognition Networks", ICCV 2019).

As published: a stream for the face and one for its context, weights of the streams inferred from both (adaptive
fusion), the weighted streams side by side, a classifier with cross-entropy. No text.
Deviations: a stream is a learned layer on frozen CLIP features and the mean over the frames, where the publication
trains convolutions on pixels and looks for salient places in the context; the classifier is one linear layer; a stream
that saw nothing in a clip (no face found) has no weight there; whether the face is hidden in the context is the
config's `views.context.blank_face`.
"""

from clip_caer.comparators.comparator import Comparator


def build(width, settings):
    from clip_caer.comparators.networks.caer_net import CaerNet

    return CaerNet(settings["views"], width, len(settings["classes"]))


COMPARATOR = Comparator(
    {
        "views": ["face", "context"],
        "train": {"regime": "frozen", "optimizer": "adamw", "lr": {"temporal": 1e-3, "fusion": 1e-3}},
    },
    build,
)
