"""Pictures of predictions: what they show, and what they hide."""

import re
import subprocess

import numpy as np
import polars as pl
import pytest

from clip_caer.errors import UserError
from clip_caer.predicting.predict import Prediction, predict_video
from clip_caer.predicting.source import Source, open_source
from clip_caer.showing.annotate import annotated, boxes_by_frame
from clip_caer.showing.anonymise import GROWN, all_faces, blurred, load_hider, stream_without_faces
from clip_caer.showing.clock import repeated, steady_clock
from clip_caer.showing.course import course, part_at
from clip_caer.showing.h264 import write_h264
from clip_caer.showing.palette import class_colours, letters_on
from clip_caer.showing.timeline import _roomiest, timeline_figure
from clip_caer.trained.model import Trained
from clips import FFMPEG, draw_frames, write_video
from packed_model import detector_weights, draw_student, zero_shot


@pytest.fixture(scope="module")
def trained(request) -> Trained:
    return Trained(zero_shot(detector_weights(request)))


def predictions(*rows) -> pl.DataFrame:
    """Student, first frame, last frame, start, end, calibrated probability of calm; the other class is keen."""
    columns = ["student", "first_frame", "last_frame", "start", "end", "calibrated_calm"]
    table = pl.DataFrame(rows, schema=columns, orient="row", infer_schema_length=None)
    predicted = pl.when(pl.col("calibrated_calm") > 0.5).then(pl.lit("calm")).otherwise(pl.lit("keen"))
    return table.with_columns(calibrated_keen=1 - pl.col("calibrated_calm"), predicted=predicted)


# ---- what belongs to which moment ----


def test_a_moment_belongs_to_the_window_whose_middle_is_nearest():
    table = predictions((1, 1, 4, 0.0, 4.0, 0.9), (1, 3, 6, 2.0, 6.0, 0.1), (1, 9, 12, 8.0, 12.0, 0.9))
    parts = course(table, 1)
    assert [(part.start, part.stop) for part in parts] == [(0.0, 3.0), (3.0, 6.0), (8.0, 12.0)]
    assert [part and part.row["predicted"] for part in (part_at(parts, t) for t in (2.9, 3.0, 7.0))] == [
        "calm",
        "keen",
        None,
    ]


def test_where_there_are_no_times_frames_are_counted():
    (part,) = course(predictions((None, 5, 8, None, None, 0.9)), None)
    assert (part.start, part.stop) == (4, 8)


def test_boxes_fill_short_gaps_only():
    corners = {"x0": [0.0, 6.0, 0.0], "y0": [0.0] * 3, "x1": [10.0, 16.0, 10.0], "y1": [10.0] * 3}
    faces = pl.DataFrame({"frame": [0, 3, 9], "student": [1, 1, 1], **corners})
    boxes = boxes_by_frame(faces, 1, fill_gap=2)
    assert {frame: box[0] for frame, box in boxes.items()} == {0: 0, 1: 2, 2: 4, 3: 6, 9: 0}


# ---- the annotated copy ----


def test_the_copy_has_a_box_where_the_face_is_and_the_course_below(tmp_path):
    frames = np.full((4, 100, 121, 3), 90, np.uint8)  # an odd width, which H.264 does not take
    source = Source(tmp_path, [f"{n}.jpg" for n in range(1, 5)], [0.0, 0.5, 1.0, 1.5], FFMPEG)
    box = {"x0": [40.0] * 2, "y0": [50.0] * 2, "x1": [60.0] * 2, "y1": [80.0] * 2}
    faces = pl.DataFrame({"frame": [0, 1], "student": [1, 1], **box})
    table = predictions((1, 1, 2, 0.0, 1.0, 0.9), (1, 3, 4, 1.0, 2.0, 0.2))

    shown = list(annotated(frames, source, Prediction(table, faces), ["calm", "keen"], fill_gap=0))

    assert {picture.shape for picture in shown} == {shown[0].shape}
    height, width, _ = shown[0].shape
    assert height % 2 == width % 2 == 0 and height > 5 * 100, "small videos are drawn larger, with a strip below"
    calm, keen = class_colours(["calm", "keen"]).values()
    assert tuple(shown[0][5 * 65, 5 * 40 - 2]) == calm and tuple(shown[0][5 * 65, 5 * 50]) == (90, 90, 90)
    assert not (shown[2][:500] == keen).all(axis=2).any(), "no face was found there"
    strip = shown[0][500:]
    assert (strip == calm).all(axis=2).sum() == pytest.approx((strip == keen).all(axis=2).sum(), rel=0.2)


def test_the_video_is_h264_that_browsers_play(tmp_path):
    frames = draw_frames(12, width=64, height=48)
    write_h264(iter(frames), tmp_path / "copy.mp4", 12.5, FFMPEG)
    told = subprocess.run([FFMPEG, "-i", tmp_path / "copy.mp4"], capture_output=True, text=True).stderr
    assert re.search(r"Video: h264 .*yuv420p.* 64x48.* 12.50 fps", told)
    content = (tmp_path / "copy.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat"), "it can be played while it is loaded"
    back = list(open_source(tmp_path / "copy.mp4", FFMPEG).pictures())
    assert len(back) == 12 and np.abs(back[3].astype(int) - frames[3]).mean() < 6


VARIABLE = ("-fps_mode", "passthrough", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "8", "-pix_fmt", "yuv420p")
LEFT_OUT = "select=not(eq(mod(n\\,5)\\,3))"


@pytest.mark.parametrize(
    ("name", "tick", "filters", "rate"),
    [
        ("even.mp4", "1/90000", "setpts=N/25/TB", 25),
        ("rounded.mkv", "1/1000", "setpts=N/30/TB", 30),
        ("fast.mkv", "1/1000", "setpts=N/240/TB", 240),
        ("frames left out.mp4", "1/90000", f"setpts=N/25/TB,{LEFT_OUT}", 25),
        ("frames left out, rounded.mkv", "1/1000", f"setpts=N/30/TB,{LEFT_OUT}", 30),
        ("uneven.mp4", "1/90000", "setpts=N*N*0.01/TB", 60),
    ],
)
def test_the_copy_shows_each_frame_when_the_source_does(tmp_path, trained, name, tick, filters, rate):
    from clip_caer.showing.videos import Pictures, draw_pictures

    times_of_frames = ("-vf", f"settb={tick},{filters}", "-enc_time_base", tick.replace("/", ":"))
    frames = draw_frames(24)
    source = open_source(write_video(tmp_path / name, frames, *times_of_frames, *VARIABLE), FFMPEG)
    row = {"first_frame": 1, "last_frame": 24, "start": 0.0, "end": source.times[-1] + 1 / source.rate}
    row |= {"student": None, "predicted": "book", "calibrated_book": 1.0}
    faces = {"frame": [], "student": [], "x0": [], "y0": [], "x1": [], "y1": []}
    prediction = Prediction(pl.DataFrame([row]), pl.DataFrame(faces))

    draw_pictures(source, prediction, trained, tmp_path / "out", Pictures(annotate=True))

    copy = open_source(tmp_path / "out.annotated.mp4", FFMPEG)
    assert copy.rate == pytest.approx(rate, rel=2e-3)
    shown = [round((picture[:300, :200].mean() - 20) / 5) for picture in copy.pictures()]  # as in `frame_number`
    own = [round((picture[:30, :20].mean() - 20) / 5) for picture in source.pictures()]
    assert list(dict.fromkeys(shown)) == own, "all of them, in order"
    first = [copy.times[shown.index(number)] for number in own]
    assert first == pytest.approx(source.times, abs=0.51 / rate)
    assert copy.times[-1] + 1 / copy.rate == pytest.approx(row["end"], abs=0.51 / rate)
    if "setpts=N/" in filters and LEFT_OUT not in filters:
        assert shown == own, "frame for frame"


def test_of_frames_that_share_a_tick_the_last_is_shown():
    source = Source(None, ["1.jpg", "2.jpg", "3.jpg", "4.jpg"], [0.0, 0.0, 0.001, 0.1], FFMPEG)
    rate, ticks = steady_clock(source)
    assert (rate, ticks) == (60, [0, 0, 6, 2])
    assert list(repeated(["a", "b", "c", "d"], ticks)) == [*"cccccc", *"dd"]


@pytest.mark.parametrize("times", [None, [0.0, 0.0, 0.0]])
def test_where_times_are_not_known_each_frame_is_shown_once(times):
    assert steady_clock(Source(None, ["1.jpg", "2.jpg", "3.jpg"], times, FFMPEG)) == (12, [1, 1, 1])


def test_a_video_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(UserError, match=r"copy.mp4 cannot be written: .*not divisible by 2"):
        write_h264(iter(draw_frames(3, width=65)), tmp_path / "copy.mp4", 25, FFMPEG)
    assert not list(tmp_path.iterdir())


def test_the_timeline_has_a_panel_for_each_student_and_names_in_its_areas():
    table = predictions((1, 1, 2, 0.0, 1.0, 0.9), (1, 3, 4, 1.0, 2.0, 0.2), (2, 1, 4, 0.0, 2.0, 0.5))
    figure = timeline_figure(table, ["calm", "keen"], "lesson")
    names = [sorted(text.get_text() for text in axis.texts) for axis in figure.axes]
    assert names == [["calm", "keen"], ["calm", "keen"]]
    assert [axis.get_ylabel() for axis in figure.axes] == ["student 1", "student 2"]


def test_the_legend_of_the_timeline_names_thin_classes_too():
    classes = ["calm", "keen", *(f"a class with a long name {n}" for n in range(8))]
    thin = dict.fromkeys([f"calibrated_{name}" for name in classes[2:]], 0.0)
    table = predictions((1, 1, 2, 0.0, 1.0, 0.9)).with_columns(**{name: pl.lit(p) for name, p in thin.items()})
    figure = timeline_figure(table, classes, "lesson")
    (legend,) = figure.legends
    colours = {
        text.get_text(): tuple(round(255 * part) for part in patch.get_facecolor()[:3])
        for text, patch in zip(legend.get_texts(), legend.get_patches(), strict=True)
    }
    assert list(colours.items()) == list(class_colours(classes).items())
    figure.draw_without_rendering()
    box = legend.get_window_extent()
    assert box.y1 <= min(axis.get_tightbbox().y0 for axis in figure.axes), "it hides no data"
    assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1


def test_a_name_stands_where_it_fits_into_its_area():
    edges = np.array([(0, 1), (1, 2), (2, 3), (5, 9)])  # a gap from 3 to 5
    bottom, top = np.array([0.0, 0.2, 0.0, 0.5]), np.array([1.0, 0.9, 0.6, 0.8])
    assert _roomiest(edges, bottom, top, 0.5) == (0.5, 0, 1)
    assert _roomiest(edges, bottom, top, 1.5) == (1.5, 0.2, 0.6)
    assert _roomiest(edges, bottom, top, 3.5) == (7, 0.5, 0.8)
    _, low, high = _roomiest(edges, bottom, top, 4.5)
    assert low == high, "it fits nowhere"


def test_letters_can_be_read_on_every_colour():
    for colour in class_colours([str(n) for n in range(20)]).values():
        assert abs(int(np.mean(colour)) - int(np.mean(letters_on(colour)))) > 60


# ---- faces that may not be shown ----


def test_of_a_blurred_face_next_to_nothing_is_left():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)
    hidden = blurred(picture, [(40, 30, 80, 80)])
    inside = hidden[32:78, 42:78].astype(int)
    assert np.abs(np.diff(inside, axis=0)).max() < 40 < np.abs(np.diff(picture[32:78, 42:78].astype(int), axis=0)).max()
    left, right = int(40 - GROWN * 40), int(80 + GROWN * 40)
    assert np.array_equal(hidden[:, : left - 1], picture[:, : left - 1])
    assert np.array_equal(hidden[:, right + 1 :], picture[:, right + 1 :])


def test_a_face_that_the_edge_cuts_is_found_too(trained):
    whole = draw_student(1, "book", frames=1)[0]
    (box,) = trained.load_detector().detect(whole[None])[0].boxes
    cut = np.ascontiguousarray(whole[:, : int(box[0] + 0.6 * (box[2] - box[0]))])
    found = all_faces(cut, load_hider(trained))
    assert any(x1 > cut.shape[1] - 3 and abs(y0 - box[1]) < 15 for _, y0, x1, _ in found)


class Forgetful:
    """Finds the face in the first of every five frames only."""

    def __init__(self):
        self.calls = -1

    def detect(self, pictures):
        from clip_caer.faces.detections import Detections

        self.calls += 1
        n = self.calls % 5 == 0
        height, width = pictures.shape[1:3]
        box = np.array([[0.4 * width, 0.4 * height, 0.6 * width, 0.6 * height]] * n, np.float32).reshape(-1, 4)
        return [Detections(box, np.ones(len(box), np.float32), np.zeros((len(box), 5, 2), np.float32))]


@pytest.mark.parametrize("n_frames", [1, 3, 12])
def test_a_face_stays_hidden_where_it_is_missed(n_frames):
    frames = np.random.default_rng(0).integers(0, 256, (n_frames, 60, 80, 3), dtype=np.uint8)
    hidden = list(stream_without_faces(frames, Forgetful(), [[] for _ in frames], reach=4))
    assert len(hidden) == n_frames
    for before, after in zip(frames, hidden, strict=True):
        assert not np.array_equal(before[28:32, 38:42], after[28:32, 38:42])
        assert np.array_equal(before[:5], after[:5])


def test_nobody_can_be_found_in_an_anonymised_copy(tmp_path, trained):
    from clip_caer.showing.videos import Pictures, draw_pictures

    video = write_video(tmp_path / "student.mp4", draw_student(1, "book", frames=8))
    source, detector = open_source(video, FFMPEG), trained.load_detector()
    prediction = predict_video(source, trained, detector)
    for name, hidden in (("open", False), ("hidden", True)):
        draw_pictures(source, prediction, trained, tmp_path / name, Pictures(annotate=True, anonymise=hidden))
    found = {
        name: sum(
            len(detector.detect(picture[None])[0].boxes)
            for picture in open_source(tmp_path / f"{name}.annotated.mp4", FFMPEG).pictures()
        )
        for name in ("open", "hidden")
    }
    assert found == {"open": 8, "hidden": 0}
