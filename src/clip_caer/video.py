"""Videos, read by ffmpeg: how many frames there are, and the frames themselves as JPEG pictures."""

import re
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

import ffmpeg
import imageio_ffmpeg
from PIL import Image

from clip_caer.errors import UserError

# What is opened as a video. Of other files ffmpeg would wait for the next part of a playlist for ever, draw their text,
# run a script, or read whatever files they name.
_FORMATS = (
    "apng,asf,av1,avi,dhav,dv,flv,gif,gxf,h263,h264,hevc,ivf,m4v,matroska,mjpeg,mov,mpeg,mpegts,mpegvideo,mxf,nut,obu,"
    "ogg,rm,vc1,vvc,webp_anim,wtv,yuv4mpegpipe"
)
_DISCARD = 0x4  # flag of a packet that an edit list hides
_FULL = ("No space left on device", "Disk quota exceeded")
_NOT_THE_VIDEO = (*_FULL, "received signal")
_KILLED = (-signal.SIGTERM, -signal.SIGKILL)  # by a scheduler, say, or for want of memory
_CUT_SHORT = re.compile(r"File ended prematurely|partial file")  # errors that ffmpeg forgives, even with -xerror


class Damaged(Exception):
    """A clip cannot be used, and why: a value of the clip, not a failure of the run."""


def find_ffmpeg(which: str) -> str:
    """Path of the ffmpeg to use. which: bundled (imageio-ffmpeg's) | system (the one on PATH)."""
    if which == "system":
        path = shutil.which("ffmpeg")
        if path is None:
            raise UserError("frames.ffmpeg: system, but there is no ffmpeg on PATH. Install it, or set it to bundled.")
        return path
    try:
        return imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:
        raise UserError("frames.ffmpeg: bundled, but imageio-ffmpeg brings none here. Set it to system.") from error


def count_frames(video: str | Path, ffmpeg_path: str) -> int:
    """Number of frames that a player would show, one or more. Reads the container and decodes nothing, where it can.

    Raises `Damaged` if the video cannot be read to its end or has no frames.
    """
    packets = _list_packets(video, ffmpeg_path, c="copy", copyinkf=None)
    if re.search("^#codec_id 0: vp8$", packets, re.MULTILINE):  # only its decoder knows which packets are never shown
        packets = _list_packets(video, ffmpeg_path, fps_mode="passthrough")
    lines = [line for line in packets.splitlines() if not line.startswith("#")]
    flags = [int(match[1], 16) if (match := re.search(r"F=0x([0-9A-F]+)", line)) else 0 for line in lines]
    n_frames = sum(not flag & _DISCARD for flag in flags)
    if n_frames == 0:
        raise Damaged("no frames")
    return n_frames


def extract_clip(
    video: str | Path, folder: str | Path, numbers: Sequence[int] | None, ffmpeg_path: str
) -> tuple[int, int, int]:
    """Decode a video once and write its frames, all or those with the given numbers, to `folder`/{number}.jpg.

    numbers: ascending, 1-based. The pictures stand upright and have JPEG's own colours (BT.601, full range), whatever
    the video's were; a video that does not name its colours is taken for BT.601 in limited range.
    Returns the number of frames decoded, and the pictures' width and height in pixels.
    Raises `Damaged` at any error of the decoder: what it makes up beyond that is no data.
    """
    folder = Path(folder).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    stream = _open(video)
    if numbers is not None:
        stream = stream.filter("select", "+".join(f"eq(n,{number - 1})" for number in numbers))
    stream = stream.filter("scale", out_color_matrix="bt601", out_range="full", flags="bicubic+accurate_rnd")
    pattern = str(folder).replace("%", "%%") + "/%d.jpg"
    stream = stream.filter("format", "yuvj420p").filter("setpts", "N/TB")  # the encoder refuses two frames at one time
    options = {"fps_mode": "passthrough", "enc_time_base": "1:1", "qscale:v": 2, "threads": 1}
    output = stream.output(pattern, format="image2", **options)
    log = _run(output, video, ffmpeg_path)[1]
    n_frames = int(re.search(r"(\d+) frames decoded", log)[1])
    if n_frames < (numbers[-1] if numbers else 1):
        raise Damaged(f"decoded {n_frames} frames, and frame {numbers[-1]} is wanted" if numbers else "no frames")
    for i in reversed(range(len(numbers or ()))):  # ffmpeg counts what it writes; the last first, so that none collide
        (folder / f"{i + 1}.jpg").rename(folder / f"{numbers[i]}.jpg")
    with Image.open(folder / f"{numbers[0] if numbers else 1}.jpg") as picture:
        return n_frames, *picture.size


def _open(video: str | Path) -> ffmpeg.nodes.FilterableStream:
    """The first video stream that is not a cover picture. Absolute, since ffmpeg takes a:b for a protocol."""
    options = {"threads": 1, "err_detect": "explode", "protocol_whitelist": "file"}
    options["format_whitelist"] = _FORMATS
    return ffmpeg.input(str(Path(video).absolute()), **options)["V:0"]


def _list_packets(video: str | Path, ffmpeg_path: str, **options: str | None) -> str:
    return _run(_open(video).output("pipe:1", format="framecrc", **options), video, ffmpeg_path)[0]


def _run(output: ffmpeg.nodes.OutputStream, video: str | Path, ffmpeg_path: str) -> tuple[str, str]:
    """What ffmpeg wrote to its standard output, and its log. Raises `Damaged` with the log's first complaint."""
    log_options = ("-hide_banner", "-nostats", "-loglevel", "level+verbose")  # verbose counts the frames decoded
    command = output.global_args("-nostdin", "-xerror", "-filter_complex_threads", "1", *log_options)
    process = command.run_async(cmd=ffmpeg_path, pipe_stdout=True, pipe_stderr=True, overwrite_output=True)
    stdout, log = (stream.decode(errors="replace") for stream in process.communicate())
    errors = [line for line in log.splitlines() if "[error]" in line or "[fatal]" in line]
    if process.returncode in _KILLED or (process.returncode and any(trouble in log for trouble in _NOT_THE_VIDEO)):
        full = next((trouble for trouble in _FULL if trouble in log), None)
        reason = full or (_tell(errors[-1], video) if errors else f"it was killed (signal {-process.returncode})")
        cure = f"Make room in {Path(output.node.kwargs['filename']).parent}" if full else "Mend that"
        raise UserError(f"ffmpeg was stopped while it read {video}: {reason}. {cure}, and start again.")
    if process.returncode:
        raise Damaged(_tell(errors[0] if errors else f"ffmpeg ended with {process.returncode}", video))
    for line in filter(_CUT_SHORT.search, errors):
        raise Damaged(_tell(line, video))
    return stdout, log


def _tell(line: str, video: str | Path) -> str:
    """A line of ffmpeg's log without its marks, and without where the video lies."""
    if "Format not on whitelist" in line:
        return "not a video"
    if "matches no streams" in line:
        return "no video stream"
    if "Invalid pts" in line:  # the filters began anew
        return "the size or format of the picture changes within the video"
    line = re.sub(r"^(\[[^]]*\] *)+", "", line).replace(f"{Path(video).absolute()}: ", "")
    return re.sub(r"^Task finished with error code: -?\d+ \((.*)\)$", r"\1", line)
