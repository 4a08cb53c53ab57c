"""Protocols: how clips become train, val and test. No student stands in two roles, but where `official` forces it."""

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl

from clip_caer.errors import UserError, reject

ROLES = ("train", "val", "test")


def split_names(protocols: Mapping[str, Mapping]) -> list[str]:
    """Names of all splits, known from the config alone: `official`, `subject_kfold-1`, `subject_kfold-2`, …"""
    names = []
    for protocol, settings in protocols.items():
        folds = settings.get("folds")
        names += [f"{protocol}-{fold}" for fold in range(1, folds + 1)] if folds else [protocol]
    return names


def protocol_of(split: str) -> str:
    """`subject_kfold-3` → `subject_kfold`."""
    return split.partition("-")[0]


def make_splits(clips: pl.DataFrame, protocols: Mapping[str, Mapping]) -> dict[str, pl.DataFrame]:
    """One table (clip_id, role) for each split.

    clips: usable rows of the index. Raises UserError where the data cannot be split as asked.
    """
    splits = {}
    for protocol, settings in protocols.items():
        roles = PROTOCOLS[protocol](clips, **settings)
        for name, role in zip(split_names({protocol: settings}), roles, strict=True):
            reject([f"no {wanted} clips" for wanted in ROLES if wanted not in role], f"The split {name} cannot be used")
            splits[name] = clips.select("clip_id").with_columns(pl.Series("role", role, dtype=pl.String))
    return splits


def official(clips: pl.DataFrame, seed: int = 0) -> list[np.ndarray]:
    """The given lists. Validation is taken from train, by student, if the lists have none; never from test.

    As in RAER, its students may stand in train and test; validation students are kept out of train.
    """
    if clips["role"].null_count():
        raise UserError(
            "protocol official: the dataset gives no lists (a csv sheet needs the column `split`). "
            "Add them, or remove `official` from protocols."
        )
    role = clips["role"].to_numpy().astype(object)
    if "val" not in role:
        (listed,) = np.nonzero(role == "train")
        _, val = _fold(clips[listed], min(5, clips[listed]["subject"].n_unique()), seed, 0)
        role[listed[val]] = "val"
    return [role]


def subject_kfold(clips: pl.DataFrame, folds: int, seed: int) -> list[np.ndarray]:
    """Students dealt into folds with like shares of classes; each fold is test once, part of the rest is val."""
    roles = []
    for number in range(folds):
        rest, test = _fold(clips, folds, seed, number)
        train, val = _fold(clips[rest], max(folds, 3), seed, 0)
        role = np.empty(len(clips), dtype=object)
        role[test], role[rest[val]], role[rest[train]] = "test", "val", "train"
        roles.append(role)
    return roles


PROTOCOLS: dict[str, Callable[..., list[np.ndarray]]] = {"official": official, "subject_kfold": subject_kfold}


def _fold(clips: pl.DataFrame, folds: int, seed: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    students = clips["subject"].n_unique()
    if students < folds:
        raise UserError(
            f"{students} student(s) cannot be dealt into {folds} folds without sharing one. "
            "Lower protocols.subject_kfold.folds, or bring more students."
        )
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold  # not to plan with: it takes a second

    stratify = clips["label"].value_counts()["count"].max() >= folds  # else no class has a clip for each fold
    dealer = (StratifiedGroupKFold if stratify else GroupKFold)(folds, shuffle=True, random_state=seed)
    return list(dealer.split(np.zeros(len(clips)), clips["label"].to_numpy(), clips["subject"].to_numpy()))[number]
