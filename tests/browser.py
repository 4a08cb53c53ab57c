"""A page in headless Chromium, looked at through a frame of a given width, as a phone or a screen would show it."""

import html
import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image

from debian import install

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=5000"),
)
LOOK = """
<script>
onload = () => {
  const page = document.querySelector("iframe").contentDocument, root = page.documentElement
  const boxes = [...page.images].map(image => [image.naturalWidth, image.clientWidth, image.clientHeight])
  const links = [...page.querySelectorAll("[src], [href]")].map(e => e.getAttribute("src") || e.getAttribute("href"))
  document.getElementById("seen").textContent = JSON.stringify({
    title: page.title, text: page.body.innerText, scripts: page.scripts.length, images: boxes, links,
    width: root.clientWidth, content: root.scrollWidth, height: root.scrollHeight,
  })
}
</script>
"""


class Seen(NamedTuple):
    """page: what a script found in it. requests: addresses that it asked of the network. picture: of its top."""

    page: dict[str, Any]
    requests: list[str]
    picture: Image.Image


@cache
def find_browser() -> str:
    """A Chromium; installed where this is a Debian on which we may. Skips the test where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    failed = None if found else install("chromium")
    return found or shutil.which(NAMES[0]) or pytest.skip(f"there is no Chromium: {failed}")


def look_at(page: str, folder: Path, width: int) -> Seen:
    """Open the text of a page in a frame of `width` pixels. folder: an empty one, for the browser's files."""
    frame = f'<iframe style="border:0;width:{width}px;height:1600px" srcdoc="{html.escape(page)}"></iframe>'
    outer = f'<!DOCTYPE html><body style="margin:0">{frame}<pre id="seen"></pre>{LOOK}'
    (folder / "outer.html").write_text(outer, encoding="utf-8")
    log, picture = folder / "net.json", folder / "picture.png"
    command = [find_browser(), *FLAGS, f"--user-data-dir={folder / 'profile'}", f"--window-size={max(width, 500)},1600"]
    address = (folder / "outer.html").as_uri()
    subprocess.run([*command, f"--screenshot={picture}", address], check=True, capture_output=True, timeout=120)
    dom = subprocess.run(
        [*command, f"--log-net-log={log}", "--dump-dom", address], check=True, capture_output=True, timeout=120
    ).stdout.decode()
    found = html.unescape(dom.rpartition('<pre id="seen">')[2].partition("</pre>")[0])
    events = json.loads(log.read_text(encoding="utf-8"))["events"]
    started = [event["params"] for event in events if "initiator" in event.get("params", {})]
    asked = {request["url"] for request in started if request["initiator"] != "not an origin"}  # that is the browser
    with Image.open(picture) as image:
        seen = image.convert("RGB").crop((0, 0, width, 1600))
    return Seen(json.loads(found), sorted(asked), seen)
