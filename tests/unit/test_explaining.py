"""Heat maps and contact sheets."""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from clip_caer.cli import main
from clip_caer.errors import UserError
from clip_caer.explaining.clips import Case
from clip_caer.explaining.explain import explain
from clip_caer.explaining.gallery import SUFFIXES, write_gallery, write_sheet
from clip_caer.explaining.heat import _rollout, heat_maps
from clip_caer.explaining.sheet import contact_sheet, heated
from clip_caer.pictures.video import Damaged
from clip_caer.trained.file import write_model
from clip_caer.trained.model import Trained
from clips import FFMPEG, spoil, write_video
from packed_model import WORDS, detector_weights, draw_student, zero_shot
from tiny_clip import save_random_clip


@pytest.fixture(scope="module")
def resnet(request) -> Trained:
    return Trained(zero_shot(detector_weights(request)))


@pytest.fixture(scope="module")
def transformer(request, tmp_path_factory) -> Trained:
    return Trained(zero_shot(detector_weights(request), save_random_clip(tmp_path_factory.mktemp("vit"))))


def crops_of(trained: Trained, seed: int, thing: str) -> list[np.ndarray]:
    """Four square crops of a drawn student, as the context view has them."""
    from PIL import Image

    pictures = draw_student(seed, thing, frames=4)[:, :, 40:280]
    return [np.asarray(Image.fromarray(picture).resize((trained.size, trained.size))) for picture in pictures]


def maps_of(trained: Trained, crops: list, segments, k: int) -> dict[int, np.ndarray]:
    features, found = (x[None] for x in trained.encode(crops))
    return heat_maps(trained, {"context": crops}, {"context": features}, {"context": found}, segments, k)["context"]


@pytest.mark.parametrize("tower", ["resnet", "transformer"])
def test_a_map_is_in_range_and_leaves_no_trace(tower, request):
    trained = request.getfixturevalue(tower)
    crops = crops_of(trained, 1, "book")
    before = trained.encode(crops)[0]
    maps = maps_of(trained, [None, *crops[1:]], [0, 2], k=0)
    assert list(maps) == [2], "segment 0 shows nothing"
    assert maps[2].ndim == 2 and min(maps[2].shape) >= 4
    assert maps[2].min() >= 0 and maps[2].max() == pytest.approx(1)
    assert torch.equal(trained.encode(crops)[0], before)


@pytest.mark.parametrize("tower", ["resnet", "transformer"])
def test_covering_what_counts_costs_more_than_covering_what_does_not(tower, request):
    trained, costs = request.getfixturevalue(tower), []
    for seed, (k, thing) in product(range(4), enumerate(WORDS)):
        crops = crops_of(trained, seed, thing)
        maps = maps_of(trained, crops, range(4), k)
        hot, cold = (
            [covered(crop, maps[t], place) for t, crop in enumerate(crops)] for place in (np.argmax, np.argmin)
        )
        whole, without_hot, without_cold = (odds(trained, shown, k) for shown in (crops, hot, cold))
        costs.append((whole - without_hot, whole - without_cold))
    of_hot, of_cold = np.mean(costs, axis=0)
    assert of_hot > 0 and of_hot > 2 * of_cold


def covered(crop: np.ndarray, heat: np.ndarray, place) -> np.ndarray:
    """A crop with one cell of its map greyed out."""
    side = len(crop) // len(heat)
    y, x = np.unravel_index(place(heat), heat.shape)
    crop = crop.copy()
    crop[y * side : (y + 1) * side, x * side : (x + 1) * side] = crop.mean(axis=(0, 1))
    return crop


def odds(trained: Trained, crops: list[np.ndarray], k: int) -> float:
    features, found = (x[None] for x in trained.encode(crops))
    logits = trained.classify(trained.seen({"context": features}, {"context": found}))[0]
    return float(logits[k] - logits[torch.arange(len(logits)) != k].logsumexp(dim=0))


def test_rollout_by_hand():
    """Two layers, one head, a class token and one patch."""
    attention, gradient = torch.tensor([[0.5, 0.5], [0.2, 0.8]]), torch.tensor([[1.0, 2.0], [-1.0, 1.0]])
    weighted = torch.tensor([[0.5, 1.0], [0.0, 0.8]])
    expected = (torch.eye(2) + weighted) @ (torch.eye(2) + weighted)
    found = _rollout([(attention[None, None], gradient[None, None])] * 2)
    assert found.shape == (1, 1, 1) and found.item() == pytest.approx(expected[0, 1].item())


def test_a_tower_of_another_kind_is_refused():
    clip = SimpleNamespace(visual=torch.nn.Linear(1, 1))
    encoder = SimpleNamespace(clip=clip, stack=np.stack, prepare=lambda stacked: torch.zeros(1))
    other, crops = SimpleNamespace(encoder=encoder, views=("context",)), [np.zeros((4, 4, 3), np.uint8)]
    with pytest.raises(UserError, match="Linear is an image tower of which no heat map can be made"):
        heat_maps(other, {"context": crops}, {}, {}, [0], 0)


def test_a_clip_is_explained_on_a_sheet(tmp_path, resnet):
    video = write_video(tmp_path / "phone.mp4", draw_student(1, "phone", frames=9))
    case = Case("phone", video, FFMPEG, label="book")
    told = explain(case, resnet, resnet.load_detector())
    assert told.predicted == "phone" and told.share == {"context": 1.0}
    assert told.frames == [2, 4, 6, 8] and set(told.heat["context"]) == {0, 1, 2, 3}
    sheet = np.asarray(contact_sheet([told, told, told], "three"))
    assert (sheet[:64] != 255).any() and sheet.shape[1] > 2 * 4 * 100
    for suffix in SUFFIXES:
        write_sheet([told], resnet, tmp_path / f"sheet{suffix}")
        assert (tmp_path / f"sheet{suffix}").stat().st_size > 1000


@pytest.fixture
def folder(tmp_path):
    """A sound video between two that are damaged: one within, one that is none."""
    spoil(write_video(tmp_path / "videos/1.mp4", draw_student(1, "phone", frames=9)))
    write_video(tmp_path / "videos/2.mp4", draw_student(1, "phone", frames=9))
    (tmp_path / "videos/3.mp4").write_text("no video")
    return tmp_path / "videos"


def test_a_damaged_clip_is_told(folder, resnet, tmp_path):
    for name in ("1.mp4", "3.mp4"):
        with pytest.raises(Damaged):
            explain(Case("x", folder / name, FFMPEG), resnet, resnet.load_detector())
    cases = [Case(file.name, file, FFMPEG) for file in sorted(folder.iterdir())]
    with pytest.raises(UserError, match=r"(?s)2 problems.*1.mp4 is damaged: .*3.mp4 is damaged: "):
        write_gallery(cases, resnet, tmp_path / "gallery.png")
    assert not (tmp_path / "gallery.png").exists()


def test_damaged_videos_are_left_out_and_told_and_the_others_are_explained(folder, tmp_path, capsys, request):
    model, sheet = tmp_path / "model.safetensors", tmp_path / "sheet.png"
    write_model(zero_shot(detector_weights(request)), model)
    command = ["explain", "--run", str(model), "--output", str(sheet)]
    assert main([*command, str(folder)]) == 1
    shown = capsys.readouterr()
    complaints = [line for line in shown.err.splitlines() if line.startswith("clip-caer explain: ")]
    assert [line.split(" is damaged: ")[0] for line in complaints] == [
        f"clip-caer explain: {folder / name}" for name in ("1.mp4", "3.mp4")
    ]
    assert f"written to {sheet}" in shown.out and sheet.is_file()
    sheet.unlink()
    assert main([*command, str(folder / "1.mp4"), str(folder / "3.mp4")]) == 1
    shown = capsys.readouterr()
    assert "No clip can be explained: 2 problems." in shown.err and not shown.out and not sheet.exists()
    assert main([*command, str(folder / "2.mp4")]) == 0


def test_heat_glows_where_it_counts():
    crop = np.full((8, 8, 3), 120, np.uint8)
    heat = np.zeros((2, 2))
    heat[0, 0] = 1
    shown = heated(crop, heat).astype(int)
    assert shown[0, 0].sum() > shown[7, 7].sum() + 100
