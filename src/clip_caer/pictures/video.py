"""Videos, read by ffmpeg: how many frames there are, when each is shown, and the frames themselves as JPEG pictures."""

import re
import resource
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import IO

import ffmpeg
import imageio_ffmpeg
from PIL import Image

from clip_caer.errors import UserError, refused
from clip_caer.files import sha256_file

# What is opened as a video. Of other files ffmpeg would wait for the next part of a playlist for ever, draw their text,
# run a script, or read whatever files they name.
_FORMATS = (
    "apng,asf,av1,avi,dhav,dv,flv,gif,gxf,h263,h264,hevc,ivf,m4v,matroska,mjpeg,mov,mpeg,mpegts,mpegvideo,mxf,nut,obu,"
    "ogg,rm,vc1,vvc,webp_anim,wtv,yuv4mpegpipe"
)
_DISCARD = 0x4  # flag of a packet that an edit list hides
_ROOM, _MEMORY = "Make room where results are kept", "Allow more memory (ulimit -v) or threads (ulimit -u)"
_CURES = {"No space left on device": _ROOM, "Disk quota exceeded": _ROOM, "pthread_create() failed": _MEMORY}
_SHORT_OF_MEMORY = {"Cannot allocate memory": _MEMORY, "get_buffer() failed": _MEMORY}
_STOPPED = re.compile(r"^\[info\] Exiting normally, received signal", re.MULTILINE)
_UNKNOWN = -(2**63)  # time of a packet whose container does not say when it is shown
_KILLED = (-signal.SIGTERM, -signal.SIGKILL)  # by a scheduler, say, or for want of memory
_PICTURES = {"fps_mode": "passthrough", "enc_time_base": "1:1", "qscale:v": 2, "huffman": "default", "threads": 1}
_DECODED = re.compile(r"Input stream \S+ \(video\): .*; (\d+) frames decoded")
_HDR = re.compile(r"Stream #0\S* Video: .*(smpte2084|arib-std-b67)")  # the two transfer functions of HDR, PQ and HLG
_ERROR = re.compile(r"(\[[^]]* @ 0x[0-9a-f]+\] )*\[(error|fatal)\]")
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
    return len(frame_times(video, ffmpeg_path))


def frame_times(video: str | Path, ffmpeg_path: str) -> list[float]:
    """When each frame that a player would show is shown, in seconds from the first; raises as `count_frames`."""
    packets = _list_packets(video, ffmpeg_path, c="copy", copyinkf=None)
    if re.search("^#codec_id 0: vp8$", packets, re.MULTILINE):  # only its decoder knows which packets are never shown
        packets = _list_packets(video, ffmpeg_path, fps_mode="passthrough")
    times = []
    for line in packets.splitlines():
        flag = re.search(r"F=0x([0-9A-F]+)", line)
        if not line.startswith("#") and not (flag and int(flag[1], 16) & _DISCARD):
            decoded, shown = map(int, line.split(",")[1:3])
            times.append(decoded if shown == _UNKNOWN else shown)
    if not times:
        raise Damaged("no frames")
    tick, first = Fraction(re.search("^#tb 0: (.*)$", packets, re.MULTILINE)[1]), min(times)
    return [float((time - first) * tick) for time in sorted(times)]


def extract_clip(
    video: str | Path, folder: str | Path, numbers: Sequence[int] | None, ffmpeg_path: str
) -> tuple[int, int, int]:
    """Decode a video once and write its frames, all or those with the given numbers, to `folder`/{number}.jpg.

    numbers: ascending, 1-based. The pictures stand upright and have JPEG's own colours (BT.601, full range), whatever
    the video's were; a video that does not name its colours is taken for BT.601 in limited range. In HDR, what is
    brighter than white becomes white; transparency is ignored.
    Returns the number of frames decoded, and the pictures' width and height in pixels.
    Raises `Damaged` at any error of the decoder: what it makes up beyond that is no data.
    """
    folder = Path(folder).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    pattern = str(folder).replace("%", "%%") + "/%d.jpg"
    log = _run(_pictures(video, numbers).output(pattern, format="image2", **_PICTURES), video, ffmpeg_path)[1]
    if _HDR.search(log):  # rare enough to be found out only now
        output = _pictures(video, numbers, hdr=True).output(pattern, format="image2", **_PICTURES)
        log = _run(output, video, ffmpeg_path)[1]
    n_frames = int(_DECODED.search(log)[1])
    if n_frames < (numbers[-1] if numbers else 1):
        raise Damaged(f"decoded {n_frames} frames, and frame {numbers[-1]} is wanted" if numbers else "no frames")
    for i in reversed(range(len(numbers or ()))):  # ffmpeg counts what it writes; the last first, so that none collide
        (folder / f"{i + 1}.jpg").rename(folder / f"{numbers[i]}.jpg")
    with Image.open(folder / f"{numbers[0] if numbers else 1}.jpg") as picture:
        return n_frames, *picture.size


def stream_frames(video: str | Path, ffmpeg_path: str) -> Iterator[bytes]:
    """Decode a video once and give its frames one by one, the same JPEG pictures as `extract_clip` writes.

    Nothing is kept, so that a long video needs no more memory than a short one. Raises `Damaged` as `extract_clip`
    does, after the frames that came before the damage. Left early, it stops ffmpeg.
    """
    look = _open(video).output("pipe:1", format="null", **{"frames:v": 1})
    hdr = bool(_HDR.search(_run(look, video, ffmpeg_path)[1]))
    output = _pictures(video, None, hdr).output("pipe:1", format="mpjpeg", vcodec="mjpeg", **_PICTURES)
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            _command(output, ffmpeg_path), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
        )
        try:
            yield from _parts(process.stdout)
            process.wait()
        finally:
            process.kill()
            process.communicate()
        log.seek(0)
        _judge(process.returncode, log.read(), video)


def _parts(stream: IO[bytes]) -> Iterator[bytes]:
    """The pictures of a multipart stream, each of which tells its length."""
    for line in stream:
        if line.lower().startswith(b"content-length:"):
            size = int(line.split(b":")[1])
            stream.readline()
            picture = stream.read(size)
            if len(picture) == size:
                yield picture


def _pictures(video: str | Path, numbers: Sequence[int] | None, hdr: bool = False) -> ffmpeg.nodes.FilterableStream:
    """The frames of a video, all or those with the given numbers, ready for the JPEG encoder."""
    stream = _open(video)
    if numbers is not None:
        stream = stream.filter("select", "+".join(f"eq(n,{number - 1})" for number in numbers))
    if hdr:  # white is at 203 cd/m² (ITU-R BT.2408)
        stream = stream.filter("zscale", transfer="linear", npl=203).filter("format", "gbrpf32le")
        stream = stream.filter("zscale", primaries="bt709", transfer="bt709", matrix="bt709", range="limited")
        stream = stream.filter("format", "yuv444p")
    colours = {"out_color_matrix": "bt601", "out_range": "full", "flags": "bicubic"}
    stream = stream.filter("scale", w="round(iw*sar)", h="ih", **colours)  # pixels need not be square
    return stream.filter("format", "yuvj420p").filter("setpts", "N/TB")  # the encoder refuses two frames at one time


def _open(video: str | Path) -> ffmpeg.nodes.FilterableStream:
    """The first video stream that is not a cover picture. Absolute, since ffmpeg takes a:b for a protocol."""
    options = {"threads": 1, "err_detect": "explode", "protocol_whitelist": "file"}
    options["format_whitelist"] = _FORMATS
    return ffmpeg.input(str(Path(video).absolute()), **options)["V:0"]


def _list_packets(video: str | Path, ffmpeg_path: str, **options: str | None) -> str:
    return _run(_open(video).output("pipe:1", format="framecrc", **options), video, ffmpeg_path)[0]


def _run(output: ffmpeg.nodes.OutputStream, video: str | Path, ffmpeg_path: str) -> tuple[str, str]:
    """What ffmpeg wrote to its standard output, and its log. Raises `Damaged` with the log's first complaint."""
    process = subprocess.run(_command(output, ffmpeg_path), stdin=subprocess.DEVNULL, capture_output=True)
    log = _judge(process.returncode, process.stderr, video)
    return process.stdout.decode(errors="replace"), log


def _command(output: ffmpeg.nodes.OutputStream, ffmpeg_path: str) -> list[str]:
    log_options = ("-hide_banner", "-nostats", "-loglevel", "level+verbose")  # verbose counts the frames decoded
    output = output.global_args("-nostdin", "-xerror", "-filter_complex_threads", "1", *log_options)
    return output.compile(cmd=ffmpeg_path, overwrite_output=True)


def _judge(returncode: int, log: bytes, video: str | Path) -> str:
    """ffmpeg's log, without the name of the video, which could hold any words.

    Raises `Damaged` if ffmpeg had to complain of the video, `UserError` if it was stopped by something else.
    """
    log = log.decode(errors="replace").replace(str(Path(video).absolute()), "the video")
    errors = [_tell(line) for line in log.splitlines() if _ERROR.match(line)]
    cures = _CURES | (_SHORT_OF_MEMORY if _memory_is_limited() else {})
    trouble = next((words for words in cures if any(words in line for line in errors)), None)
    if returncode in _KILLED or (returncode and (trouble or _STOPPED.search(log))):
        reason = trouble or (errors[-1] if errors else f"it was killed (signal {-returncode})")
        cure = cures.get(trouble, "Mend that")
        raise UserError(f"ffmpeg was stopped while it read {video}: {reason}. {cure}, and start again.")
    damage = next(filter(_CUT_SHORT.search, errors), None)
    if returncode:
        damage = errors[0] if errors else f"ffmpeg ended with {returncode}"
    if damage:
        _expect_readable(video)
        raise Damaged(damage)
    return log


def _memory_is_limited() -> bool:
    """If not, memory falls short only where a damaged video claims to be huge."""
    limits = (resource.RLIMIT_AS, resource.RLIMIT_DATA)
    return any(resource.getrlimit(limit)[0] != resource.RLIM_INFINITY for limit in limits)


def _expect_readable(video: str | Path) -> None:
    """Raise UserError unless the disk gives the video to its end: ffmpeg's words do not tell this from damage."""
    try:
        sha256_file(video)
    except OSError as error:
        raise refused(error, video) or error from error


def _tell(line: str) -> str:
    """A line of ffmpeg's log without its marks."""
    if "Format not on whitelist" in line:
        return "not a video"
    if "matches no streams" in line:
        return "no video stream"
    if "Invalid pts" in line:  # the filters began anew
        return "the size or format of the picture changes within the video"
    line = re.sub(r"^(\[[^]]*\] *)+", "", line).removeprefix("the video: ")
    return re.sub(r"^Task finished with error code: -?\d+ \((.*)\)$", r"\1", line)
