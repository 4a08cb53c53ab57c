"""The index: every clip with its role, shard and content, in one table and in one table a shard."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import polars as pl
from tqdm import tqdm

from clip_caer.dataset.tables import Dataset
from clip_caer.files import sha256_file, write_parquet
from clip_caer.pictures.frames import frame_files
from clip_caer.pictures.video import Damaged, count_frames

_CONTENT = {"n_frames": pl.Int64, "sha256": pl.String, "status": pl.String, "message": pl.String}
_SHARD_COLUMNS = ["clip_id", "source", "kind", "n_frames", "sha256", "status", "message"]  # nothing of the labels
_INDEX_COLUMNS = [
    *("clip_id", "source", "kind", "n_frames", "label", "subject", "setting", "role", "votes", "shard", "sha256"),
    *("status", "message"),
]


def write_index(dataset: Dataset, shards: int, folder: str | Path, ffmpeg: str, workers: int = 1) -> pl.DataFrame:
    """Write clips.parquet, shards/{shard}.parquet and boxes/{shard}.parquet to `folder`; return the clips.

    Every clip is read once, by `workers` threads, for the digest of its content and its number of frames. A video that
    cannot be read is listed as damaged, with a message. Equal datasets give equal bytes, wherever they lie.
    """
    read = partial(_content, dataset.folder, ffmpeg)
    with ThreadPoolExecutor(workers) as pool:
        contents = pool.map(read, dataset.clips["source"], dataset.clips["kind"])
        contents = list(tqdm(contents, desc="index", unit="clip", total=len(dataset.clips)))
    shard = pl.Series("shard", [shard_of(clip_id, shards) for clip_id in dataset.clips["clip_id"]], pl.Int32)
    clips = dataset.clips.hstack(pl.DataFrame(contents, _CONTENT, orient="row")).with_columns(shard)
    clips = clips.select(_INDEX_COLUMNS)
    boxes = dataset.boxes.join(clips.select("clip_id", "shard"), on="clip_id", maintain_order="left")
    for number in range(shards):
        write_parquet(clips.filter(shard=number).select(_SHARD_COLUMNS), Path(folder, "shards", f"{number}.parquet"))
        write_parquet(boxes.filter(shard=number).drop("shard"), Path(folder, "boxes", f"{number}.parquet"))
    write_parquet(clips, Path(folder, "clips.parquet"))
    return clips


def shard_of(clip_id: str, shards: int) -> int:
    """The shard of a clip: depends on nothing but its id and the number of shards."""
    return int.from_bytes(hashlib.sha256(clip_id.encode()).digest()) % shards


def _content(folder: Path, ffmpeg: str, source: str, kind: str) -> tuple[int, str, str, str | None]:
    """n_frames, sha256, status and message of one clip."""
    if kind == "frames":
        files = frame_files(folder / source)
        digest = hashlib.sha256()
        for number, file in files:
            digest.update(f"{number} {sha256_file(file)}\n".encode())
        return len(files), digest.hexdigest(), "ok", None
    digest = sha256_file(folder / source)
    try:
        return count_frames(folder / source, ffmpeg), digest, "ok", None
    except Damaged as damage:
        return 0, digest, "damaged", str(damage)
