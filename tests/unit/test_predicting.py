"""Predictions for new videos: who is told apart, when, and what for."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from clip_caer.errors import UserError
from clip_caer.faces.student import Tracker
from clip_caer.pictures.video import Damaged
from clip_caer.predicting.attribution import decide, shapley, shares
from clip_caer.predicting.predict import predict_video
from clip_caer.predicting.source import Source, find_videos, open_source, short_names
from clip_caer.predicting.windows import Span, make_windows, parse_span
from clip_caer.showing.videos import Pictures, as_text, predict_videos
from clip_caer.trained.model import Trained
from clips import FFMPEG, draw_frames, write_pictures, write_video
from packed_model import detector_weights, draw_student, zero_shot


@pytest.fixture(scope="module")
def trained(request) -> Trained:
    return Trained(zero_shot(detector_weights(request), temperature=2.0))


@pytest.fixture(scope="module")
def detector(trained):
    return trained.load_detector()


@pytest.fixture(scope="module")
def two_students(tmp_path_factory) -> Path:
    """Side by side, 36 frames: on the left with a phone, on the right with a book."""
    pictures = [draw_student(seed, thing, frames=36) for seed, thing in ((1, "phone"), (4, "book"))]
    return write_video(tmp_path_factory.mktemp("two") / "two.mp4", np.concatenate(pictures, axis=2))


# ---- windows ----


@pytest.mark.parametrize(
    ("text", "span"),
    [("", None), ("4", Span(4, "s")), ("2.5s", Span(2.5, "s")), (".5 s", Span(0.5, "s")), ("100f", Span(100, "f"))],
)
def test_a_length_of_time(text, span):
    assert parse_span(text) == span


@pytest.mark.parametrize("text", ["0", "0f", "2.5f", "-4s", "4m", "soon"])
def test_what_is_no_length_of_time(text):
    with pytest.raises(UserError, match="is no length of time"):
        parse_span(text)


@pytest.mark.parametrize(
    ("n_frames", "length", "step", "expected"),
    [
        (10, None, None, [(0, 10)]),
        (10, 4, 4, [(0, 4), (4, 8), (6, 10)]),
        (8, 4, None, [(0, 4), (2, 6), (4, 8)]),
        (3, 4, None, [(0, 3)]),
        (6, 2, 3, [(0, 2), (3, 5), (4, 6)]),
        (21, 10, 30, [(0, 10), (11, 21)]),
        (21, 20, 50, [(0, 20), (1, 21)]),
        (20, 20, 50, [(0, 20)]),
        (21, 5, 8, [(0, 5), (8, 13), (16, 21)]),
        (20, 5, 8, [(0, 5), (8, 13), (15, 20)]),
    ],
)
def test_windows_cover_a_video_to_its_end_in_frames_and_in_seconds(n_frames, length, step, expected):
    frames = [n and Span(n, "f") for n in (length, step)]
    assert make_windows(n_frames, None, *frames) == expected
    seconds, times = [n and Span(n / 10, "s") for n in (length, step)], [n / 10 for n in range(n_frames)]
    assert make_windows(n_frames, times, *seconds) == expected


@pytest.mark.parametrize("units", ["ss", "sf", "fs", "ff"])
@pytest.mark.parametrize("step", [3, 10, 25, 60, 1000])
@pytest.mark.parametrize("n_frames", [1, 20, 21, 52])
def test_every_window_lies_within_the_video_and_the_last_ends_with_it(n_frames, step, units):
    rng = np.random.default_rng(n_frames)
    times = [0.0, *np.cumsum(rng.choice([0.01, 0.1, 0.3], n_frames - 1)).tolist()]
    spans = {"s": lambda n: Span(n / 10, "s"), "f": lambda n: Span(n, "f")}
    length, step = spans[units[0]](10), spans[units[1]](step)
    windows = make_windows(n_frames, times, length, step)
    assert all(0 <= window.start < window.stop <= n_frames for window in windows)
    assert [window.start for window in windows] == sorted({window.start for window in windows})
    assert windows[0].start == 0 and windows[-1].stop == n_frames


def test_a_step_needs_a_window():
    with pytest.raises(UserError, match="A step needs a window"):
        make_windows(10, None, None, Span(1, "f"))


def test_windows_in_seconds_go_by_the_times_of_the_frames():
    times = [0.0, 0.5, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 2.0, 2.5]  # slow, fast, slow
    assert make_windows(10, times, Span(1, "s"), Span(1, "s")) == [(0, 2), (2, 8), (8, 10)]
    even = [n / 10 for n in range(30)]
    assert make_windows(30, even, Span(1, "s"), Span(0.5, "s")) == [(n, n + 10) for n in range(0, 21, 5)]


def test_pictures_have_no_seconds():
    with pytest.raises(UserError, match="give the window and its step in frames"):
        make_windows(10, None, Span(1, "s"), None)


# ---- videos and their names ----


def test_videos_are_found_below_folders(tmp_path):
    write_video(tmp_path / "a/b/one.mp4", draw_frames(2))
    pictures = write_pictures(tmp_path / "clip", draw_frames(2))
    assert find_videos([tmp_path / "a", pictures]) == [tmp_path / "a/b/one.mp4", pictures]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"(?s)empty: no video.*nowhere: there is no such"):
        find_videos([tmp_path / "empty", tmp_path / "nowhere"])


def test_names_are_as_short_as_they_can_be():
    assert short_names([Path("/v/a/1.mp4"), Path("/v/b/2.mp4")]) == ["1", "2"]
    assert short_names([Path("/v/a/1.mp4"), Path("/v/b/1.mp4"), Path("/v/3.mp4")]) == ["a/1", "b/1", "3"]
    assert short_names([Path("/v/1.mp4"), Path("/v/1.mkv")]) == ["1.mp4", "1.mkv"]
    assert short_names([Path("/v/1.mp4"), Path("/v/1.mkv"), Path("/v/1.mp4.avi")]) == ["1.mp4", "1.mkv", "1.mp4.avi"]


def test_pictures_of_two_sizes_are_no_clip(tmp_path):
    write_pictures(tmp_path / "clip", [*draw_frames(2, 64, 48), *draw_frames(1, 96, 48)])
    frames = open_source(tmp_path / "clip", FFMPEG).frames()
    assert next(frames).name == "1.jpg"
    with pytest.raises(Damaged, match="the size of the picture changes within the clip: 64 × 48 and 96 × 48"):
        list(frames)


# ---- students ----


def test_two_people_keep_their_tracks_through_gaps_and_a_third_gets_a_new_one():
    def box(x):
        return [x, 0, x + 10, 10]

    tracker = Tracker()
    assert tracker.link(np.array([box(0), box(50)])) == [0, 1]
    assert tracker.link(np.array([box(52)])) == [1]
    assert tracker.link(np.zeros((0, 4))) == []
    assert tracker.link(np.array([box(51), box(2)])) == [1, 0]
    assert tracker.link(np.array([box(200), box(3)])) == [2, 0]


def test_two_students_get_an_id_and_a_label_each(two_students, trained, detector):
    table, faces = predict_video(open_source(two_students, FFMPEG), trained, detector, students="all")

    middle = faces.group_by("student").agg(pl.mean("x0")).sort("student")
    side = ["left" if x < 320 else "right" for x in middle["x0"]]
    assert dict(zip(side, table.sort("student")["predicted"], strict=True)) == {"left": "phone", "right": "book"}
    assert table["face_found"].min() > 0.9


def test_a_student_keeps_the_id_in_every_window(two_students, trained, detector):
    source = open_source(two_students, FFMPEG)
    table, _ = predict_video(source, trained, detector, Span(12, "f"), Span(6, "f"), "all")

    assert table.select("student", "first_frame", "last_frame").sort("first_frame", "student").rows() == [
        (student, first, first + 11) for first in (1, 7, 13, 19, 25) for student in (1, 2)
    ]
    assert table.group_by("student").agg(pl.col("predicted").n_unique())["predicted"].to_list() == [1, 1]
    assert table["start"].unique().sort().to_list() == pytest.approx([n * 6 / 25 for n in range(5)])
    assert table["end"].max() == pytest.approx(36 / 25)


def test_one_student_is_the_first_of_all(two_students, trained, detector):
    source = open_source(two_students, FFMPEG)
    (one,) = predict_video(source, trained, detector).table["student"]
    assert one == 1


def test_where_nobody_is_found_the_context_decides(tmp_path, trained, detector):
    video = write_video(tmp_path / "flat.mp4", draw_frames(6))
    for students in ("one", "all"):
        table, faces = predict_video(open_source(video, FFMPEG), trained, detector, students=students)
        assert table.select("student", "face_found").rows() == [(None, 0)]
        assert table["predicted"][0] in trained.classes and len(faces) == 0


def test_a_folder_of_pictures_is_a_clip_too(tmp_path, trained, detector):
    folder = write_pictures(tmp_path / "clip", draw_student(1, "phone", frames=11))  # 10 and 11 after 9, not after 1
    table, _ = predict_video(open_source(folder, FFMPEG), trained, detector, Span(4, "f"), Span(4, "f"))
    assert table.select("first_frame", "last_frame", "start").rows() == [(1, 4, None), (5, 8, None), (8, 11, None)]
    assert set(table["predicted"]) == {"phone"}


def test_a_step_longer_than_its_window_leaves_a_gap(tmp_path, trained, detector):
    source = open_source(write_video(tmp_path / "short.mp4", draw_frames(52)), FFMPEG)  # 2.08 s
    table, _ = predict_video(source, trained, detector, Span(1, "s"), Span(3, "s"))
    assert table.select("first_frame", "last_frame").rows() == [(1, 25), (28, 52)]


def test_no_picture_is_kept_longer_than_its_window(tmp_path, trained, detector, monkeypatch):
    """Memory must not grow with the video."""
    from clip_caer.predicting import predict

    most = []
    predict_window = predict._Watch.predict
    monkeypatch.setattr(
        predict._Watch, "predict", lambda watch, plan: most.append(len(watch.kept)) or predict_window(watch, plan)
    )
    video = write_video(tmp_path / "long.mp4", draw_frames(200))
    predict_video(open_source(video, FFMPEG), trained, detector, Span(20, "f"), Span(20, "f"))
    assert len(most) == 10 and max(most) == trained.about["segments"]


def test_probabilities_are_told_plain_and_calibrated(two_students, trained, detector):
    row = predict_video(open_source(two_students, FFMPEG), trained, detector).table
    plain, calibrated = (row.select(f"^{kind}_.*$").to_numpy()[0] for kind in ("probability", "calibrated"))
    cooler = plain**0.5  # the temperature is 2
    np.testing.assert_allclose(calibrated, cooler / cooler.sum(), atol=1e-6)


def test_a_table_of_many_videos(tmp_path, two_students, trained):
    damaged = tmp_path / "damaged.mp4"
    damaged.write_text("no video")
    pictures = Pictures(annotate=True, timeline=True)
    table = predict_videos([two_students, damaged], trained, tmp_path, FFMPEG, students="all", pictures=pictures)
    assert table["video"].to_list() == [str(two_students)] * 2 + [str(damaged)]
    assert table["message"].is_null().to_list() == [True, True, False]
    assert {path.name for path in tmp_path.iterdir()} == {"damaged.mp4", "two.annotated.mp4", "two.timeline.png"}
    assert "student 2: " in as_text(table) and "… and 1 more row" in as_text(table, shown=1)


# ---- attribution ----


def test_shapley_values_by_hand():
    worth = {frozenset(): 0.0, frozenset("a"): 1.0, frozenset("b"): 2.0, frozenset("ab"): 7.0}
    assert shapley("ab", worth.__getitem__) == {"a": 3, "b": 4}
    assert shapley("a", worth.__getitem__) == {"a": 1}


def test_shares_are_of_what_speaks_for_the_decision():
    found = shares({"face": torch.tensor([3.0, -1.0, -1.0]), "context": torch.tensor([1.0, 2.0, -2.0])})
    torch.testing.assert_close(found["face"], torch.tensor([0.75, 0.0, float("nan")]), equal_nan=True)
    torch.testing.assert_close(found["context"], torch.tensor([0.25, 1.0, float("nan")]), equal_nan=True)


class TwoViews:
    """Adds up what the views tell of two classes; 1 is told by the face only."""

    views = ("face", "context")
    background = torch.tensor([[[0.0, 0.0], [0.0, 0.0]], [[0.0, 4.0], [0.0, 0.0]]])  # [N, views, D]

    def seen(self, features, found):
        return torch.stack([features["face"], features["context"]], dim=1)

    def classify(self, seen):
        return seen.sum(1)

    def calibrated(self, logits):
        return logits.softmax(1)


def test_the_view_that_tells_is_found_and_the_other_is_not_blamed():
    features = {"face": torch.tensor([[0.0, 4.0]]), "context": torch.tensor([[0.0, 0.0]])}
    decision = decide(TwoViews(), features, {})
    sure, unknown = torch.tensor([0.0, 4.0]).softmax(0)[1], torch.tensor([0.5, 0.982014]).mean()
    assert decision.contributions["context"].item() == pytest.approx(0, abs=1e-6)
    assert decision.contributions["face"].item() == pytest.approx((sure / unknown).log().item(), abs=1e-5)


def test_a_source_knows_its_rate():
    assert Source(Path("x"), ["1.jpg", "2.jpg", "3.jpg"], [0.0, 0.04, 0.08], "").rate == pytest.approx(25)
