"""Controls: predictions that need no training of ours, and the labels of the one that does.

Every control is a function of
- clips: the rows of the index that have a role in one split, with that role;
- classes: the labels, in the order of the probabilities;
- features: of each view, float [clips, D], a clip's mean features (see `mean_features`), in the order of `clips`;
- texts: float [K, D], the class texts' features without context tokens (see `text_features`).

It gives the predictions of val and test in the format of a run. `majority`, `student_id` and `setting_id` look at no
features and choose nothing, so they learn from all clips that are not test; `linear_probe` learns from train. The
control `shuffled_labels` is trained as an ablation, on labels that are dealt anew (see `clip_caer.learning.clips`).
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, normalize

from clip_caer.caching.features import FeatureTable
from clip_caer.learning.model import SCALE
from clip_caer.learning.prompts import PromptLearner
from clip_caer.protocol.evaluation import confusion_of, prediction_table, uar

Control = Callable[[pl.DataFrame, Sequence[str], Mapping[str, np.ndarray], np.ndarray | None], pl.DataFrame]

STRENGTHS = tuple(10.0**power for power in range(-5, 1))  # of the linear probe; the smallest regularises most
NEVER = 1e-12  # stands for the probability 0, which has no logarithm
TIE = 1e-9  # of a class's share, so that of equal ratios the more frequent class is the largest


def majority(clips, classes, features, texts) -> pl.DataFrame:
    """The class shares of what is not test, for every clip: the most frequent class is predicted."""
    return _known_by(pl.Series([None] * len(clips), dtype=pl.String), clips, classes)


def student_id(clips, classes, features, texts) -> pl.DataFrame:
    """argmax of P(class | student) / P(class): what the student's id alone tells.

    The probabilities are these ratios, normalised: those of a dataset with equally frequent classes. Of a student who
    stands in test alone nothing is known: as `majority`. So is it for every clip where no student stands in two roles.
    """
    return _known_by(clips["subject"], clips, classes)


def setting_id(clips, classes, features, texts) -> pl.DataFrame:
    """As `student_id`, of the setting. A clip without one: as `majority`."""
    return _known_by(clips["setting"], clips, classes)


def zero_shot(clips, classes, features, texts) -> pl.DataFrame:
    """CLIP as it is: cosine × 100 between the sum of the views' unit vectors and each class text."""
    video = normalize(sum(map(normalize, features.values())))
    return _predictions(clips, SCALE * video @ normalize(texts).T, classes)


def linear_probe(clips, classes, features, texts) -> pl.DataFrame:
    """Logistic regression on the standardised mean features of all views; its strength has the best UAR on val.

    Of equally good strengths it is the one that regularises most. Test clips have no say in it.
    """
    x, train = np.hstack(list(features.values())).astype(float), (clips["role"] == "train").to_numpy()
    probes = []
    for strength in STRENGTHS:
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=5000))
        probe.fit(x[train], clips["label"].to_numpy()[train])
        probability = np.zeros((len(clips), len(classes)))
        probability[:, [classes.index(name) for name in probe.classes_]] = probe.predict_proba(x)
        probes.append(_predictions(clips, np.log(np.maximum(probability, NEVER)), classes))
    return max(probes, key=lambda predictions: uar(confusion_of(predictions.filter(role="val"), classes)))


CONTROLS: dict[str, Control] = {
    "majority": majority,
    "student_id": student_id,
    "setting_id": setting_id,
    "zero_shot": zero_shot,
    "linear_probe": linear_probe,
}


def mean_features(table: FeatureTable) -> np.ndarray:
    """Mean over a clip's found frames, unflipped, float32 [clips, D]; zeros where none is found."""
    means = np.zeros((len(table.clip_ids), table.features.shape[-1]), np.float32)
    for clip, (start, length) in enumerate(zip(table.start.tolist(), table.length.tolist(), strict=True)):
        rows = slice(start, start + length)
        found = table.found[rows]
        if found.any():
            means[clip] = table.features[rows, 0][found].float().mean(0).numpy()
    return means


@torch.inference_mode()
def text_features(clip: torch.nn.Module, tokenizer, texts: Sequence[str]) -> np.ndarray:
    """Features of the class texts alone, L2-normalised, float32 [K, D]. Raises UserError for too long a text."""
    return PromptLearner(clip, tokenizer, texts, n_ctx=0, class_specific=False, position="end")().numpy()


def _known_by(group: pl.Series, clips: pl.DataFrame, classes: Sequence[str]) -> pl.DataFrame:
    """Predictions from the group that each clip belongs to; of equal ratios the more frequent class is predicted."""
    known = (clips["role"] != "test").to_numpy()
    label = clips["label"].replace_strict(list(classes), range(len(classes)), return_dtype=pl.Int64).to_numpy()

    def shares(chosen: np.ndarray) -> np.ndarray:
        return np.bincount(label[chosen], minlength=len(classes)) / chosen.sum()

    prior = shares(known)
    of_group = {None: prior}
    for name in group.filter(known).drop_nulls().unique():
        ratio = shares(known & (group == name).fill_null(False).to_numpy()) / np.where(prior, prior, 1)
        of_group[name] = ratio + TIE * prior
    return _predictions(clips, np.log([np.maximum(of_group.get(name, prior), NEVER) for name in group]), classes)


def _predictions(clips: pl.DataFrame, logits: np.ndarray, classes: Sequence[str]) -> pl.DataFrame:
    """The prediction table of val and test."""
    shown = clips["role"] != "train"
    return prediction_table(clips.filter(shown), logits[shown.to_numpy()], classes)
