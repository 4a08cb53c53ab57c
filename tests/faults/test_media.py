"""Odd and damaged media: decoded as they look, or one damaged clip with its reason; and the other clips go on."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from clip_caer.caching.shards import Shard
from clip_caer.dataset import read_dataset, write_index
from clip_caer.pictures.frames import extract_shard, read_picture
from clip_caer.pictures.video import Damaged, count_frames, extract_clip, stream_frames
from clips import FFMPEG, HOSTILE_NAMES, draw_frames, run_ffmpeg, write_pictures, write_video

RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 200, 40), (30, 50, 220), (240, 240, 240)
PATCHES = [RED, GREEN, BLUE, WHITE]  # left and right above, left and right below
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "2")
PLAIN = (*H264, "-pix_fmt", "yuv420p")
HDR = (
    "format=gbrp,setparams=color_primaries=bt709:color_trc=bt709:colorspace=gbr:range=pc,zscale=t=linear:npl=203,"
    "format=gbrpf32le,zscale=p=bt2020:t={0}:m=bt2020nc:r=tv:npl=203,format=yuv420p10le"
)


def patches(n_frames: int = 5, width: int = 64, height: int = 48) -> np.ndarray:
    """Frames with a colour in each quarter, uint8 [n_frames, height, width, 3]."""
    frames = np.empty((n_frames, height, width, 3), np.uint8)
    top, left = slice(None, height // 2), slice(None, width // 2)
    bottom, right = slice(height // 2, None), slice(width // 2, None)
    for colour, (rows, columns) in zip(
        PATCHES, [(top, left), (top, right), (bottom, left), (bottom, right)], strict=True
    ):
        frames[:, rows, columns] = colour
    return frames


def seen(picture: np.ndarray) -> np.ndarray:
    """The mean colours around the middles of the quarters, in the order of PATCHES."""
    height, width = picture.shape[:2]
    middles = [(y, x) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    return np.array([picture[y - 2 : y + 2, x - 2 : x + 2].mean((0, 1)) for y, x in middles]).round()


def decode(video: Path, folder: Path) -> tuple[int, list[np.ndarray]]:
    """How many frames are counted, and the pictures."""
    counted = count_frames(video, FFMPEG)
    n_frames, _, _ = extract_clip(video, folder, None, FFMPEG)
    return counted, [read_picture(folder / f"{number}.jpg") for number in range(1, n_frames + 1)]


# ---- videos that are odd, and sound ----


ODD = {
    "one frame.mp4": (PLAIN, {"n_frames": 1}),
    "odd size.mp4": ((*H264, "-pix_fmt", "yuv444p"), {"width": 63, "height": 47}),
    "10 bit.mp4": ((*H264, "-pix_fmt", "yuv420p10le"), {}),
    "hevc.mp4": (("-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params", "log-level=none:crf=4"), {}),
    "full range.mp4": (
        ("-vf", "scale=out_color_matrix=bt601:out_range=pc", *H264, "-pix_fmt", "yuvj420p"),
        {},
    ),
    "bt2020.mp4": (
        (
            "-vf",
            "scale=out_color_matrix=bt2020:out_range=tv",
            "-colorspace",
            "bt2020nc",
            *H264,
            "-pix_fmt",
            "yuv420p10le",
        ),
        {},
    ),
    "interlaced.mp4": ((*PLAIN, "-flags", "+ilme+ildct", "-x264opts", "interlaced=1"), {}),
    "variable rate.mp4": (("-vf", "setpts=N*N*0.001/TB", "-fps_mode", "passthrough", *PLAIN), {}),
    "no duration.h264": (PLAIN, {}),
    "animated.gif": (("-c:v", "gif"), {}),
    "animated.png": (("-f", "apng", "-c:v", "apng"), {}),
    "vp9.webm": (("-c:v", "libvpx-vp9", "-b:v", "1M", "-cpu-used", "8"), {}),
    "alpha.webm": (("-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p", "-b:v", "1M", "-cpu-used", "8"), {}),
    "alpha.mov": (("-c:v", "qtrle", "-pix_fmt", "argb"), {}),
    "palette.avi": (("-c:v", "rawvideo", "-pix_fmt", "pal8"), {}),
    "oblong pixels.mp4": (("-vf", "setsar=2", *PLAIN), {}),
    "16 bit.mkv": (("-c:v", "ffv1", "-pix_fmt", "rgb48le"), {}),
    "8k.mp4": (PLAIN, {"n_frames": 1, "width": 7680, "height": 4320}),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_video_is_decoded_as_it_looks(tmp_path, name):
    options, size = ODD[name]
    frames = patches(**size)
    video = write_video(tmp_path / name, frames, *options)

    counted, pictures = decode(video, tmp_path / "out")

    assert counted == len(pictures) == len(frames)
    for picture in pictures:
        height, width, _ = frames.shape[1:]
        assert picture.shape == (height, width * (2 if "oblong" in name else 1), 3)
        assert np.abs(seen(picture) - PATCHES).max() < 12, seen(picture).tolist()


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_hdr_gets_the_colours_of_sdr(tmp_path, transfer):
    colours = {"colorprim": "bt2020", "transfer": transfer, "colormatrix": "bt2020nc"}
    settings = ":".join(["log-level=none:crf=4", *(f"{key}={value}" for key, value in colours.items())])
    tags = ("-color_trc", transfer, "-color_primaries", "bt2020", "-colorspace", "bt2020nc")
    options = ("-vf", HDR.format(transfer), "-c:v", "libx265", "-x265-params", settings, *tags)
    video = write_video(tmp_path / "hdr.mp4", patches(), *options)

    counted, pictures = decode(video, tmp_path / "out")
    (tmp_path / "streamed.jpg").write_bytes(list(stream_frames(video, FFMPEG))[2])

    assert counted == len(pictures) == 5
    for picture in (pictures[2], read_picture(tmp_path / "streamed.jpg")):
        assert np.abs(seen(picture) - PATCHES).max() < 16, seen(picture).tolist()


@pytest.mark.parametrize(
    ("display", "expected"),
    [
        (("-display_rotation", "90"), [GREEN, WHITE, RED, BLUE]),  # a quarter to the left
        (("-display_rotation", "180"), [WHITE, BLUE, GREEN, RED]),
        (("-display_rotation", "270"), [BLUE, RED, WHITE, GREEN]),
        (("-display_hflip",), [GREEN, RED, WHITE, BLUE]),
    ],
)
def test_metadata_that_turn_a_video_are_followed(tmp_path, display, expected):
    video = write_video(tmp_path / "plain.mp4", patches(), *PLAIN)
    run_ffmpeg(*display, "-i", video, "-c", "copy", tmp_path / "turned.mp4")

    _, pictures = decode(tmp_path / "turned.mp4", tmp_path / "out")

    assert np.abs(seen(pictures[2]) - expected).max() < 12


def test_times_that_begin_below_zero(tmp_path):
    video = write_video(tmp_path / "plain.mp4", patches(), *PLAIN)
    run_ffmpeg("-itsoffset", "-3", "-i", video, "-c", "copy", tmp_path / "early.mkv")

    counted, pictures = decode(tmp_path / "early.mkv", tmp_path / "out")

    assert counted == len(pictures) == 5


def test_the_first_video_stream_is_taken_and_a_cover_picture_is_none(tmp_path):
    video = write_video(tmp_path / "plain.mp4", patches(), *PLAIN)
    other = write_video(tmp_path / "other.mp4", draw_frames(8), *PLAIN)
    cover = tmp_path / "cover.png"
    Image.fromarray(draw_frames(1)[0]).save(cover)
    run_ffmpeg("-i", video, "-i", other, "-map", "0", "-map", "1", "-c", "copy", tmp_path / "two.mp4")
    picture_first = ("-map", "1", "-map", "0", "-c", "copy", "-disposition:v:0", "attached_pic")
    run_ffmpeg("-i", video, "-i", cover, *picture_first, tmp_path / "cover.mp4")

    for name in ("two.mp4", "cover.mp4"):
        counted, pictures = decode(tmp_path / name, tmp_path / name.removesuffix(".mp4"))
        assert counted == len(pictures) == 5
        assert np.abs(seen(pictures[0]) - PATCHES).max() < 12


# ---- files that are no video, or a damaged one ----


def whole(folder: Path) -> bytes:
    return write_video(folder / "whole.mp4", draw_frames(30), *PLAIN).read_bytes()


def without_moov(folder: Path) -> bytes:
    content = whole(folder)
    return content[: content.index(b"moov") - 4]


def rotten(folder: Path) -> bytes:
    content = bytearray(whole(folder))
    start = content.index(b"mdat") + 400
    content[start : start + 200] = bytes(byte ^ 0x5A for byte in content[start : start + 200])
    return bytes(content)


def claims_to_be_huge(folder: Path) -> bytes:
    """ffmpeg cannot have the memory for a table of so many times."""
    content = bytearray(whole(folder))
    start = content.index(b"stts") + 8
    content[start : start + 4] = b"\x7f\xff\xff\xff"
    return bytes(content)


def cut_matroska(folder: Path) -> bytes:
    """ffmpeg calls it an input/output error."""
    return write_video(folder / "whole.mkv", draw_frames(30), *PLAIN).read_bytes()[:294]


def sound(folder: Path) -> bytes:
    run_ffmpeg("-f", "lavfi", "-i", "sine=duration=0.2", folder / "sound.mp4")
    return (folder / "sound.mp4").read_bytes()


def picture(folder: Path) -> bytes:
    Image.fromarray(draw_frames(1)[0]).save(folder / "picture.png")
    return (folder / "picture.png").read_bytes()


def playlist(folder: Path) -> bytes:
    """ffmpeg would wait for its next part for ever."""
    write_video(folder / "part.ts", draw_frames(), *PLAIN)
    return b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\npart.ts\n"


def other_files(folder: Path) -> bytes:
    write_video(folder / "other.mp4", draw_frames(), *PLAIN)
    return b"ffconcat version 1.0\nfile other.mp4\n"


def two_sizes(folder: Path) -> bytes:
    parts = [write_video(folder / f"{w}.mpg", draw_frames(5, width=w), "-c:v", "mpeg2video") for w in (64, 96)]
    return b"".join(part.read_bytes() for part in parts)


DAMAGED: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "empty.mp4": (lambda _: b"", "moov atom not found"),
    "text.mp4": (lambda _: b"This is no video.", "moov atom not found"),
    "zeros.mp4": (lambda _: bytes(100_000), "moov atom not found"),
    "truncated.mp4": (lambda folder: whole(folder)[:-900], "moov atom not found"),
    "no moov.mp4": (without_moov, "moov atom not found"),
    "rotten.mp4": (rotten, "."),
    "huge.mp4": (claims_to_be_huge, "error reading header"),
    "cut.mkv": (cut_matroska, "File ended prematurely"),
    "sound.mp4": (sound, "no video stream"),
    "picture.mp4": (picture, "not a video"),
    "subtitles.mp4": (lambda _: b"1\n00:00:00,000 --> 00:00:01,000\nhi\n\n", "not a video"),
    "drawn text.ans": (lambda _: b"ffmpeg draws such text\n" * 40, "not a video"),
    "playlist.m3u8": (playlist, "not a video"),
    "other files.mp4": (other_files, "not a video"),
    "two sizes.mpg": (two_sizes, "the size or format of the picture changes"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_video_is_told_in_one_line(tmp_path, name):
    make, reason = DAMAGED[name]
    video = tmp_path / name
    video.write_bytes(make(tmp_path))

    with pytest.raises(Damaged, match=reason) as damage:
        decode(video, tmp_path / "out")

    assert "\n" not in str(damage.value) and str(tmp_path) not in str(damage.value)


@pytest.mark.parametrize("name", ["No space left on device.mp4", "[error] partial file.mp4", "77 frames decoded.mp4"])
def test_a_name_cannot_pass_for_words_of_ffmpeg(tmp_path, name):
    video = write_video(tmp_path / name, patches(), *PLAIN)
    assert len(decode(video, tmp_path / "out")[1]) == 5
    video.write_bytes(b"text")
    with pytest.raises(Damaged):
        count_frames(video, FFMPEG)


# ---- pictures ----


def save(frame: np.ndarray, path: Path, change: Callable[[Image.Image], Image.Image], **options) -> Path:
    change(Image.fromarray(frame)).save(path, **options)
    return path


def camera(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def with_alpha(image: Image.Image) -> Image.Image:
    image = image.convert("RGBA")
    image.paste((255, 255, 255, 0), (image.width // 2, 0, image.width, image.height // 2))  # a hole where green was
    return image


GREYS = [(round(0.299 * r + 0.587 * g + 0.114 * b),) * 3 for r, g, b in PATCHES]
PICTURES = {
    "rgb.jpg": (lambda image: image, {"quality": 95}, PATCHES),
    "grey.jpg": (lambda image: image.convert("L"), {}, GREYS),
    "cmyk.jpg": (lambda image: image.convert("CMYK"), {"quality": 95}, PATCHES),
    "palette.png": (lambda image: image.quantize(16), {}, PATCHES),
    "alpha.png": (with_alpha, {}, [RED, (0, 0, 0), BLUE, WHITE]),
    "turned.jpg": (lambda image: image, {"exif": camera(6), "quality": 95}, [BLUE, RED, WHITE, GREEN]),
    "mirrored.png": (lambda image: image, {"exif": camera(2)}, [GREEN, RED, WHITE, BLUE]),
    "progressive.jpg": (lambda image: image, {"progressive": True, "quality": 95}, PATCHES),
    "animated.png": (lambda image: image, {"save_all": True, "append_images": [Image.new("RGB", (64, 48))]}, PATCHES),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_read_as_it_looks(tmp_path, name):
    change, options, expected = PICTURES[name]
    found = read_picture(save(patches()[0], tmp_path / name, change, **options))
    assert found.dtype == np.uint8 and found.ndim == 3
    assert np.abs(seen(found) - expected).max() < 8, seen(found).tolist()


def test_pictures_of_16_bits(tmp_path):
    Image.fromarray(np.full((6, 8), 77 * 257, np.uint16)).save(tmp_path / "grey.png")
    assert (read_picture(tmp_path / "grey.png") == 77).all()
    write_video(tmp_path / "colour.png", patches(1), "-frames:v", "1", "-pix_fmt", "rgb48be")
    assert np.abs(seen(read_picture(tmp_path / "colour.png")) - PATCHES).max() < 3


BROKEN = {
    "empty": b"",
    "text": b"no picture",
    "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100),
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n",  # runs Ghostscript
}


@pytest.mark.parametrize("what", [*BROKEN, "half a jpg", "half a png", "rotten png"])
def test_a_broken_picture_is_named(tmp_path, what):
    content = BROKEN.get(what)
    if content is None:
        path = tmp_path / f"sound.{what[-3:]}"
        Image.fromarray(draw_frames(1)[0]).save(path)
        content = path.read_bytes()
        middle = len(content) // 2
        half = content[:middle]
        content = half + bytes([content[middle] ^ 0x10]) + content[middle + 1 :] if "rotten" in what else half
    (tmp_path / "7.jpg").write_bytes(content)
    with pytest.raises(Damaged, match=r"^7\.jpg: "):
        read_picture(tmp_path / "7.jpg")


def test_a_picture_that_the_disk_does_not_give_is_not_taken_for_damage(tmp_path):
    (tmp_path / "1.jpg").symlink_to("1.jpg")
    with pytest.raises(OSError):
        read_picture(tmp_path / "1.jpg")


# ---- a whole shard ----


def test_one_bad_clip_stops_none_of_the_others(tmp_path):
    """Every damaged video among sound ones with hostile names, from the sheet to the pictures of a shard."""
    sound = write_video(tmp_path / "sound.mp4", patches(3), *PLAIN)
    for name in HOSTILE_NAMES:
        shutil.copy(sound, tmp_path / f"{name}.mp4")
    for name, (make, _) in DAMAGED.items():
        scratch = tmp_path / "scratch" / name
        scratch.mkdir(parents=True)
        (tmp_path / name).write_bytes(make(scratch))
    write_pictures(tmp_path / "folder of pictures", patches(3))
    write_pictures(tmp_path / "growing", patches(3))
    Image.fromarray(patches(1, 32, 32)[0]).save(tmp_path / "growing/2.jpg")
    write_pictures(tmp_path / "empty picture", patches(3))
    (tmp_path / "empty picture/2.jpg").write_bytes(b"")
    folders = ["folder of pictures", "growing", "empty picture"]
    videos = [*(f"{name}.mp4" for name in HOSTILE_NAMES), *DAMAGED, *folders]
    sheet = pl.DataFrame({"video": videos, "label": "calm", "subject": "s1"})
    sheet.write_csv(tmp_path / "clips.csv")
    labels = {"labels": "fine", "label_sets": {"fine": ["calm", "keen"]}}
    dataset = read_dataset({"reader": "csv", "path": str(tmp_path / "clips.csv"), **labels})

    write_index(dataset, 1, tmp_path / "index", FFMPEG)
    table = pl.read_parquet(tmp_path / "index/shards/0.parquet")
    extract_shard(table, tmp_path, tmp_path / "frames/fp/0", None, FFMPEG, "fp")
    shard = Shard(table, pl.read_parquet(tmp_path / "index/boxes/0.parquet"), tmp_path, tmp_path / "frames/fp/0", None)

    status = {}
    for clip in shard.clips:
        try:
            status[clip["clip_id"]] = bool(np.abs(seen(list(shard.pictures(clip))[2]) - PATCHES).max() < 12)
        except Damaged as damage:
            status[clip["clip_id"]] = str(damage)
    assert {name for name, found in status.items() if found is True} == {*HOSTILE_NAMES, "folder of pictures"}
    assert set(shard.damaged) == {os.path.splitext(name)[0] for name in DAMAGED}
    assert all(shard.damaged.values()), "each has its reason"
    assert "size of the picture changes" in status["growing"] and "2.jpg: " in status["empty picture"]
