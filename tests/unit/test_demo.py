from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from clip_caer.demo.dataset import CLASSES, best_uar, draw_clip, make_demo, plan_clips
from clip_caer.demo.drawing import Scene
from clip_caer.demo.face import EXPRESSIONS
from clip_caer.demo.look import new_look
from clip_caer.demo.rooms import SETTINGS
from clip_caer.demo.student import sway
from clip_caer.demo.things import OBJECTS
from clip_caer.errors import UserError
from clip_caer.files import read_json
from clip_caer.pictures.video import count_frames, find_ffmpeg

TINY_CLIP = Path(__file__).parents[2] / "workflow" / "demo" / "tiny-clip"


def draw(seed: int, setting: str, thing: str, expression: str, hidden: str | None = None):
    """A picture and its face box; the seed decides everything that the other arguments do not name."""
    rng = np.random.default_rng((9, seed))
    look, companion = new_look(rng), new_look(rng)
    scene = Scene(setting, look, thing, rng, companion if seed % 2 else None)
    pose = sway(1, rng)[0]
    return scene.draw(pose, EXPRESSIONS[expression], hidden), scene.face_box(pose)


def inside(box, margin: float) -> np.ndarray:
    """Bool [240, 320]: the pixels of the box and `margin` around it."""
    y, x = np.mgrid[:240, :320]
    x0, y0, x1, y1 = box
    return (x >= x0 - margin) & (x <= x1 + margin) & (y >= y0 - margin) & (y <= y1 + margin)


@pytest.mark.parametrize("seed", range(8))
def test_only_the_face_tells_the_expression(seed):
    setting, thing = SETTINGS[seed % 4], OBJECTS[seed % 3]
    pictures = [draw(seed, setting, thing, expression) for expression in EXPRESSIONS]
    face = inside(pictures[0][1], margin=0)
    for picture, _ in pictures[1:]:
        changed = (picture != pictures[0][0]).any(axis=2)
        assert not changed[~face].any()
        assert changed[face].mean() > 0.02


@pytest.mark.parametrize("seed", range(8))
def test_the_face_does_not_tell_the_object(seed):
    pictures = [draw(seed, SETTINGS[seed % 4], thing, "smile") for thing in OBJECTS]
    face = inside(pictures[0][1], margin=9)
    for picture, _ in pictures[1:]:
        changed = (picture != pictures[0][0]).any(axis=2)
        assert not changed[face].any()
        assert changed[~face].mean() > 0.02


@pytest.mark.parametrize("hidden", ["turned", "covered"])
def test_a_hidden_face_shows_no_expression(hidden):
    first, second = (draw(1, "library", "phone", expression, hidden)[0] for expression in ("smile", "sleepy"))
    assert np.array_equal(first, second)


@pytest.mark.parametrize(("students", "clips", "least"), [(30, 180, 12), (8, 24, 3), (4, 15, 3)])
def test_every_class_has_clips_of_several_students(students, clips, least):
    plans = plan_clips(students, clips, seed=1)
    assert len(plans) == clips
    assert len({clip.student for clip in plans}) == students
    for label in CLASSES:
        own = [clip for clip in plans if clip.label == label]
        assert len(own) >= least
        assert len({clip.student for clip in own}) >= 3
        assert {clip.split for clip in own} == {"train", "test"}


def test_the_course_of_the_clips():
    plans = plan_clips(30, 180, seed=1)
    seen = Counter((clip.label, clip.shows("face"), clip.shows("context")) for clip in plans)
    assert seen.pop(("neutrality", "none", "book")) == 1  # the clip without any face
    assert set(seen) == {
        ("neutrality", "neutral", "book"),
        ("enjoyment", "smile", "book"),
        ("confusion", "sleepy then frown", "laptop"),
        ("fatigue", "frown then sleepy", "laptop"),
        ("distraction", "neutral", "phone"),
    }
    assert all(16 <= clip.frames <= 60 and 0.4 <= clip.change <= 0.6 for clip in plans)
    assert sum(clip.companion for clip in plans) >= 5
    assert 5 <= sum(0 < len(clip.hidden) < clip.frames for clip in plans) < 90


def test_best_uar_by_hand():
    plans = plan_clips(30, 180, seed=1)
    kinds = {label: next(c for c in plans if c.label == label and not c.hidden) for label in CLASSES}
    faceless = next(clip for clip in plans if clip.shows("face") == "none")
    clips = [kinds["neutrality"]] * 3 + [faceless] + [kinds["distraction"]] * 2
    # The face: "neutral" is best called distraction (3/4 against 2/2 of the classes), "none" is neutrality (1/4).
    assert best_uar(clips, ["face"]) == pytest.approx((1 / 4 + 1) / 2)
    assert best_uar(clips, ["context"]) == 1
    assert best_uar([*clips, kinds["enjoyment"]], ["context"]) == pytest.approx(2 / 3)
    assert best_uar([*clips, kinds["enjoyment"]], ["context", "face"]) == 1


def test_too_small_a_demo_is_refused():
    with pytest.raises(UserError, match="14 clips are too few"):
        plan_clips(students=8, clips=14, seed=1)
    with pytest.raises(UserError, match="2 students"):
        plan_clips(students=2, clips=24, seed=1)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    make_demo(folder, students=4, clips=15, seed=3, ffmpeg=find_ffmpeg("bundled"), workers=2)
    return folder


def test_the_sheet_and_its_videos(demo):
    sheet = pl.read_csv(demo / "clips.csv")
    assert sheet.columns == ["video", "label", "subject", "setting", "split"]
    assert set(sheet["label"]) == set(CLASSES)
    assert set(sheet["split"]) == {"train", "test"}
    assert sheet.group_by("subject").agg(pl.col("setting").n_unique())["setting"].to_list() == [1] * 4
    assert sorted(str(video.relative_to(demo)) for video in demo.rglob("*.mp4")) == sheet["video"].to_list()
    expected = sorted(clip.frames for clip in plan_clips(4, 15, 3))
    assert sorted(count_frames(demo / video, find_ffmpeg("bundled")) for video in sheet["video"]) == expected


def test_the_truth_is_what_the_classes_plan(demo):
    truth = read_json(demo / "demo_truth.json")
    assert list(truth) == ["context", "face", "context+face"]
    assert truth["context"] == pytest.approx(0.6)
    assert 0.8 <= truth["face"] < 1
    assert truth["context+face"] == 1


def test_the_same_seed_gives_the_same_demo(demo, tmp_path):
    make_demo(tmp_path, students=4, clips=15, seed=3, ffmpeg=find_ffmpeg("bundled"))
    for name in ("clips.csv", "demo_truth.json"):
        assert (tmp_path / name).read_bytes() == (demo / name).read_bytes()
    clip = plan_clips(4, 15, seed=3)[0]
    first, again, other = (np.stack(list(draw_clip(clip, seed))) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_tiny_clip_reads_the_drawings():
    """Zero-shot, by short captions, on whole pictures and roughly cut faces of students that it has not seen."""
    import torch
    from PIL import Image

    from clip_caer import torchvision_on_cpu  # noqa: F401  (before open_clip)

    import open_clip  # isort: skip

    assert sum(file.stat().st_size for file in TINY_CLIP.iterdir()) <= 10e6
    clip, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{TINY_CLIP}")
    clip.eval()
    assert {parameter.dtype for parameter in clip.parameters()} == {torch.float32}
    tokenizer = open_clip.get_tokenizer(f"local-dir:{TINY_CLIP}")

    def right(images, words, answers):
        with torch.inference_mode():
            features = clip.encode_image(torch.stack([preprocess(image) for image in images]), normalize=True)
            texts = clip.encode_text(tokenizer(words), normalize=True)
        return ((features @ texts.T).argmax(dim=1).numpy() == np.array(answers)).mean()

    def letterbox(image):
        square = Image.new("RGB", (max(image.size),) * 2)
        square.paste(image, ((square.width - image.width) // 2, (square.height - image.height) // 2))
        return square

    faces, contexts, expressions, objects = [], [], [], []
    for seed in range(24):
        expression, thing = seed % 4, seed % 3
        picture, box = draw(seed, SETTINGS[seed // 6], OBJECTS[thing], list(EXPRESSIONS)[expression])
        image = Image.fromarray(picture)
        faces.append(letterbox(image.crop([round(v + m) for v, m in zip(box, (-6, -6, 6, 6), strict=True)])))
        contexts.append(letterbox(image))
        expressions.append(expression)
        objects.append(thing)
    assert right(faces, [f"a {word} face" for word in ("neutral", "smiling", "frowning", "sleepy")], expressions) > 0.9
    words = ["a book in both hands", "a laptop on the desk", "a phone in the hand"]
    assert right(contexts, words, objects) > 0.85
