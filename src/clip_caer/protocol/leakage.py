"""Leakage: students, settings and nearly the same clips that stand in two roles of a split."""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from clip_caer.caching.features import FeatureTable, check_cached

PAIRS = (("train", "test"), ("train", "val"), ("val", "test"))
MOMENTS = 16  # spread over a clip
AXES = 32  # the directions in which the clips' features differ most
ALIKE, ALIKE_IN_ONE_VIEW = 0.55, 0.85  # least similarity of two clips that are nearly the same
COMPARED = 1 << 21  # pairs of clips compared at once

Shards = Sequence[Callable[[], FeatureTable]]  # each reads the features of one shard, whenever it is asked for them

LEAKAGE = {"split": pl.String, "roles": pl.String, "students": pl.Int64, "settings": pl.Int64}
LEAKAGE |= {"clips": pl.Int64, "same_files": pl.Int64}
ALIKES = {"clip_a": pl.String, "clip_b": pl.String, "similarity": pl.Float64, "same_file": pl.Boolean}


def leakage_tables(
    clips: pl.DataFrame, splits: Mapping[str, pl.DataFrame], features: Mapping[str, Shards]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What stands in two roles, for every split and two roles ("train-test", "train-val", "val-test").

    clips: rows of the index. splits: name → table (clip_id, role). features: by view, and none at all is fine; they are
    read shard by shard, twice.
    First table: split, roles, and the numbers of students, settings, clips (pairs of nearly the same, null without
    features) and same_files (pairs of equal content, which are among them). Second table: these pairs, the first clip
    in the first role: split, roles, clip_a, clip_b, subject_a, subject_b, similarity, same_file.
    """
    used = clips.join(pl.concat(splits.values()), on="clip_id", how="semi", maintain_order="left")
    pairs = near_duplicates(used, features)
    rows, shared = [], []
    for name, split in splits.items():
        for a, b in PAIRS:
            found = _across(pairs, used, split, a, b).select(
                pl.lit(name).alias("split"), pl.lit(f"{a}-{b}").alias("roles"), pl.all()
            )
            shared.append(found)
            students, settings = (len(_shared(used, split, column, a, b)) for column in ("subject", "setting"))
            numbers = [students, settings, len(found) if features else None, found["same_file"].sum()]
            rows.append([name, f"{a}-{b}", *numbers])
    return pl.DataFrame(rows, LEAKAGE, orient="row"), pl.concat(shared)


def shared_students(clips: pl.DataFrame, split: pl.DataFrame, a: str = "train", b: str = "test") -> list[str]:
    """The students who stand in both roles of a split (clip_id, role), sorted."""
    return _shared(clips, split, "subject", a, b)


def near_duplicates(clips: pl.DataFrame, features: Mapping[str, Shards]) -> pl.DataFrame:
    """Pairs of clips that are nearly the same: clip_a, clip_b, similarity (0-1), same_file; sorted.

    Files of equal content are the same (similarity 1). Other clips are compared by what they show on average and by how
    that changes over time: the geometric mean of both cosines, each the mean over the views in which both clips show
    anything. Independent clips of one student look alike, but do not change alike; a copy that was compressed anew,
    mirrored or shortened a little still does both. A clip that does not change at all is compared by content only.
    Features are centred and scaled to like variance along the directions in which the clips differ most.
    """
    content = clips.select("clip_id", "sha256")
    same = content.join(content, on="sha256", suffix="_b").filter(pl.col("clip_id") < pl.col("clip_id_b"))
    same = {(a, b): 1.0 for a, b in same.select("clip_id", "clip_id_b").iter_rows()}
    ids = clips["clip_id"].to_list()
    views = [_describe(shards, content.rows(), view) for view, shards in features.items()]
    alike = {(min(ids[i], ids[j]), max(ids[i], ids[j])): round(s, 4) for i, j, s in (_alike(views) if views else ())}
    rows = [(a, b, similarity, (a, b) in same) for (a, b), similarity in sorted((alike | same).items())]
    return pl.DataFrame(rows, ALIKES, orient="row")


def leaks_as_text(
    clips: pl.DataFrame, splits: Mapping[str, pl.DataFrame], near_duplicates: pl.DataFrame, most: int = 10
) -> list[str]:
    """A line for each split with students or nearly the same clips in two roles, which names at most so many of each.

    `official: 3 of 3 test students also stand in train: P1, P2, P3; 1 pair of clips nearly the same in
    train and test: a ≈ b`.
    near_duplicates: the second of the `leakage_tables`.
    """
    lines = []
    for name, split in splits.items():
        leaks = []
        for a, b in PAIRS:
            if shared := shared_students(clips, split, a, b):
                of = clips.join(split.filter(role=b), on="clip_id", how="semi")["subject"].n_unique()
                leaks.append(f"{len(shared)} of {of} {b} students also stand in {a}: {_first(shared, most)}")
            pairs = near_duplicates.filter(split=name, roles=f"{a}-{b}")
            if alike := [f"{in_a} ≈ {in_b}" for in_a, in_b in pairs.select("clip_a", "clip_b").iter_rows()]:
                counted = f"{len(alike)} pair{'s' if len(alike) > 1 else ''} of clips nearly the same"
                leaks.append(f"{counted} in {a} and {b}: {_first(alike, most)}")
        if leaks:
            lines.append(f"{name}: {'; '.join(leaks)}")
    return lines


def _first(names: Sequence[str], most: int) -> str:
    return ", ".join([*names[:most], *(["…"] if len(names) > most else [])])


def _shared(clips: pl.DataFrame, split: pl.DataFrame, column: str, a: str, b: str) -> list[str]:
    in_a, in_b = (
        set(clips.join(split.filter(role=role), on="clip_id", how="semi")[column].drop_nulls()) for role in (a, b)
    )
    return sorted(in_a & in_b)


def _across(pairs: pl.DataFrame, clips: pl.DataFrame, split: pl.DataFrame, a: str, b: str) -> pl.DataFrame:
    """Pairs with one clip in role a and the other in role b, and their subjects; clip_a is the one in role a."""
    turned = pairs.select(clip_a="clip_b", clip_b="clip_a", similarity="similarity", same_file="same_file")
    subject = clips.select("clip_id", "subject")
    in_a, in_b = (subject.join(split.filter(role=role), on="clip_id").drop("role") for role in (a, b))
    found = pl.concat([pairs, turned])
    found = found.join(in_a.rename({"subject": "subject_a"}), left_on="clip_a", right_on="clip_id")
    found = found.join(in_b.rename({"subject": "subject_b"}), left_on="clip_b", right_on="clip_id")
    return found.select("clip_a", "clip_b", "subject_a", "subject_b", "similarity", "same_file").sort(
        "clip_a", "clip_b"
    )


def _describe(shards: Shards, clips: Sequence[tuple[str, str]], view: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What each clip shows in a view [N, AXES] and how it changes [N, MOMENTS * AXES]: rows of length 1, or of zeros.

    Third: whether it shows anything at all, float32 [N]. clips: (clip id, sha256). Raises UserError if the caches lack
    one, or are of other data.
    """
    number = {clip_id: row for row, (clip_id, _) in enumerate(clips)}
    cached, rows, means, products = {}, [], [], 0.0
    for table, mean, changes in _changes(shards, number):
        cached |= zip(table.clip_ids, table.sha256, strict=True)
        rows += [number[clip_id] for clip_id in table.clip_ids]
        means.append(mean)
        flat = changes.reshape(-1, changes.shape[-1])
        products += (flat.T @ flat).astype(float)
    check_cached(cached, clips, view)
    shown = np.concatenate(means)[np.argsort(rows)]
    seen = shown.any(axis=1)
    if seen.any():
        shown[seen] -= shown[seen].mean(0)
    # Of few clips, more axes would only tell each from all others, its copies too.
    shown = shown @ _whitening(shown.T @ shown, min(AXES, max(1, seen.sum() // 4)))
    axes = _whitening(products, AXES).astype(np.float32)
    changed = np.zeros((len(clips), MOMENTS, axes.shape[1]), np.float32)
    for table, _, changes in _changes(shards, number):
        changed[[number[clip_id] for clip_id in table.clip_ids]] = changes @ axes
    return _unit(shown), _unit(changed.reshape(len(changed), -1)), seen.astype(np.float32)


def _changes(shards: Shards, wanted: Container[str]) -> Iterator[tuple[FeatureTable, np.ndarray, np.ndarray]]:
    """The wanted clips of each shard, what they show on average [N, D], how some moments differ from it [N, T, D]."""
    for read in shards:
        table = read()
        table = table.select([clip_id for clip_id in table.clip_ids if clip_id in wanted])
        moments = np.zeros((len(table.clip_ids), MOMENTS, table.features.shape[-1]), np.float32)
        for clip, (start, length) in enumerate(zip(table.start.tolist(), table.length.tolist(), strict=True)):
            found = np.flatnonzero(table.found[start : start + length].numpy())
            if len(found):
                # mirrored or not is all the same
                frames = table.features[start : start + length].float().mean(1).numpy()
                moments[clip] = _resample(frames[found], found, np.linspace(0, length - 1, MOMENTS))
        mean = moments.mean(1)
        yield table, mean, moments - mean[:, None]


def _resample(frames: np.ndarray, at: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """Frames [F, D] that stand `at` [F] some times, linearly between them at other moments [T]: [T, D]."""
    position = np.interp(moments, at, np.arange(len(at)))
    before = position.astype(int)
    share = (position - before)[:, None]
    return frames[before] * (1 - share) + frames[np.minimum(before + 1, len(at) - 1)] * share


def _whitening(products: np.ndarray, most: int) -> np.ndarray:
    """The map [D, K] of centred rows onto their main axes, at most so many, with like variance along each.

    products: of the rows' columns with each other, [D, D].
    """
    variance, axes = np.linalg.eigh(products)
    variance, axes = variance[-most:], axes[:, -most:]
    kept = variance > 1e-6 * variance[-1]
    return axes[:, kept] / np.sqrt(variance[kept])


def _unit(rows: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)


def _alike(views: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> Iterator[tuple[int, int, float]]:
    """Numbers of two clips that are nearly the same, and their similarity; one block of clips with all at a time."""
    clips = len(views[0][0])
    at_once = max(1, COMPARED // clips)
    for start in range(0, clips, at_once):
        block, rest = slice(start, start + at_once), slice(start, clips)
        show = sum(shown[block] @ shown[rest].T for shown, _, _ in views)
        change = sum(changes[block] @ changes[rest].T for _, changes, _ in views)
        both = sum(np.outer(seen[block], seen[rest]) for _, _, seen in views)
        similarity = np.sqrt(show.clip(0) * change.clip(0)) / np.maximum(both, 1)
        least = np.where(both > 1, ALIKE, ALIKE_IN_ONE_VIEW)
        for i, j in np.argwhere(np.triu(similarity >= least, 1)):
            yield start + int(i), start + int(j), float(similarity[i, j])
