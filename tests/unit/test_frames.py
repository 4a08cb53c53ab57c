"""Frames of videos and of folders of pictures."""

import re
import resource
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from clip_caer.errors import UserError
from clip_caer.pictures.frames import clip_files, extract_shard, frame_files, frame_numbers, picture_size, read_picture
from clip_caer.pictures.video import Damaged, count_frames, extract_clip, find_ffmpeg, stream_frames
from clips import FFMPEG, HOSTILE_NAMES, draw_frames, frame_number, run_ffmpeg, write_pictures, write_video

COLOURS = [(230, 20, 30), (20, 200, 40), (30, 40, 220), (250, 250, 250), (5, 5, 5), (128, 128, 128), (200, 150, 120)]
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


def extract(video, folder, numbers=None):
    """Frame numbers of the file names, and what the pictures show."""
    result = extract_clip(video, folder, numbers, FFMPEG)
    files = frame_files(folder)
    return result, [number for number, _ in files], [frame_number(read_picture(path)) for _, path in files]


# ---- ffmpeg ----


def test_find_ffmpeg(monkeypatch, tmp_path):
    assert Path(find_ffmpeg("bundled")).is_file()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="no ffmpeg on PATH"):
        find_ffmpeg("system")
    (tmp_path / "ffmpeg").write_text("#!/bin/sh\n")
    (tmp_path / "ffmpeg").chmod(0o755)
    assert find_ffmpeg("system") == str(tmp_path / "ffmpeg")


# ---- numbers and files ----


@pytest.mark.parametrize(
    ("n_frames", "count", "expected"),
    [
        (4, None, [1, 2, 3, 4]),
        (4, 4, [1, 2, 3, 4]),
        (4, 9, [1, 2, 3, 4]),
        (10, 1, [6]),
        (10, 2, [3, 8]),
        (9, 3, [2, 5, 8]),
        (31, 16, [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31]),
    ],
)
def test_frame_numbers(n_frames, count, expected):
    assert frame_numbers(n_frames, count) == expected


def test_frame_files_are_in_numeric_order_and_nothing_else(tmp_path):
    for name in ("1.jpg", "2.PNG", "10.jpeg", "003.jpg", "x1.jpg", "4.txt", ".5.jpg", "6.jpg.part", "Thumbs.db"):
        (tmp_path / name).touch()
    (tmp_path / "7.jpg").mkdir()
    assert [(number, path.name) for number, path in frame_files(tmp_path)] == [
        *((1, "1.jpg"), (2, "2.PNG"), (3, "003.jpg"), (10, "10.jpeg"))
    ]
    assert [number for number, _ in frame_files(tmp_path, 2)] == [2, 10]


# ---- decoding ----


def test_all_frames(tmp_path):
    video = write_video(tmp_path / "v.mp4", draw_frames(12))
    assert count_frames(video, FFMPEG) == 12
    assert extract(video, tmp_path / "out") == ((12, 64, 48), list(range(1, 13)), list(range(1, 13)))


@pytest.mark.parametrize("numbers", [[1], [12], [2, 3, 11], [1, 3, 5, 7, 9, 11], list(range(2, 13))])
def test_some_frames_keep_their_true_numbers(tmp_path, numbers):
    video = write_video(tmp_path / "v.mp4", draw_frames(12))
    assert extract(video, tmp_path / "out", numbers) == ((12, 64, 48), numbers, numbers)


def test_frames_that_are_not_there(tmp_path):
    video = write_video(tmp_path / "v.mp4", draw_frames(5))
    with pytest.raises(Damaged, match="decoded 5 frames, and frame 6 is wanted"):
        extract_clip(video, tmp_path / "out", [2, 6], FFMPEG)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("vfr.mp4", ("-vf", "setpts=N*N*0.001/TB", "-fps_mode", "passthrough", *H264)),
        ("same_times.mkv", ("-vf", "setpts=floor(N/2)/25/TB", "-fps_mode", "passthrough", "-c:v", "ffv1")),
        ("slow.mp4", ("-vf", "setpts=N*20/TB", "-r", "0.05", *H264)),
        ("no_rate.avi", ("-c:v", "mjpeg", "-q:v", "2")),
        ("vp9.webm", ("-c:v", "libvpx-vp9", "-cpu-used", "8", "-b:v", "1M")),
    ],
)
def test_every_frame_counts_whatever_the_container_and_the_times(tmp_path, name, options):
    video = write_video(tmp_path / name, draw_frames(12), *options)
    assert count_frames(video, FFMPEG) == 12
    assert extract(video, tmp_path / "out")[0] == (12, 64, 48)


def test_an_edit_list_hides_frames(tmp_path):
    """A cut without re-encoding keeps frames before the cut, which the decoder needs and nobody sees."""
    whole = write_video(tmp_path / "whole.mp4", draw_frames(40), *H264, "-bf", "2", "-g", "12")
    run_ffmpeg("-ss", "0.6", "-i", whole, "-c", "copy", tmp_path / "cut.mp4")
    (n_frames, _, _), numbers, shown = extract(tmp_path / "cut.mp4", tmp_path / "out")
    assert count_frames(tmp_path / "cut.mp4", FFMPEG) == n_frames == len(numbers) < 28
    assert shown == list(range(41 - n_frames, 41))


def test_hidden_reference_frames_of_vp8_are_not_counted(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (60, 48, 64, 3)).astype(np.uint8)
    moving = np.stack([np.roll(noise[0], (n, n), (0, 1)) for n in range(60)])
    options = ("-c:v", "libvpx", "-auto-alt-ref", "1", "-lag-in-frames", "25", "-b:v", "60k")
    for step in ("1", "2"):
        log = tmp_path / "passes"
        video = write_video(tmp_path / "v.webm", moving, *options, "-pass", step, "-passlogfile", str(log))
    assert count_frames(video, FFMPEG) == 60
    assert extract_clip(video, tmp_path / "out", None, FFMPEG)[0] == 60


def test_pictures_stand_upright(tmp_path):
    video = write_video(tmp_path / "v.mp4", draw_frames(3))
    run_ffmpeg("-display_rotation", "90", "-i", video, "-c", "copy", tmp_path / "turned.mp4")
    assert extract_clip(tmp_path / "turned.mp4", tmp_path / "out", None, FFMPEG) == (3, 48, 64)
    flat = read_picture(tmp_path / "out" / "2.jpg")
    assert abs(flat[48:].mean() - 30) < 3  # the grey left half is below


def test_odd_sizes(tmp_path):
    video = write_video(tmp_path / "v.mkv", draw_frames(3, width=63, height=47), "-c:v", "ffv1", "-pix_fmt", "yuv444p")
    assert extract(video, tmp_path / "out") == ((3, 63, 47), [1, 2, 3], [1, 2, 3])


def colour_space(matrix, span, pixels, *more):
    return ("-vf", f"scale=out_color_matrix={matrix}:out_range={span}", "-pix_fmt", pixels, "-crf", "2", *more)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("limited.mp4", colour_space("bt601", "tv", "yuv420p")),
        ("full.mp4", colour_space("bt601", "pc", "yuvj420p")),
        ("bt709.mp4", colour_space("bt709", "tv", "yuv420p", "-colorspace", "bt709")),
        ("bt709_full.mp4", colour_space("bt709", "pc", "yuvj420p", "-colorspace", "bt709")),
        ("ten_bits.mp4", colour_space("bt601", "tv", "yuv420p10le")),
        ("ten_bits_bt709.mp4", colour_space("bt709", "tv", "yuv420p10le", "-colorspace", "bt709")),
        ("rgb.mkv", ("-c:v", "ffv1", "-pix_fmt", "bgr0")),
    ],
)
def test_colours_come_out_right(tmp_path, name, options):
    patches = np.repeat(np.array(COLOURS, np.uint8), 16, axis=0)[None, None].repeat(48, axis=1).repeat(3, axis=0)
    video = write_video(tmp_path / name, patches, *options)
    extract_clip(video, tmp_path / "out", None, FFMPEG)
    picture = read_picture(tmp_path / "out" / "2.jpg")
    got = picture[16:32, 8::16].mean(axis=0)
    assert np.abs(got - COLOURS).max() < 6, got.round()


# ---- damage ----


def damaged_videos(folder):
    whole = write_video(folder / "whole.mp4", draw_frames(30), *H264, "-crf", "1", "-movflags", "+faststart")
    matroska = write_video(folder / "whole.mkv", draw_frames(30), *H264, "-crf", "1")
    for path in (whole, matroska):
        content = path.read_bytes()
        (folder / f"cut{path.suffix}").write_bytes(content[: len(content) * 6 // 10])
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("This is no video.")
    run_ffmpeg("-f", "lavfi", "-i", "sine=duration=0.2", folder / "sound.mp4")
    return [folder / name for name in ("cut.mp4", "cut.mkv", "empty.mp4", "text.mp4", "sound.mp4")]


def test_damage_is_told_in_one_short_line(tmp_path):
    for video in damaged_videos(tmp_path):
        for attempt in (lambda: count_frames(video, FFMPEG), lambda: extract_clip(video, tmp_path / "o", None, FFMPEG)):  # noqa: B023
            with pytest.raises(Damaged) as damage:
                attempt()
            message = str(damage.value)
            assert message and "\n" not in message and "0x" not in message and str(tmp_path) not in message
            if video.stem == "sound":
                assert message == "no video stream"
            if video.name == "cut.mkv":
                assert message == "File ended prematurely"


def test_damage_within_the_stream(tmp_path):
    video = write_video(tmp_path / "v.mp4", draw_frames(30), *H264, "-crf", "1")
    content = bytearray(video.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 60] = bytes(byte ^ 0x5A for byte in content[middle : middle + 60])
    video.write_bytes(content)
    with pytest.raises(Damaged):
        extract_clip(video, tmp_path / "out", None, FFMPEG)


def test_pictures_of_two_sizes_in_one_video(tmp_path):
    parts = [write_video(tmp_path / f"{w}.mpg", draw_frames(5, width=w), "-c:v", "mpeg2video") for w in (64, 96)]
    (tmp_path / "both.mpg").write_bytes(b"".join(part.read_bytes() for part in parts))
    with pytest.raises(Damaged, match="size or format of the picture changes"):
        extract_clip(tmp_path / "both.mpg", tmp_path / "out", None, FFMPEG)


REAL_CLIPS = Path(__file__).parents[3] / "shared" / "real_clips"


@pytest.mark.skipif(not REAL_CLIPS.is_dir(), reason="the real clips are not here")
def test_real_clips_are_not_damaged(tmp_path):
    for video in REAL_CLIPS.glob("*.mkv"):
        n_frames = count_frames(video, FFMPEG)
        assert extract_clip(video, tmp_path / video.stem, [1, n_frames], FFMPEG) == (n_frames, 640, 480)


# ---- a shard ----


def shard_of(*clips):
    columns = ["clip_id", "source", "kind", "n_frames", "status", "message"]
    return pl.DataFrame([dict(zip(columns, clip, strict=True)) for clip in clips], infer_schema_length=None)


def test_one_damaged_clip_does_not_stop_the_others(tmp_path):
    data, target = tmp_path / "data", tmp_path / "frames" / "0"
    write_video(data / "a.mp4", draw_frames(7))
    write_video(data / "short.mp4", draw_frames(4))
    (data / "text.mp4").write_text("This is no video.")
    write_pictures(data / "pictures", draw_frames(3, width=32))
    shard = shard_of(
        ("text", "text.mp4", "video", 9, "ok", None),
        ("short", "short.mp4", "video", 9, "ok", None),
        ("a", "a.mp4", "video", 7, "ok", None),
        ("pictures", "pictures", "frames", 3, "ok", None),
        ("known", "known.mp4", "video", 0, "damaged", "moov atom not found"),
    )
    table = extract_shard(shard, data, target, None, FFMPEG)
    assert table.equals(pl.read_parquet(target / "clips.parquet"))
    rows = {row["clip_id"]: row for row in table.iter_rows(named=True)}
    assert list(rows) == ["a", "known", "pictures", "short", "text"]
    assert rows["a"] == {"clip_id": "a", "status": "ok", "message": None, "n_frames": 7, "width": 64, "height": 48}
    assert rows["pictures"] == rows["a"] | {"clip_id": "pictures", "n_frames": 3, "width": 32}
    assert rows["short"]["message"] == "decoded 4 of 9 frames"
    assert rows["known"]["message"] == "moov atom not found"
    assert [rows[name]["status"] for name in ("known", "short", "text")] == ["damaged"] * 3
    assert sorted(path.name for path in target.iterdir()) == ["a", "clips.parquet"]


def test_frames_of_both_kinds_of_clips(tmp_path):
    write_video(tmp_path / "sub" / "v.mp4", draw_frames(10))
    write_pictures(tmp_path / "p", draw_frames(10))
    shard = shard_of(("sub/v", "sub/v.mp4", "video", 10, "ok", None), ("p", "p", "frames", 10, "ok", None))
    extract_shard(shard, tmp_path, tmp_path / "frames", 3, FFMPEG)
    for clip in shard.iter_rows(named=True):
        files = clip_files(clip, tmp_path, tmp_path / "frames", 3)
        assert [number for number, _ in files] == [2, 6, 9]
        assert [frame_number(read_picture(path)) for _, path in files] == [2, 6, 9]


def test_hostile_names(tmp_path):
    video = write_video(tmp_path / "v.mp4", draw_frames(2))
    for name in HOSTILE_NAMES:
        shutil.copy(video, tmp_path / f"{name}.mp4")
    shard = shard_of(*((name, f"{name}.mp4", "video", 2, "ok", None) for name in HOSTILE_NAMES))
    table = extract_shard(shard, tmp_path, tmp_path / "frames", None, FFMPEG)
    assert table["status"].to_list() == ["ok"] * len(HOSTILE_NAMES)
    for name in HOSTILE_NAMES:
        assert [path.name for _, path in frame_files(tmp_path / "frames" / name)] == ["1.jpg", "2.jpg"]
        assert count_frames(tmp_path / f"{name}.mp4", FFMPEG) == 2


def test_a_clip_that_is_gone_is_not_taken_for_damage(tmp_path):
    with pytest.raises(UserError, match="is gone"):
        extract_shard(shard_of(("a", "a.mp4", "video", 7, "ok", None)), tmp_path, tmp_path / "frames", None, FFMPEG)
    assert not (tmp_path / "frames").exists()


def fake_ffmpeg(folder, ending):
    """A script in ffmpeg's place."""
    (folder / "ffmpeg").write_text(f"#!/bin/sh\n{ending}\n")
    (folder / "ffmpeg").chmod(0o755)
    return str(folder / "ffmpeg")


@pytest.mark.parametrize(
    ("ending", "cure"),
    [
        ("echo '[error] Error writing: No space left on device' >&2; exit 228", "Make room"),
        ("echo '[error] pthread_create() failed: Resource temporarily unavailable' >&2; exit 245", "ulimit"),
        ("echo '[info] Exiting normally, received signal 15.' >&2; exit 255", "start again"),
        ("kill -KILL $$", "start again"),
    ],
)
def test_an_interrupted_ffmpeg_is_not_taken_for_damage(tmp_path, ending, cure):
    """A full disk or a stopped job must not be remembered as a damaged clip."""
    with pytest.raises(UserError, match=f"ffmpeg was stopped.*{cure}"):
        count_frames(tmp_path / "v.mp4", fake_ffmpeg(tmp_path, ending))


@pytest.mark.parametrize("words", ["Error opening input: Cannot allocate memory", "get_buffer() failed"])
def test_a_limit_of_memory_is_not_taken_for_damage(tmp_path, words, monkeypatch):
    """Without a limit, ffmpeg says the same of a damaged video that claims to be huge."""
    (tmp_path / "v.mp4").touch()
    ffmpeg = fake_ffmpeg(tmp_path, f"echo '[error] {words}' >&2; exit 244")
    monkeypatch.setattr("resource.getrlimit", lambda kind: (resource.RLIM_INFINITY,) * 2)
    with pytest.raises(Damaged, match=re.escape(words)):
        count_frames(tmp_path / "v.mp4", ffmpeg)
    monkeypatch.setattr("resource.getrlimit", lambda kind: (2**30, resource.RLIM_INFINITY))
    with pytest.raises(UserError, match=r"ffmpeg was stopped.*ulimit"):
        count_frames(tmp_path / "v.mp4", ffmpeg)


@pytest.mark.parametrize(
    ("target", "told"),
    [("/proc/self/mem", "Input/output error. Look after the disk"), ("gone.mp4", "No such file or directory. Bring")],
)
def test_a_video_that_the_disk_does_not_give_is_not_taken_for_damage(tmp_path, target, told):
    """What ffmpeg says of it does not tell: it says the same of videos that are cut short, or something else."""
    (tmp_path / "v.mp4").symlink_to(target)
    for read in (count_frames, lambda *args: next(stream_frames(*args))):
        with pytest.raises(UserError, match=told) as refusal:
            read(tmp_path / "v.mp4", FFMPEG)
        assert str(tmp_path / "v.mp4") in str(refusal.value)


# ---- pictures ----


def test_pictures_of_every_mode_come_out_as_rgb(tmp_path):
    red = np.zeros((6, 8, 3), np.uint8) + np.array([200, 30, 40], np.uint8)
    image = Image.fromarray(red)
    image.save(tmp_path / "1.png")
    image.quantize(4).save(tmp_path / "2.png")
    image.convert("CMYK").save(tmp_path / "3.jpg", quality=95)
    image.convert("L").save(tmp_path / "4.jpg", quality=95)
    half = image.convert("RGBA")
    half.paste((255, 255, 255, 0), (4, 0, 8, 6))
    half.save(tmp_path / "5.png")
    Image.fromarray(np.full((6, 8), 77 * 257, np.uint16)).save(tmp_path / "6.png")
    grey = round(0.299 * 200 + 0.587 * 30 + 0.114 * 40)
    for number, expected in enumerate([(200, 30, 40)] * 3 + [(grey,) * 3, (200, 30, 40), (77, 77, 77)], start=1):
        (picture,) = (read_picture(path) for n, path in frame_files(tmp_path) if n == number)
        assert picture.shape == (6, 8, 3) and picture.dtype == np.uint8
        assert np.abs(picture[:, :4].astype(int) - expected).max() <= 4, number
    assert (read_picture(tmp_path / "5.png")[:, 4:] == 0).all()


def test_the_camera_tells_which_side_is_up(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(draw_frames(1)[0]).save(tmp_path / "1.jpg", exif=exif)
    assert read_picture(tmp_path / "1.jpg").shape == (64, 48, 3)


@pytest.mark.parametrize("shrink", [2, 4, 8])
@pytest.mark.parametrize("name", ["1.jpg", "1.png", "progressive.jpg", "cmyk.jpg", "turned.jpg"])
def test_a_smaller_picture_looks_the_same_whatever_its_kind(tmp_path, name, shrink):
    exif = Image.Exif()
    exif[0x0112] = 6 if name.startswith("turned") else 1
    size = (200, 136) if name.startswith("turned") else (201, 135)  # turning puts what is left over to the other side
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (10, 14, 3)).astype(np.uint8)).resize(size)
    noise = noise.convert("CMYK") if name.startswith("cmyk") else noise
    options = {} if name.endswith("png") else {"quality": 95, "progressive": name.startswith("progressive")}
    noise.save(tmp_path / name, exif=exif, **options)
    whole, small = read_picture(tmp_path / name), read_picture(tmp_path / name, shrink)
    height, width, _ = whole.shape
    assert picture_size(tmp_path / name) == (width, height)
    assert small.shape == (-(-height // shrink), -(-width // shrink), 3)
    expected = np.asarray(Image.fromarray(whole).reduce(shrink)).astype(int)
    assert np.abs(small - expected).mean() < 4


def test_broken_pictures(tmp_path):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3)).astype(np.uint8))
    for name in ("1.jpg", "2.png"):
        image.save(tmp_path / name)
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:1500])
    (tmp_path / "3.jpg").write_text("no picture")
    (tmp_path / "4.jpg").touch()
    for name in ("1.jpg", "2.png", "3.jpg", "4.jpg"):
        with pytest.raises(Damaged, match=name) as damage:
            read_picture(tmp_path / name)
        assert str(tmp_path) not in str(damage.value)


def test_jpegs_of_every_kind_are_what_pillow_makes_of_them(tmp_path):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (45, 67, 3)).astype(np.uint8)).resize((201, 135))
    for subsampling in (0, 1, 2):
        for progressive in (False, True):
            noise.save(tmp_path / "1.jpg", quality=80, subsampling=subsampling, progressive=progressive)
            assert np.array_equal(read_picture(tmp_path / "1.jpg"), np.array(Image.open(tmp_path / "1.jpg")))
    noise.convert("L").save(tmp_path / "1.jpg")
    assert np.array_equal(read_picture(tmp_path / "1.jpg"), np.array(Image.open(tmp_path / "1.jpg").convert("RGB")))


def test_a_jpeg_broken_within_is_damaged_though_its_end_is_there(tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3)).astype(np.uint8)).save(tmp_path / "1.jpg")
    content = (tmp_path / "1.jpg").read_bytes()
    middle = len(content) * 3 // 4
    (tmp_path / "1.jpg").write_bytes(content[:middle] + b"\xff\x37" + content[middle + 2 :])
    with pytest.raises(Damaged, match=r"1\.jpg"):
        read_picture(tmp_path / "1.jpg")
