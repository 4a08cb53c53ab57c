"""The feature store keeps what it was given, and refuses what is not what it should be."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from clip_caer.caching.features import FeatureTable, encode_clips, read_features, write_features
from clip_caer.errors import UserError
from clip_caer.pictures.video import Damaged
from clip_caer.store import open_tensors, read_damaged, save_tensors


class MeanColour:
    """An encoder whose features can be told by eye: (mean red, red of the leftmost column, 1)."""

    width = 3

    def stack(self, crops):
        return torch.from_numpy(np.stack(crops))

    def prepare(self, stacked):
        return stacked.permute(0, 3, 1, 2).float()

    def encode(self, images):
        red = images[:, 0]
        return torch.stack([red.mean((1, 2)), red[:, :, 0].mean(1), torch.ones(len(images))], 1)


def crop(left, right):
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[:, :2, 0], picture[:, 2:, 0] = left, right
    return picture


def load(clip_id):
    if clip_id == "broken":
        raise Damaged("truncated")
    return {"a": [crop(10, 20), None, crop(30, 50)], "b": [crop(1, 3)], "faceless": [None, None]}[clip_id]


@pytest.fixture
def table():
    clips = [("a", "sha-a"), ("broken", "sha-x"), ("faceless", "sha-f"), ("b", "sha-b")]
    return encode_clips(clips, load, MeanColour(), batch=4)


@pytest.fixture
def path(table, tmp_path):
    write_features(table, tmp_path / "0.safetensors", "0123456789", "face")
    return tmp_path / "0.safetensors"


def test_every_frame_has_both_variants_and_missing_faces_are_masked(table):
    assert table.clip_ids == ["a", "faceless", "b"]
    assert table.length.tolist() == [3, 2, 1]
    assert table.start.tolist() == [0, 3, 5]
    assert table.found.tolist() == [True, False, True, False, False, True]
    assert table.features.dtype == torch.float16
    assert table.features[0].tolist() == [[15, 10, 1], [15, 20, 1]]  # identity, hflip
    assert table.features[2].tolist() == [[40, 30, 1], [40, 50, 1]]
    assert not table.features[~table.found].any()
    assert table.damaged == {"broken": "truncated"}


def test_what_is_written_is_read(table, path):
    read = read_features([path], "0123456789", "face")
    assert read.clips == table.clips
    assert torch.equal(read.features, table.features)
    assert torch.equal(read.found, table.found)
    assert read_damaged(path) == {"broken": "truncated"}


def test_shards_are_put_together_and_clips_selected_in_any_order(table, tmp_path):
    empty = encode_clips([], load, MeanColour(), batch=4)
    for number, part in enumerate([table, empty, encode_clips([("b", "sha-b")], load, MeanColour(), 4)]):
        write_features(part, tmp_path / f"{number}.safetensors", "0123456789", "face")
    whole = read_features([tmp_path / f"{n}.safetensors" for n in range(3)], "0123456789", "face")
    assert whole.clip_ids == ["a", "faceless", "b", "b"]
    assert whole.start.tolist() == [0, 3, 5, 6]
    chosen = whole.select(["faceless", "a"])
    assert chosen.start.tolist() == [3, 0]
    assert chosen.length.tolist() == [2, 3]


def test_equal_features_give_equal_bytes(table, path, tmp_path):
    write_features(table, tmp_path / "again.safetensors", "0123456789", "face")
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(("fingerprint", "view"), [("9876543210", "face"), ("0123456789", "context")])
def test_a_foreign_file_is_refused(path, fingerprint, view):
    with pytest.raises(UserError, match=r"0\.safetensors.*expected"):
        read_features([path], fingerprint, view)


def test_a_file_has_the_permissions_of_any_new_file(path, tmp_path):
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_file_cut_short_is_refused(path):
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(UserError, match=r"0\.safetensors"):
        read_features([path], "0123456789", "face")


@pytest.mark.parametrize("change", ["rows", "nan"])
def test_missing_rows_and_nan_are_refused(path, change):
    tensors, (_, header) = load_file(path), open_tensors(path)
    if change == "rows":
        tensors = {name: tensor[:-1].clone() for name, tensor in tensors.items()}
    else:
        tensors["features"][0, 0, 0] = torch.nan
    save_tensors(tensors, header, path)
    with pytest.raises(UserError, match="rows" if change == "rows" else "not finite"):
        read_features([path], "0123456789", "face")


def test_features_that_do_not_fit_half_precision_are_an_error():
    class Huge(MeanColour):
        def encode(self, images):
            return super().encode(images) * 1e6

    with pytest.raises(UserError, match=r"clip 'a'.*not finite"):
        encode_clips([("a", "sha")], load, Huge(), batch=4)


def test_an_unknown_clip_cannot_be_selected(table):
    with pytest.raises(KeyError):
        table.select(["nobody"])
    assert isinstance(table, FeatureTable)
