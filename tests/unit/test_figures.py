"""Pictures show what the tables say, in words where it matters, and the same tables give the same bytes."""

import numpy as np
import polars as pl
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from clip_caer.comparison.wording import rarest_class
from clip_caer.figures import (
    comparison_figure,
    confusion_figure,
    confusions_figure,
    pairs_figure,
    save,
    strata_figure,
    students_figure,
    training_figure,
)
from clip_caer.figures.style import COLOURS, looks
from clip_caer.report import draw
from evidence import CLASSES, SKILL, make_clips, make_evidence, make_roles


@pytest.fixture(scope="module")
def evidence():
    clips = make_clips(students=40)
    return make_evidence(clips, make_roles(clips), seeds=2)


def words(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def test_every_picture_is_drawn_and_the_same_tables_give_the_same_bytes(evidence, tmp_path):
    expected = {"comparison", "pairs", "students", "training"}
    for protocol in ("official", "subject_kfold"):
        expected |= {f"confusion-{protocol}", f"reliability-{protocol}", f"strata-{protocol}"}
    first, second = draw(evidence), draw(evidence)
    assert set(first) == expected
    for name in expected:
        save(first[name], tmp_path / "first.svg")
        save(second[name], tmp_path / "second.svg")
        assert (tmp_path / "first.svg").read_bytes() == (tmp_path / "second.svg").read_bytes(), name


@pytest.mark.parametrize("suffix", ["png", "pdf"])
def test_bitmaps_and_pdfs_are_reproducible_too(evidence, tmp_path, suffix):
    for name in ("first", "second"):
        save(comparison_figure(evidence.comparison), tmp_path / f"{name}.{suffix}")
    assert (tmp_path / f"first.{suffix}").read_bytes() == (tmp_path / f"second.{suffix}").read_bytes()


def test_what_is_missing_is_not_drawn(evidence):
    empty = {name: getattr(evidence, name).clear() for name in ("pairs", "reliability", "strata", "history")}
    figures = draw(type(evidence)(**(vars(evidence) | empty)))
    assert set(figures) == {"comparison", "confusion-official", "confusion-subject_kfold"}


def test_the_comparison_warns_in_words(evidence):
    said = words(comparison_figure(evidence.comparison))
    assert said.count("(students shared)") == 1
    assert said.count("a class has few students") == 1
    assert "(selected on test)" in said
    rarest, clips, students = rarest_class(evidence.comparison, "official")
    assert f"rarest class, {rarest}: {clips} clips, {students} students" in said
    fused = evidence.comparison.filter(protocol="official", model="fused", metric="uar").row(0, named=True)
    assert f"{100 * fused['value']:.1f} [{100 * fused['low']:.1f}, {100 * fused['high']:.1f}]" in said


def test_the_comparison_does_without_intervals_ceilings_and_models_of_one_protocol(evidence):
    table = evidence.comparison.drop("ceiling").with_columns(low=None, high=None)
    table = table.filter((pl.col("model") != "student_id") | (pl.col("protocol") == "official"))
    figure = comparison_figure(table)
    assert "black line" not in words(figure)
    first, second = ([line for line in axis.lines if line.get_marker() == "o"] for axis in figure.axes)
    assert (len(first), len(second)) == (len(SKILL), len(SKILL) - 1)


def test_kinds_look_different():
    look = looks({model: kind for model, (kind, _) in SKILL.items()})
    assert [look[model].colour for model in ("face", "context", "fused")] == list(COLOURS[:3])
    assert len({(look[model].colour, look[model].fill) for model in ("face", "dfer_clip", "majority")}) == 3


def test_pairs_are_strong_where_they_hold_after_correction(evidence):
    pairs = evidence.pairs.with_columns(p_holm=pl.when(pl.col("a") == "fused").then(0.049).otherwise(0.05))
    figure = pairs_figure(pairs, evidence.comparison)
    strong = [
        text.get_text() for text in figure.findobj(Text) if text.get_weight() == "bold" and "p =" in text.get_text()
    ]
    assert len(strong) == pairs.filter(pl.col("p_holm") < 0.05, metric="uar").height > 0


def test_names_are_drawn_sign_for_sign(evidence, tmp_path):
    hostile = "$x_{<script>$ & 1 %"
    table = evidence.comparison.with_columns(pl.col("model").replace({"face": hostile}))
    figure = comparison_figure(table)
    save(figure, tmp_path / "picture.png")
    assert hostile in words(figure)


def test_confusion_shades_by_the_share_of_the_true_class():
    confusion = np.array([[9.0, 1.0], [0.0, 0.0]])
    figure = confusion_figure(confusion, ["a", "b"], "title")
    (image,) = figure.axes[0].images
    assert np.array_equal(image.get_array(), [[0.9, 0.1], [0, 0]])
    assert "90 %\n(9)" in words(figure)


def test_confusions_are_of_the_ablations_only(evidence):
    figure = confusions_figure(evidence.confusions, CLASSES, evidence.comparison, "subject_kfold")
    assert [axis.get_title(loc="left") for axis in figure.axes if axis.images] == ["face", "context", "fused"]


def test_a_dot_is_a_student_and_lies_at_its_accuracy(evidence):
    figure = students_figure(evidence.strata, evidence.comparison)
    rows = evidence.strata.filter(stratum="subject", protocol="official", model="face")
    drawn = figure.axes[0].collections[0].get_offsets()
    assert np.allclose(sorted(drawn[:, 0]), (100 * rows["war"]).sort())
    assert np.abs(drawn[:, 1]).max() <= 0.3  # within the row of its model


def test_strata_leave_out_what_has_no_score(evidence):
    unknown = pl.when(pl.col("level") == "library").then(None).otherwise(pl.col("uar")).alias("uar")
    figure = strata_figure(evidence.strata.with_columns(unknown), evidence.comparison, "official")
    settings = evidence.strata.filter(stratum="setting", protocol="official")["level"].n_unique()
    dots = {
        to_hex(line.get_color()): len(line.get_xdata()) for line in figure.axes[0].lines if line.get_marker() != "None"
    }
    assert {dots[colour.lower()] for colour in COLOURS[:3]} == {settings - 1}


def test_the_best_epoch_has_the_highest_uar_and_of_equal_ones_the_lower_loss(evidence):
    epochs = {"val/uar": [0.3, 0.6, 0.6, 0.5], "val/loss": [1.0, 0.9, 0.8, 0.7], "train/loss": [1.0, 0.5, 0.3, 0.2]}
    history = pl.DataFrame({"model": "face", "split": "official", "seed": 1, "epoch": [1, 2, 3, 4], **epochs})
    _, uar = training_figure(history, evidence.comparison).axes
    (best,) = [line for line in uar.lines if line.get_marker() == "o"]
    assert (best.get_xdata(), best.get_ydata()) == ([3], [60])
