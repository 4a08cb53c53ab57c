"""The page answers in words what the tables say, warns where they cannot tell, and escapes all that it shows."""

import polars as pl
import pytest

from clip_caer.comparison.latex import comparison_latex, escape
from clip_caer.comparison.wording import interval, p_value, percent, points, rarest_class
from clip_caer.figures import comparison_figure, students_figure
from clip_caer.report import render
from clip_caer.report.answer import answer
from clip_caer.report.tables import comparison_table, facts, roles_table
from clip_caer.tracking.records import Record
from evidence import make_clips, make_evidence, make_roles

HOSTILE = """<script>alert("x")</script> & 'quoted'"""


@pytest.fixture(scope="module")
def clips():
    return make_clips(students=30)


@pytest.fixture(scope="module")
def roles(clips):
    return make_roles(clips)


@pytest.fixture(scope="module")
def evidence(clips, roles):
    return make_evidence(clips, roles, seeds=2)


def page(evidence, clips, roles, figures=(), question="what tells?", **record):
    record = Record("key", "summary", "name", "fp", **record)
    more = {"question": question, "clips": clips, "roles": roles, "config": {"seeds": [1, 2]}, "record": record}
    return render(evidence, dict(figures), **more)


def pair(a, b, difference, p_holm):
    numbers = {"difference": difference, "low": difference - 0.02, "high": difference + 0.02, "p_holm": p_holm}
    return {"protocol": "official", "a": a, "b": b, "metric": "uar", **numbers}


def scores(**uar):
    rows = [
        {"protocol": "official", "model": model, "kind": "control" if value < 0.3 else "ablation", "metric": metric}
        | {"value": value, "low": value - 0.03, "high": value + 0.03, "selected_on": "val", "students_shared": False}
        for model, value in uar.items()
        for metric in ("uar", "recall/calm", "recall/keen", "recall/odd", "recall/glad", "recall/tired")
    ]
    return pl.DataFrame(rows)


def test_the_answer_names_what_holds_from_the_better_to_the_worse():
    pairs = pl.DataFrame([pair("face", "fused", -0.1, 0.004), pair("face", "context", 0.01, 0.7)])
    said = answer(scores(face=0.6, context=0.59, fused=0.7), pairs, "official")
    assert "60.0 % [57.0, 63.0] for face" in said
    assert "chance is 20.0 %" in said
    assert "differences hold: fused above face by 10.0 points [8.0, 12.0], p = 0.004." in said
    assert "do not tell apart face and context (1.0 points [−1.0, 3.0], p = 0.70)." in said


def test_the_answer_does_not_take_no_difference_for_sameness():
    said = answer(scores(face=0.6, fused=0.62), pl.DataFrame([pair("fused", "face", 0.02, 0.4)]), "official")
    assert "hold" not in said
    assert "does not show that there is none" in said


def test_the_answer_leaves_out_pairs_with_controls_and_metrics_other_than_uar():
    war = pair("fused", "face", 0.3, 0.001) | {"metric": "war"}
    pairs = pl.DataFrame([war, pair("face", "majority", 0.4, 0.001)])
    assert "differences" not in answer(scores(face=0.6, fused=0.62, majority=0.2), pairs, "official")


def test_the_answer_sees_a_control_that_does_as_well():
    table = scores(face=0.4, student_id=0.25).with_columns(
        value=pl.when(pl.col("model") == "student_id").then(0.43).otherwise("value")
    )
    said = answer(table, pl.DataFrame([pair("a", "b", 0.0, 1.0)]), "official")
    assert "The highest control, student_id, reaches 43.0 %" in said
    assert "No ablation does better" in said


@pytest.mark.parametrize(
    ("uar", "sd", "seeds", "words"),
    [
        (0.21, None, 1, "not above chance, as it must be"),
        (0.29, None, 1, "only more seeds can tell luck from a leak"),
        (0.29, 0.04, 3, "the scatter of the seeds counts too (± 4.0)"),
        (0.29, 0.01, 5, "look for a leak"),
    ],
)
def test_the_answer_checks_shuffled_labels(uar, sd, seeds, words):
    table = scores(face=0.6, shuffled_labels=uar).with_columns(sd=pl.lit(sd, pl.Float64), seeds=pl.lit(seeds))
    assert words in answer(table, pl.DataFrame([pair("a", "b", 0.0, 1.0)]), "official")


def test_the_page_is_loud_where_two_roles_share_students_and_only_there(evidence, clips, roles):
    assert 'class="loud"' in page(evidence, clips, roles)
    fold = roles.filter(split="subject_kfold-1").with_columns(split=pl.lit("official"))
    disjoint = pl.concat([fold, roles.filter(pl.col("split") != "official")])
    none = {"near_duplicates": evidence.near_duplicates.clear()}
    quiet = page(type(evidence)(**(vars(evidence) | none)), clips, disjoint)
    assert 'class="loud"' not in quiet


def test_everything_shown_is_escaped(clips, roles):
    clips = clips.with_columns(
        pl.col("setting").replace({"library": HOSTILE}), pl.col("subject").replace({"P001": HOSTILE})
    )
    evidence = make_evidence(clips, roles, seeds=2)
    renamed = {
        name: getattr(evidence, name).with_columns(pl.col("model").replace({"face": HOSTILE}))
        for name in ("comparison", "calibration", "reliability", "strata", "history")
    }
    renamed["pairs"] = evidence.pairs.with_columns(pl.col("a", "b").replace({"face": HOSTILE}))
    renamed["confusions"] = {
        (protocol, HOSTILE if model == "face" else model): confusion
        for (protocol, model), confusion in evidence.confusions.items()
    }
    evidence = type(evidence)(**(vars(evidence) | renamed))
    text = page(evidence, clips, roles, question=HOSTILE, versions={HOSTILE: HOSTILE}, git_commit=HOSTILE)
    assert "&lt;script&gt;" in text
    assert "<script" not in text
    assert HOSTILE not in text


def test_the_page_says_what_it_was_made_with(evidence, clips, roles):
    made = {"versions": {"torch": "9.8.7"}, "git_commit": "abc123", "git_dirty": True}
    text = page(evidence, clips, roles, **made)
    assert "9.8.7" in text and "abc123" in text and "uncommitted" in text
    assert "seeds:" in text


def test_the_same_tables_give_the_same_page(evidence, clips, roles):
    figures = {
        "comparison": comparison_figure(evidence.comparison),
        "students": students_figure(evidence.strata, evidence.comparison),
    }
    text = page(evidence, clips, roles, figures)
    assert text == page(evidence, clips, roles, figures)
    assert text.count("data:image/svg+xml;base64,") == 2


def test_a_quoted_figure_stands_in_a_column_of_its_own(evidence):
    table = comparison_table(evidence.comparison.filter(protocol="official"), "official")
    column = table.heads.index("UAR, quoted from a publication")
    assert {row[0].split("\n")[0]: row[column] for row in table.rows if row[column]} == {
        "caer_net (selected on test)": "45.9"
    }
    assert "quoted" not in " ".join(comparison_table(evidence.comparison.drop("quoted"), "official").heads)


def test_clips_are_counted_by_role(evidence, clips, roles):
    table = roles_table(clips, roles, evidence.classes, {"official": "official", "subject_kfold": "subject_kfold"})
    cells = {row[0]: row[1:] for row in table.rows}
    train = roles.filter(split="official", role="train").join(clips, on="clip_id")
    assert cells["official, train"][0] == f"{len(train):,} ({train['subject'].n_unique()})"
    sizes = roles.filter(pl.col("split").str.starts_with("subject"), role="test").group_by("split").len()["len"]
    assert cells["subject_kfold, test"][0].startswith(f"{sizes.min()}–{sizes.max()} ")
    assert facts(clips)["clips"].endswith("and 3 damaged, left out")


def test_the_rarest_class_is_that_of_the_fewest_clips(evidence):
    name, number, students = rarest_class(evidence.comparison, "official")
    recalls = evidence.comparison.filter(pl.col("metric").str.starts_with("recall/"), protocol="official")
    assert number == recalls["clips"].min()
    row = recalls.filter(metric=f"recall/{name}").row(0, named=True)
    assert row["subjects"] == students


def test_numbers_are_written_alike_everywhere():
    assert (percent(0.61234), percent(None), percent(float("nan"))) == ("61.2", "–", "–")
    assert (points(0.068), points(-0.068), points(-0.0001)) == ("+6.8", "−6.8", "0.0")
    assert (interval(-0.01, 0.02), interval(None, 0.1)) == ("[−1.0, 2.0]", "")
    assert [p_value(p) for p in (0.0004, 0.0123, 0.5, None)] == ["p < 0.001", "p = 0.012", "p = 0.50", ""]


def test_latex_has_a_rule_between_kinds_and_escapes_names(evidence):
    table = comparison_latex(evidence.comparison.with_columns(pl.col("model").replace({"face": "a_b & c%$#{}~^\\"})))
    assert r"a\_b \& c\%\$\#\{\}\textasciitilde{}\textasciicircum{}\textbackslash{} &" in table
    assert table.count(r"\midrule") == 2 * (1 + 3)  # for each protocol: above it, and above each kind
    assert table.count(r"\toprule") == table.count(r"\bottomrule") == 1
    rows = [line for line in table.splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
    assert {line.replace(r"\&", "").count("&") for line in rows} == {7}  # name, three times score and interval, quoted
    marked = evidence.comparison.filter(pl.col("metric").is_in(["uar", "war", "macro_f1"]), pl.col("few_students"))
    assert table.count("]*}") == len(marked) > 0
    assert escape("50–60 −1") == "50--60 $-$1"


def test_a_gallery_is_shown_where_there_is_one(evidence, clips, roles):
    about = {"question": "q", "clips": clips, "roles": roles, "config": {}, "record": Record("k", "summary", "n", "fp")}
    assert "looked at" not in render(evidence, {}, **about)
    shown = render(evidence, {}, **about, gallery=b"picture")
    assert "What a run looked at" in shown and 'src="data:image/png;base64,cGljdHVyZQ=="' in shown
