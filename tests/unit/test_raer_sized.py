"""The made dataset of RAER's size has what can be counted in RAER."""

from collections import Counter
from statistics import median

import pytest

from clip_caer.dataset import read_dataset
from raer_sized import plan_clips, write_raer_sized

CLASSES = ["neutrality", "enjoyment", "confusion", "fatigue", "distraction"]


@pytest.fixture(scope="module")
def clips():
    return list(plan_clips())


def test_clips_frames_and_students_are_as_many(clips):
    lengths = [len(clip.frames) for clip in clips]
    assert (len(lengths), sum(lengths), min(lengths), median(lengths), max(lengths)) == (2649, 81_873, 30, 31, 59)
    students = Counter(clip.student for clip in clips)
    assert len(students) == 141 and min(students.values()) >= 4 and max(students.values()) == 59
    assert len({clip.student for clip in clips if clip.label == 3}) == 18
    in_train, in_test = ({clip.student for clip in clips if clip.role == role} for role in ("train", "test"))
    assert in_test <= in_train
    assert len({clip.path for clip in clips}) == len(clips)


def test_ten_times_the_clips_are_ten_times_everything(clips):
    many = list(plan_clips(10))
    assert len({clip.path for clip in many}) == len(many) == 10 * len(clips)
    assert len({clip.student for clip in many}) == 1410


def test_it_is_read_without_complaint(clips, tmp_path):
    write_raer_sized(tmp_path, height=36)

    settings = {"reader": "raer", "path": tmp_path / "RAER", "labels": "fine", "label_sets": {"fine": CLASSES}}
    dataset = read_dataset(settings)

    counts = Counter(dataset.clips.select("role", "label").rows())
    assert [counts["train", label] for label in CLASSES] == [1383, 129, 30, 157, 422]
    assert [counts["test", label] for label in CLASSES] == [345, 32, 7, 39, 105]
    assert dataset.clips["subject"].n_unique() == 141
    faces, people = (dataset.boxes.filter(kind=kind) for kind in ("face", "person"))
    assert len(people) == 2649
    assert 0.9 < len(faces) / 81_873 < 1, "some frames and clips have none"
    assert dataset.boxes["x0"].min() < 0, "as in RAER, corners may lie outside the picture"


def test_it_is_drawn_alike_every_time(clips):
    assert all(map(lambda a, b: a[:4] == b[:4] and (a.frames == b.frames).all(), clips, plan_clips()))
