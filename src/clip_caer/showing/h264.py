"""Pictures into a video that every browser plays."""

import subprocess
import tempfile
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import ffmpeg as ffmpeg_python
import numpy as np

from clip_caer.errors import UserError
from clip_caer.files import atomic

_COLOURS = {"colorspace": "bt709", "color_primaries": "bt709", "color_trc": "bt709"}
_H264 = {"vcodec": "libx264", "preset": "veryfast", "crf": 20, "pix_fmt": "yuv420p", "movflags": "+faststart"}


def write_h264(pictures: Iterable[np.ndarray], path: str | Path, rate: float, ffmpeg: str) -> None:
    """Write uint8 [H, W, 3] RGB pictures of one even size as H.264 in MP4, atomically, one after the other.

    rate: frames a second. ffmpeg: path of the program. Raises UserError if ffmpeg cannot write it.
    """
    pictures = iter(pictures)
    first = next(pictures)
    size = f"{first.shape[1]}x{first.shape[0]}"
    source = ffmpeg_python.input("pipe:", format="rawvideo", pix_fmt="rgb24", s=size, framerate=f"{rate:.6f}")
    source = source.filter("scale", out_color_matrix="bt709", out_range="limited")
    with atomic(path) as temporary, tempfile.TemporaryFile() as log:
        output = source.output(str(temporary), **_H264, **_COLOURS, loglevel="error")
        command = output.compile(cmd=ffmpeg, overwrite_output=True)
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=log)
        try:
            for picture in chain([first], pictures):
                process.stdin.write(np.ascontiguousarray(picture))
            process.stdin.close()
        except BrokenPipeError:  # ffmpeg has ended, and its log says why
            pass
        except BaseException:
            process.kill()
            raise
        finally:
            process.wait()
        if process.returncode:
            log.seek(0)
            raise UserError(f"{path} cannot be written: {log.read().decode(errors='replace').strip()}")
