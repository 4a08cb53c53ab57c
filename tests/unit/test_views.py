"""What CLIP is shown of a clip, and what it must not be shown."""

import numpy as np
import polars as pl
import pytest
from PIL import Image

from clip_caer.caching.shards import Shard, crop_loader
from clip_caer.pictures.crops import CORNERS
from clip_caer.pictures.views import context_crops, face_crops, person_boxes, view_crops

PICTURES = [np.full((60, 80, 3), 10 * n, np.uint8) for n in range(1, 4)]
CONTEXT = {"size": 32, "fit": "squash", "resample": "bicubic", "given": None}


def faces(*boxes):
    return pl.DataFrame(
        [(*(box or (None,) * 4), box is not None) for box in boxes],
        schema=[*((corner, pl.Float32) for corner in CORNERS), ("found", pl.Boolean)],
        orient="row",
    )


@pytest.mark.parametrize(("missing", "expected"), [("mask", None), ("frame", 20)])
def test_a_missing_face_is_masked_or_the_whole_frame(missing, expected):
    table = faces((10, 10, 30, 30), None, (12, 10, 32, 30))
    crops = face_crops(PICTURES, table, 16, margin=2, fit="squash", missing=missing, resample="bicubic")
    assert crops[0].mean() == 10 and crops[2].mean() == 30
    assert crops[1] is None if expected is None else crops[1].mean() == expected


def test_the_blank_region_is_one_for_the_whole_clip():
    """The box of a face follows its expression; a region that changed with it would tell what it should hide."""
    table = faces((30, 10, 50, 26), None, (30, 10, 50, 38))
    crops = context_crops(PICTURES, table, box="frame", blank_face=True, **CONTEXT)
    regions = [crop[..., 0] == 128 for crop in crops]
    assert regions[0].any()
    assert all((region == regions[0]).all() for region in regions)
    assert regions[0][int(36 / 60 * 32), 16]  # as far down as the tallest box


def test_without_blanking_or_without_a_face_nothing_is_grey():
    for table, blank_face in ((faces((30, 10, 50, 26), None, None), False), (faces(None, None, None), True)):
        crops = context_crops(PICTURES, table, box="person", blank_face=blank_face, **CONTEXT)
        assert [crop.max() for crop in crops] == [10, 20, 30]


def test_a_given_person_box_is_used_and_else_estimated():
    table = faces((30, 10, 40, 22), (30, 10, 40, 22), None)
    picture = np.zeros((60, 80, 3), np.uint8)
    picture[:, :40, 0] = 200  # red on the left half
    options = {"size": 32, "fit": "squash", "blank_face": False, "resample": "bilinear"}
    (left,) = context_crops([picture], table[:1], box="person", given=(0, 0, 40, 60), **options)
    (estimated,) = context_crops([picture], table[:1], box="person", given=None, **options)
    assert left[..., 0].min() == 200
    assert 0 < estimated[..., 0].mean() < 200


def test_person_boxes_by_clip():
    boxes = pl.DataFrame(
        {"clip_id": ["a", "a", "b"], "frame": [0, 1, 0], "kind": ["person", "face", "person"]}
        | {corner: [1.0, 2.0, 3.0] for corner in CORNERS}
    )
    assert person_boxes(boxes) == {"a": (1.0,) * 4, "b": (3.0,) * 4}


SETTINGS = {"box": "person", "fit": "letterbox", "blank_face": True, "resample": "bicubic"}


@pytest.mark.parametrize(
    ("view", "change", "given", "expected"),
    [
        ("context", {"box": "frame"}, None, 4),  # 1920 pixels become 224
        ("context", {}, (0, 0, 900, 900), 2),
        ("context", {}, (0, 0, 890, 890), 1),  # shrunk by 2, less than 448 would be left
        ("context", {}, (-5000, 0, 890, 890), 1),  # what lies outside of the picture is not seen
        ("context", {"resample": "bilinear"}, (0, 0, 1900, 1000), 1),  # the original's
        ("face", {}, (0, 0, 1900, 1000), 1),
    ],
)
def test_pictures_shrink_only_where_a_view_shows_far_fewer_pixels(view, change, given, expected):
    settings = {"fit": "letterbox", "resample": "bicubic"} | change
    settings |= {"margin": 20, "missing": "mask"} if view == "face" else {"box": "person", "blank_face": True} | change
    asked = []
    view_crops(view, settings, lambda shrink: asked.append(shrink) or [], faces(), 224, given, 1920, 1080)
    assert asked == [expected]


@pytest.mark.parametrize("given", [None, (301.0, 55.0, 1333.0, 1003.0)])
def test_crops_of_pictures_that_shrank_are_those_of_whole_ones(tmp_path, given):
    """Blank region and all: large pictures of a clip, through the loader and without it."""
    random = np.random.default_rng(0)
    whole = [Image.fromarray(random.integers(0, 256, (27, 48, 3), np.uint8)).resize((1920, 1080)) for _ in range(2)]
    (tmp_path / "clip").mkdir()
    for number, picture in enumerate(whole, start=1):
        picture.save(tmp_path / f"clip/{number}.jpg", quality=95)
    listed = {"clip_id": "clip", "source": "clip", "kind": "frames", "n_frames": 2, "sha256": "x", "status": "ok"}
    schema = {"clip_id": pl.String, "kind": pl.String, **dict.fromkeys(CORNERS, pl.Float32)}
    row = [("clip", "person", *(given or ()))] if given else []
    boxes = pl.DataFrame(row, schema=schema, orient="row")
    shard = Shard(pl.DataFrame([listed | {"message": None}]), boxes, tmp_path, None, None)
    table = faces((811.5, 203.2, 1011.0, 440.0), (821.5, 213.2, 1003.0, 441.0))
    rows = table.with_columns(clip_id=pl.lit("clip"), frame=pl.Series([1, 2]))
    loaded = crop_loader(shard, rows, "context", SETTINGS, 224)("clip")
    expected = context_crops(map(np.asarray, whole), table, 224, **SETTINGS, given=given)
    for crop, other in zip(loaded, expected, strict=True):
        difference = np.abs(crop.astype(int) - other)
        assert 0 < difference.mean() < 2  # they did shrink
        assert np.mean((crop == 128).all(-1) != (other == 128).all(-1)) < 0.01
