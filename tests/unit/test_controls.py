"""Controls: each is what its definition says, and never looks at the test labels."""

import numpy as np
import polars as pl
import pytest
import torch

from clip_caer.caching.features import FeatureTable
from clip_caer.encoder import load_clip, load_tokenizer
from clip_caer.learning import controls
from clip_caer.learning.clips import FeatureClips, shuffled
from clip_caer.learning.controls import CONTROLS, mean_features, text_features
from clip_caer.protocol.evaluation import confusion_of, uar
from tiny_clip import save_random_clip

CLASSES = ["calm", "glad", "tired"]


def table(rows):
    """Clips from (subject, setting, role, label)."""
    columns = dict(zip(("subject", "setting", "role", "label"), zip(*rows, strict=True), strict=True))
    schema = {"votes": pl.List(pl.Float64)}
    ids = [f"c{i:03}" for i in range(len(rows))]
    return pl.DataFrame({"clip_id": ids, **columns, "votes": [None] * len(rows)}, schema_overrides=schema)


def control(name, clips, features=None, texts=None):
    return CONTROLS[name](clips, CLASSES, features or {}, texts)


LISTS = table(
    [
        *[("anna", "lab", "train", "calm")] * 8,
        *[("anna", "lab", "train", "tired")] * 2,
        *[("ben", "hall", "train", "calm")] * 8,
        *[("ben", "hall", "train", "glad")] * 1,
        *[("cleo", "lab", "val", "glad")] * 2,
        ("anna", "lab", "test", "tired"),
        ("ben", None, "test", "calm"),
        ("dora", "roof", "test", "calm"),
    ]
)


def test_majority_is_the_most_frequent_class_with_its_shares():
    predictions = control("majority", LISTS)
    assert predictions["role"].to_list() == ["val", "val", "test", "test", "test"]
    assert set(predictions["predicted"]) == {"calm"}
    np.testing.assert_allclose(np.stack(predictions["probability"]), np.tile([16 / 21, 3 / 21, 2 / 21], (5, 1)))


def test_a_student_is_given_the_class_that_is_overrepresented_not_the_frequent_one():
    """anna: 8 of 10 calm against 16 of 21, but 2 of 10 tired against 2 of 21."""
    predictions = control("student_id", LISTS)
    assert predictions["predicted"].to_list() == ["glad", "glad", "tired", "calm", "calm"]  # dora is unseen
    ratio = np.array([0.8 / (16 / 21), 0, 0.2 / (2 / 21)])
    np.testing.assert_allclose(predictions["probability"][2], ratio / ratio.sum(), atol=1e-8)
    np.testing.assert_allclose(predictions["probability"][4], [16 / 21, 3 / 21, 2 / 21])


def test_without_shared_students_the_id_tells_nothing():
    disjoint = LISTS.filter((pl.col("role") != "test") | (pl.col("subject") == "dora"))
    of_id, of_majority = (control(name, disjoint).filter(role="test") for name in ("student_id", "majority"))
    assert of_id.equals(of_majority)


def test_a_setting_tells_what_its_clips_tell():
    assert control("setting_id", LISTS)["predicted"].to_list() == ["tired", "tired", "tired", "calm", "calm"]
    one = LISTS.with_columns(setting=pl.lit("lab"))
    assert control("setting_id", one)["predicted"].equals(control("majority", one)["predicted"])


def test_a_class_that_only_test_has_is_never_predicted():
    clips = LISTS.filter((pl.col("role") == "test") | (pl.col("label") != "glad"))
    for name in ("majority", "student_id", "setting_id"):
        predictions = control(name, clips)
        assert "glad" not in set(predictions["predicted"])
        assert np.isfinite(np.log(np.stack(predictions["probability"]))).all()


def test_zero_shot_is_the_cosine_of_the_views_with_the_texts():
    texts = np.eye(3, 4)
    face = np.tile([[3.0, 0, 0, 1]], (len(LISTS), 1))
    context = np.tile([[0, 0.5, 0, 0]], (len(LISTS), 1))
    context[-1] = face[-1] = 0  # seen in no view
    predictions = control("zero_shot", LISTS, {"face": face, "context": context}, texts)
    video = np.array([3 / 10**0.5, 1, 0, 1 / 10**0.5])
    logits = 100 * video[:3] / np.linalg.norm(video)
    np.testing.assert_allclose(predictions["probability"][0], np.exp(logits - np.log(np.exp(logits).sum())))
    np.testing.assert_allclose(predictions["probability"][4], [1 / 3] * 3)
    assert predictions["predicted"].to_list()[:4] == ["glad"] * 4


@pytest.fixture
def learnable():
    """160 clips of three classes, told apart by the sum of two views."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 160)
    roles = ["train"] * 60 + ["val"] * 40 + ["test"] * 60
    clips = table([(f"s{i}", "lab", role, CLASSES[k]) for i, (k, role) in enumerate(zip(labels, roles, strict=True))])
    hidden = 2 * random.normal(size=(160, 5))
    signal = np.eye(3, 5)[labels] + 0.1 * random.normal(size=(160, 5))
    return clips, {"face": (signal + hidden).astype(np.float32), "context": (signal - hidden).astype(np.float32)}


def test_the_linear_probe_learns_from_both_views(learnable):
    clips, features = learnable
    test = control("linear_probe", clips, features).filter(role="test")
    assert uar(confusion_of(test, CLASSES)) > 0.9
    one = control("linear_probe", clips, {"face": features["face"]}).filter(role="test")
    assert uar(confusion_of(one, CLASSES)) < 0.7


def test_the_linear_probe_is_deterministic_and_blind_to_test_labels(learnable):
    clips, features = learnable
    first = control("linear_probe", clips, features)
    assert first.equals(control("linear_probe", clips, features))
    others = pl.when(pl.col("role") == "test").then(pl.lit("calm")).otherwise("label").alias("label")
    again = control("linear_probe", clips.with_columns(others), features)
    assert first.drop("label").equals(again.drop("label"))


def test_the_strength_of_the_probe_is_the_best_on_val(learnable, monkeypatch):
    clips, features = learnable
    features["noise"] = np.random.default_rng(1).normal(size=(160, 100)).astype(np.float32)

    def val_uar():
        return uar(confusion_of(control("linear_probe", clips, features).filter(role="val"), CLASSES))

    chosen, of_strength = val_uar(), []
    for strength in controls.STRENGTHS:
        monkeypatch.setattr(controls, "STRENGTHS", (strength,))
        of_strength.append(val_uar())
    assert chosen == max(of_strength) > min(of_strength)


def test_the_linear_probe_predicts_what_train_has(learnable):
    """Train has two of three classes: scikit-learn's binary case."""
    clips, features = learnable
    kept = (clips["role"] != "train") | (clips["label"] != "glad")
    predictions = control("linear_probe", clips.filter(kept), {view: x[kept] for view, x in features.items()})
    assert set(predictions["predicted"]) == {"calm", "tired"}
    assert max(probability[1] for probability in predictions["probability"]) < 1e-9
    test = predictions.filter((pl.col("role") == "test") & (pl.col("label") != "glad"))
    assert uar(confusion_of(test, CLASSES)) > 0.9


def test_mean_features_are_of_found_frames_unflipped():
    features = torch.tensor([[[1.0], [9]], [[3], [9]], [[50], [9]], [[7], [9]]]).half()
    found = torch.tensor([True, True, False, False])
    cached = FeatureTable.of([("a", "sha", 3), ("b", "sha", 1)], features, found, {})
    assert mean_features(cached).tolist() == [[2.0], [0.0]]
    assert mean_features(cached.select(["b", "a"])).tolist() == [[0.0], [2.0]]


def test_text_features_are_clips_own(tmp_path):
    name = save_random_clip(tmp_path / "clip")
    clip, tokenizer = load_clip(name, None), load_tokenizer(name)
    with torch.inference_mode():
        expected = clip.encode_text(tokenizer(CLASSES), normalize=True).numpy()
    np.testing.assert_allclose(text_features(clip, tokenizer, CLASSES), expected, atol=1e-6)


def test_shuffled_labels_are_the_same_labels_elsewhere():
    labels = torch.arange(50) % 3
    clips = FeatureClips({}, labels, torch.nn.functional.one_hot(labels).float())
    dealt = shuffled(clips, 1)
    assert torch.equal(dealt.labels.bincount(), labels.bincount()) and not torch.equal(dealt.labels, labels)
    assert torch.equal(dealt.soft_labels.argmax(1), dealt.labels)
    assert torch.equal(dealt.labels, shuffled(clips, 1).labels)
    assert not torch.equal(dealt.labels, shuffled(clips, 2).labels)
    assert shuffled(FeatureClips({}, labels), 1).soft_labels is None
