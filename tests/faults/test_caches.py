"""Caches and weights that are cut short, foreign, incomplete or not finite: named and refused, never used."""

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from clip_caer.caching.crop_store import CropTable, write_crops
from clip_caer.caching.features import FeatureTable, read_features, write_features
from clip_caer.caching.shards import Shard, read_faces, shard_faces
from clip_caer.describing.place import detector_weights
from clip_caer.encoder import embedding_width, load_clip
from clip_caer.errors import UserError
from clip_caer.faces.weights import check_released
from clip_caer.files import read_json, read_parquet, write_json, write_parquet
from clip_caer.pictures.frames import extract_shard
from clip_caer.store import open_tensors, read_damaged, read_tensors, save_tensors
from clip_caer.trained.folder import pack
from clip_caer.trained.settings import write_settings
from clips import FFMPEG, draw_frames, write_video
from tiny_clip import save_random_clip

CLIPS = [("a", "sha-a", 3), ("b", "sha-b", 2)]


def refused(read, path: Path, reason: str = "") -> None:
    """Reading fails with a message that names the file, the reason and the cure."""
    with pytest.raises(UserError, match=f"(?s){reason}") as told:
        read()
    assert str(path) in str(told.value) and "Delete it and start again" in str(told.value)


FLIPPED = st.just(0) | st.integers(1, 255)


def other_bytes(content: bytes, start: int, length: int, flipped: int) -> bytes:
    """With zeros somewhere, or, where `flipped` is not zero, with these bits of one byte turned over."""
    damaged, start = bytearray(content), start % len(content)
    if flipped:
        damaged[start] ^= flipped
    else:
        damaged[start : start + length] = bytes(len(damaged[start : start + length]))
    return bytes(damaged)


def read_or_refused(read, path: Path):
    """What was read; None if it was refused by name. Damage may hit nothing that counts, or bytes that were zero."""
    try:
        return read()
    except UserError as error:
        assert str(path) in str(error)
        return None


# ---- tables ----


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "table.parquet"
    rows = pl.DataFrame({"clip_id": [f"clip {number % 7}" for number in range(50)], "score": np.arange(50) / 7})
    write_parquet(rows, path, fingerprint="f")
    return path


@given(length=st.integers(0))
def test_a_table_that_is_cut_is_refused(table, length):
    content, path = table.read_bytes(), table.with_name("cut.parquet")
    path.write_bytes(content[: length % len(content)])
    refused(lambda: read_parquet(path, fingerprint="f"), path)


@given(start=st.integers(0), length=st.integers(1, 40), flipped=FLIPPED)
def test_a_table_with_other_bytes_is_refused(table, start, length, flipped):
    path = table.with_name("damaged.parquet")
    path.write_bytes(other_bytes(table.read_bytes(), start, length, flipped))
    found = read_or_refused(lambda: read_parquet(path, ["clip_id", "score"], fingerprint="f"), path)
    assert found is None or found.equals(pl.read_parquet(table))


def test_a_table_without_a_checksum_is_read(tmp_path):
    """As they were written before there was one."""
    pl.DataFrame({"clip_id": ["a"]}).write_parquet(tmp_path / "old.parquet")
    assert read_parquet(tmp_path / "old.parquet", ["clip_id"]).height == 1


def test_a_table_of_something_else_is_refused(table):
    refused(lambda: read_parquet(table, fingerprint="g"), table, "its fingerprint is 'f', expected 'g'")
    refused(lambda: read_parquet(table, ["clip_id", "frame"]), table, "it has no column frame")
    assert read_parquet(table, ["clip_id"], fingerprint="f").height == 50


# ---- settings, metrics, records ----


SHORT_OR_FOREIGN = {
    "empty": (b"", "Expecting value"),
    "cut": (b'{"scores": 1, "ru', "Unterminated string"),
    "zeros": (bytes(20), "Expecting value"),
    "no text": (b"\xff\xfe{", "can't decode"),
    "nested": (b"[" * 100_000, "recursion"),
    "a list": (b'["scores"]', "it holds no mapping"),
    "of something else": (b'{"scores": 1}', "it has no runs"),
}


@pytest.mark.parametrize("what", SHORT_OR_FOREIGN)
def test_json_that_is_short_or_foreign_is_refused(tmp_path, what):
    content, reason = SHORT_OR_FOREIGN[what]
    path = tmp_path / "metrics.json"
    path.write_bytes(b'{"scores": 1, "runs": {}}')
    assert read_json(path, ["scores", "runs"]) == {"scores": 1, "runs": {}}
    path.write_bytes(content)
    refused(lambda: read_json(path, ["scores", "runs"]), path, reason)


@pytest.mark.parametrize("name", ["settings.json", "official/seed-1/train.run.json"])
def test_a_run_with_a_foreign_file_is_refused(tmp_path, name):
    run = tmp_path / "official/seed-1"
    run.mkdir(parents=True)
    (run / "weights.safetensors").touch()
    made_with = {"encoder": {"model": "ViT-B-32", "pretrained": None}, "settings": {"checkpoint": None}}
    made_with |= {"text_file": None, "faces": {"weights": None}, "dataset": "data", "runs": {"official": "f"}}
    write_settings(made_with, tmp_path / "settings.json")
    write_json({}, tmp_path / name)
    refused(lambda: pack(run), tmp_path / name, "it has no")


# ---- features and crops ----


@pytest.fixture
def features(tmp_path):
    rows = sum(rows for _, _, rows in CLIPS)
    table = FeatureTable.of(CLIPS, torch.ones(rows, 2, 4, dtype=torch.float16), torch.ones(rows, dtype=torch.bool), {})
    write_features(table, tmp_path / "0.safetensors", "f", "face")
    return tmp_path / "0.safetensors"


@pytest.fixture
def crops(tmp_path):
    frames = {clip_id: [np.zeros((8, 8, 3), np.uint8)] * rows for clip_id, _, rows in CLIPS}
    write_crops([clip[:2] for clip in CLIPS], frames.get, 8, tmp_path / "1.safetensors", "f", "face", {})
    return tmp_path / "1.safetensors"


READERS = {
    "features": lambda path: read_features([path], "f", "face"),
    "crops": lambda path: CropTable([path], "f", "face"),
}


def rewritten(path: Path, change) -> None:
    """The file with other tensors, or another header."""
    tensors, header = load_file(path), open_tensors(path)[1]
    save_tensors(*change(tensors, header), path)


CHANGES = {
    "another fingerprint": lambda tensors, header: (tensors, header | {"fingerprint": "g"}),
    "another view": lambda tensors, header: (tensors, header | {"view": "context"}),
    "another version": lambda tensors, header: (tensors, header | {"format": "clip-caer 0"}),
    "rows missing": lambda tensors, header: ({name: tensor[1:] for name, tensor in tensors.items()}, header),
    "a clip too many": lambda tensors, header: (tensors, header | {"clips": [*header["clips"], ("c", "sha-c", 1)]}),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", READERS)
def test_a_store_of_something_else_is_refused(request, kind, change):
    path = request.getfixturevalue(kind)
    READERS[kind](path)
    rewritten(path, CHANGES[change])
    refused(lambda: READERS[kind](path), path)


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("part", [0, 0.05, 0.5, 0.99])
def test_a_store_that_is_cut_short_is_refused(request, kind, part):
    path = request.getfixturevalue(kind)
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    refused(lambda: READERS[kind](path), path)


@pytest.fixture
def weights_of_a_run(tmp_path):
    save_tensors({"ctx": torch.arange(99.0), "scale": torch.tensor(1.5)}, {"fingerprint": "f"}, tmp_path / "w")
    return tmp_path / "w"


def all_features(path: Path) -> tuple:
    table = read_features([path], "f", "face")
    return table.clips, table.features.tolist(), table.found.tolist(), table.damaged


def all_weights(path: Path) -> dict:
    return {name: tensor.tolist() for name, tensor in read_tensors(path, fingerprint="f").items()}


def header_of_crops(path: Path) -> tuple:
    """All but the pixels, that have no checksum."""
    table = CropTable([path], "f", "face")
    return table.clip_ids, table.sha256, table.length.tolist(), read_damaged(path)


@pytest.mark.parametrize(
    ("kind", "read"), [("features", all_features), ("weights_of_a_run", all_weights), ("crops", header_of_crops)]
)
@given(start=st.integers(0), length=st.integers(1, 40), flipped=FLIPPED)
def test_a_store_with_other_bytes_is_refused(request, kind, read, start, length, flipped):
    path = request.getfixturevalue(kind)
    damaged = path.with_name("damaged")
    damaged.write_bytes(other_bytes(path.read_bytes(), start, length, flipped))
    found = read_or_refused(lambda: read(damaged), damaged)
    assert found is None or found == read(path)


@pytest.mark.parametrize("kind", READERS)
def test_a_store_whose_header_changed_is_refused(request, kind):
    path = request.getfixturevalue(kind)
    content = path.read_bytes()
    for start in range(8, content.index(b"}}") + 2):
        path.write_bytes(other_bytes(content, start, 1, flipped=1))
        for read in (READERS[kind], read_damaged):
            read_or_refused(lambda read=read: read(path), path)
    path.write_bytes(content.replace(b"sha-a", b"sha-c"))
    refused(lambda: READERS[kind](path), path, "content has changed")
    refused(lambda: read_damaged(path), path, "content has changed")


def test_features_that_are_not_finite_are_refused(features):
    rewritten(features, lambda tensors, header: (tensors | {"features": tensors["features"] * torch.nan}, header))
    refused(lambda: READERS["features"](features), features, "not finite")


# ---- decoded frames, and faces ----


@pytest.fixture
def shard(tmp_path):
    """A shard of two videos, decoded."""
    rows = []
    for name, number in (("a", 3), ("b", 2)):
        write_video(tmp_path / f"{name}.mp4", draw_frames(number))
        rows.append((name, f"{name}.mp4", "video", number, f"sha-{name}", "ok", None))
    columns = ["clip_id", "source", "kind", "n_frames", "sha256", "status", "message"]
    table = pl.DataFrame(rows, schema=columns, orient="row").with_columns(pl.col("message").cast(pl.String))
    extract_shard(table, tmp_path, tmp_path / "frames/f/0", None, FFMPEG, "f")
    boxes = pl.DataFrame(
        [(name, 1, "face", 1.0, 2.0, 9.0, 9.0) for name in "ab"],
        schema=["clip_id", "frame", "kind", "x0", "y0", "x1", "y1"],
        orient="row",
    )
    return Shard(table, boxes, tmp_path, tmp_path / "frames/f/0", None)


def pictures(shard: Shard) -> list:
    return [picture for clip in shard.clips for picture in shard.pictures(clip)]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda folder: (folder / "a/2.jpg").unlink(), "frame 2 of the clip 'a' is missing or damaged"),
        (lambda folder: (folder / "a/2.jpg").write_bytes(b"\xff\xd8\xff"), "frame 2 of the clip 'a' is missing"),
        (lambda folder: shutil.rmtree(folder / "b"), "its frames of the clip 'b' is missing or damaged"),
        (lambda folder: (folder / "clips.parquet").write_bytes(b"PAR1"), ""),
        (lambda folder: write_parquet(pl.DataFrame(), folder / "clips.parquet", fingerprint="g"), "expected 'f'"),
    ],
)
def test_decoded_frames_that_are_lost_are_not_taken_for_a_damaged_clip(shard, damage, reason):
    damage(shard.frames_folder)
    refused(lambda: pictures(shard), shard.frames_folder, reason)


@pytest.fixture
def faces(shard, tmp_path):
    (tmp_path / "faces/g").mkdir(parents=True)
    path = tmp_path / "faces/g/0.parquet"
    write_parquet(shard_faces(shard, None, 8), path, fingerprint="g", clips=shard.digest)
    return path


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda table: table.filter(pl.col("frame") != 2), "it lacks frames of the clip 'a'"),
        (lambda table: table.filter(clip_id="a"), "it lacks frames of the clip 'b'"),
        (lambda table: table.drop("source"), "it has no column source"),
        (lambda table: table.with_columns(x0=pl.lit(float("nan"), pl.Float32)), "not finite"),
    ],
)
def test_faces_with_rows_missing_are_not_taken_for_clips_without_faces(shard, faces, change, reason):
    assert read_faces(faces, shard)["found"].all()
    write_parquet(change(pl.read_parquet(faces)), faces, fingerprint="g", clips=shard.digest)
    refused(lambda: read_faces(faces, shard), faces, reason)


def test_faces_of_other_clips_or_settings_are_refused(shard, faces):
    table = pl.read_parquet(faces)
    write_parquet(table, faces, fingerprint="h", clips=shard.digest)
    refused(lambda: read_faces(faces, shard), faces, "its fingerprint is 'h', expected 'g'")
    write_parquet(table, faces, fingerprint="g", clips="0123456789")
    refused(lambda: read_faces(faces, shard), faces, "its clips is '0123456789'")


# ---- weights ----


def test_detector_weights_with_a_wrong_sha256_are_refused_whenever_they_are_read(weights, tmp_path):
    check_released("mobile0.25", weights)
    rotten = tmp_path / "mobile0.25.onnx"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    rotten.write_bytes(content)
    refused(lambda: check_released("mobile0.25", rotten), rotten, "another sha256")
    rotten.unlink()
    with pytest.raises(UserError, match="No such file or directory"):
        check_released("mobile0.25", rotten)


@pytest.mark.parametrize("place", ["results/weights", "cache/clip-caer"])
def test_detector_weights_with_a_wrong_sha256_are_refused_by_describe(weights, tmp_path, monkeypatch, place):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    config = {"faces": {"detector": "mobile0.25", "weights": None}, "results": str(tmp_path / "results")}
    path = tmp_path / place / "mobile0.25.onnx"
    path.parent.mkdir(parents=True)
    shutil.copy(weights, path)
    assert detector_weights(config) == path
    path.write_bytes(path.read_bytes()[:-1])
    refused(lambda: detector_weights(config), path, "another sha256")


def test_the_weights_of_a_run_are_known_for_what_they_are(tmp_path):
    path, run = tmp_path / "weights.safetensors", {"model": "face", "split": "official", "seed": 1, "fingerprint": "f"}
    save_tensors({"ctx": torch.ones(2)}, run, path)
    assert read_tensors(path, **run)["ctx"].tolist() == [1, 1]
    for key, value in {"model": "context", "split": "kfold-1", "seed": 2, "fingerprint": "g"}.items():
        refused(lambda: read_tensors(path, **run | {key: value}), path, f"its {key} is")  # noqa: B023
    save_tensors({"ctx": torch.tensor([1, torch.nan])}, run, path)
    refused(lambda: read_tensors(path, **run), path, "ctx holds values that are not finite")
    path.write_bytes(path.read_bytes()[:-1])
    refused(lambda: read_tensors(path, **run), path)


@pytest.fixture
def tower(tmp_path) -> Path:
    save_random_clip(tmp_path / "clip")
    return tmp_path / "clip"


WEIGHTS = "open_clip_model.safetensors"


def change_weights(folder: Path, change) -> None:
    save_file(change(load_file(folder / WEIGHTS)), folder / WEIGHTS)


def change_sizes(folder: Path, sizes) -> None:
    config = read_json(folder / "open_clip_config.json")
    write_json(config | {"model_cfg": sizes}, folder / "open_clip_config.json")


TOWERS = {
    "gone": lambda folder: (folder / WEIGHTS).unlink(),  # open_clip would draw random ones, and say so in a warning
    "empty": lambda folder: (folder / WEIGHTS).write_bytes(b""),
    "cut short": lambda folder: (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:10_000]),
    "a tensor missing": lambda folder: change_weights(folder, lambda tensors: dict(list(tensors.items())[1:])),
    "not finite": lambda folder: change_weights(folder, lambda tensors: {n: t * torch.nan for n, t in tensors.items()}),
    "no JSON": lambda folder: (folder / "open_clip_config.json").write_text("{"),
    "no sizes": lambda folder: change_sizes(folder, 3),
    "odd sizes": lambda folder: change_sizes(folder, {"embed_dim": "x", "vision_cfg": {}, "text_cfg": {}}),
}


@pytest.mark.parametrize("damage", TOWERS)
def test_damaged_weights_of_clip_are_refused(tower, damage):
    load_clip(f"local-dir:{tower}", None)
    TOWERS[damage](tower)
    with pytest.raises(UserError, match=r"encoder: cannot load") as told:
        load_clip(f"local-dir:{tower}", None)
    assert str(tower) in str(told.value)


def test_a_damaged_config_of_clip_is_refused_where_no_weights_are_read(tower):
    assert embedding_width(f"local-dir:{tower}") > 0
    TOWERS["no JSON"](tower)
    with pytest.raises(UserError, match=r"open_clip_config.json.*Give a folder saved by open_clip"):
        embedding_width(f"local-dir:{tower}")


# ---- through the workflow ----


def test_a_damaged_cache_is_named_and_made_anew_once_it_is_deleted(small):
    (cache,) = small.results.glob("features/*/face/0.safetensors")
    before = cache.read_bytes()
    expected = (small.results / "summary/comparison.parquet").read_bytes()
    cache.write_bytes(before[: len(before) // 2])

    again = ("results/summary/comparison.parquet", "--forcerun", "train")
    outcome = small.fail(*again)
    assert f"{cache.relative_to(small.folder)}: this file cannot be used" in outcome.output
    assert "Delete it and start again" in outcome.output

    cache.unlink()
    small.run(*again)
    assert cache.read_bytes() == before
    assert (small.results / "summary/comparison.parquet").read_bytes() == expected


def test_a_header_is_plain_json(features):
    """No pickle, and nothing that runs: what a header says is data."""
    from safetensors import safe_open

    with safe_open(features, "pt") as file:
        assert json.loads(file.metadata()["header"])["fingerprint"] == "f"
