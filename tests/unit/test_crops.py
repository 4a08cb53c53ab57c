"""Crops: what each view shows of a frame."""

import numpy as np
import polars as pl
import pytest

from clip_caer.faces.student import given_faces
from clip_caer.pictures.crops import clipped, context_view, face_view, person_box, usable

RED, BLUE = (255, 0, 0), (0, 0, 255)


@pytest.fixture
def picture() -> np.ndarray:
    """Blue, 200 × 100 pixels, with a red face of 20 × 40 pixels at (60, 30)."""
    picture = np.empty((100, 200, 3), np.uint8)
    picture[:] = BLUE
    picture[30:70, 60:80] = RED
    return picture


FACE = (60.0, 30.0, 80.0, 70.0)


def is_all(pixels: np.ndarray, colour) -> bool:
    return pixels.size > 0 and bool((pixels == colour).all())


def test_letterbox_keeps_the_proportions_and_pads_with_black(picture):
    crop = face_view(picture, FACE, size=64, margin=0, fit="letterbox")
    assert crop.shape == (64, 64, 3) and crop.dtype == np.uint8
    assert is_all(crop[:, 16:48], RED) and is_all(crop[:, :16], 0) and is_all(crop[:, 48:], 0)


def test_squash_fills_the_square(picture):
    assert is_all(face_view(picture, FACE, size=64, margin=0, fit="squash"), RED)


def test_margin_shows_that_many_pixels_on_each_side(picture):
    crop = face_view(picture, FACE, size=60, margin=10, fit="squash")  # 40 × 60 pixels
    assert is_all(crop[20:40, 20:40], RED)
    assert is_all(crop[:8], BLUE) and is_all(crop[-8:], BLUE) and is_all(crop[:, :12], BLUE)


@pytest.mark.parametrize(
    "box", [(-30.0, -20.5, 20.0, 30.0), (190.0, 90.0, 260.0, 400.0), (-50, -50, 900, 900), (99.2, 50.1, 100.4, 51.3)]
)
@pytest.mark.parametrize("fit", ["letterbox", "squash"])
def test_boxes_over_the_edge_are_cut_at_it(picture, box, fit):
    picture[:] = RED
    crop = face_view(picture, box, size=32, margin=20, fit=fit)
    assert crop.shape == (32, 32, 3)
    shown = crop.reshape(-1, 3)[crop.any(axis=2).ravel()]
    assert is_all(shown, RED)


@pytest.mark.parametrize(
    "box",
    [None, (None, None, None, None), (-50, -50, -10, -10), (205, 10, 260, 60), (10, 10, 10, 60), (60, 10, 50, 60)],
)
def test_what_is_not_in_the_picture_has_no_view(picture, box):
    assert not usable(box, 200, 100)
    assert face_view(picture, box, size=32, margin=20, fit="squash") is None
    if box:
        assert context_view(picture, box, size=32, fit="squash") is None


def test_clipping():
    assert clipped((-5, 10, 300, 90), 200, 100) == (0, 10, 200, 90)


def test_shrinking_averages_instead_of_picking_pixels():
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    crop = context_view(stripes, None, size=32, fit="squash")
    assert crop.min() > 120 and crop.max() < 136


def test_context_without_a_box_is_the_whole_picture(picture):
    crop = context_view(picture, None, size=100, fit="letterbox")
    assert is_all(crop[:25], 0) and is_all(crop[75:], 0) and is_all(crop[26:74, :25], BLUE)
    assert is_all(crop[42:58, 32:38], RED)


def test_blanked_faces_leave_nothing_of_themselves(picture):
    before = picture.copy()
    crop = context_view(picture, None, size=200, fit="squash", blank=[FACE])
    assert crop[..., 0].max() < 150  # no red; bicubic overshoots a little at the edge of the grey
    assert is_all(crop[60:140, 60:80], 128)
    assert is_all(crop[:, :50], BLUE)
    assert (picture == before).all()


def test_blanking_stands_any_box(picture):
    boxes = [(-40, -40, 10, 10), (-9, -9, -1, -1), (None, None, None, None), (195, 95, 400, 400)]
    crop = context_view(picture, None, size=200, fit="squash", blank=boxes)
    assert is_all(crop[:15, :8], 128) and is_all(crop[100, 100], BLUE)


def faces_at(*boxes) -> pl.DataFrame:
    table = pl.DataFrame(
        [(frame, *box) for frame, box in enumerate(boxes, 1) if box],
        schema=["frame", "x0", "y0", "x1", "y1"],
        orient="row",
    ).cast(dict.fromkeys(["x0", "y0", "x1", "y1"], pl.Float32))
    return given_faces(table, range(1, len(boxes) + 1), fill_gap=0)


def test_person_box_holds_arms_and_hair_and_reaches_the_bottom():
    box = person_box(faces_at((300, 100, 340, 150), None, (302, 102, 342, 152), (900, 110, 990, 200)), 1920, 1080)
    assert box == pytest.approx((322 - 140, 102 - 30, 322 + 140, 1080))


def test_person_box_stays_in_the_picture():
    assert person_box(faces_at((-20, -10, 60, 90)), 320, 240) == (0, 0, 300, 240)


@pytest.mark.parametrize("boxes", [(None, None), ((-60, -60, -10, -10),)])
def test_without_a_face_in_the_picture_there_is_no_person_box(boxes):
    assert person_box(faces_at(*boxes), 320, 240) is None
