"""The report in a real browser: it opens, shows every picture, asks nothing of the network, and fits its screen."""

import pytest

from browser import look_at
from clip_caer.report import draw, render
from clip_caer.tracking.records import Record
from evidence import make_clips, make_evidence, make_roles

HOSTILE = """<script>document.title = "taken"</script><img src="http://example.invalid/x.png">"""


@pytest.fixture(scope="module")
def figures(evidence):
    return draw(evidence)


@pytest.fixture(scope="module")
def clips():
    return make_clips(students=40)


@pytest.fixture(scope="module")
def evidence(clips):
    return make_evidence(clips, make_roles(clips), seeds=2)


@pytest.fixture(scope="module")
def page(evidence, figures, clips):
    record = Record("key", "summary", "name", "fp", git_commit="7048b3b", versions={"torch": "2.13.0"})
    more = {"clips": clips, "roles": make_roles(clips), "config": {"dataset": {"path": "x" * 300}}, "record": record}
    return render(evidence, figures, question=f"what tells? {HOSTILE}", **more)


@pytest.mark.parametrize("width", [375, 1280])
def test_the_page_opens_and_fits(page, figures, tmp_path, width):
    seen = look_at(page, tmp_path, width)
    assert seen.page["title"] == f"what tells? {HOSTILE}"  # shown, not run
    assert seen.page["width"] == width
    assert seen.page["content"] == width  # nothing stands out to the right
    assert len(seen.page["images"]) == len(figures)
    assert all(min(sizes) > 100 for sizes in seen.page["images"])
    assert seen.page["scripts"] == 0
    assert len(seen.picture.getcolors(maxcolors=1 << 20)) > 20  # something is painted


def test_the_page_asks_nothing_of_the_network(page, tmp_path):
    seen = look_at(page, tmp_path, 1280)
    assert seen.requests == []
    assert all(link.startswith(("#", "data:")) for link in seen.page["links"])


def test_a_request_or_a_wide_box_would_be_seen(tmp_path):
    other = '<!DOCTYPE html><body><img src="http://example.invalid/x.png"><div style="width: 2000px">wide</div>'
    seen = look_at(other, tmp_path, 375)
    assert seen.requests == ["http://example.invalid/x.png"]
    assert seen.page["content"] > 2000
