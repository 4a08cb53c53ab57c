"""Protocols: how clips become train, val and test. No student stands in two roles, but where `official` forces it."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from clip_caer.errors import UserError, reject

ROLES = ("train", "val", "test")


def split_names(protocols: Mapping[str, Mapping]) -> list[str]:
    """Names of all splits, known from the config alone, in its order.

    `official` · `subject_kfold-1`, `subject_kfold-2`, … and `subject_kfold-1-repeat-2` where students are dealt again ·
    `leave_setting_out-Library`, … Raises UserError if two settings have the same name for files.
    """
    return [name for protocol, settings in protocols.items() for name in NAMES[protocol](**settings)]


def protocol_of(split: str) -> str:
    """`subject_kfold-3` → `subject_kfold`."""
    return split.partition("-")[0]


def repeat_of(split: str) -> int:
    """`subject_kfold-3-repeat-2` → 2; 1 for a split whose protocol is not repeated."""
    repeat = re.fullmatch(r"subject_kfold-\d+-repeat-(\d+)", split)
    return int(repeat[1]) if repeat else 1


def make_splits(clips: pl.DataFrame, protocols: Mapping[str, Mapping]) -> dict[str, pl.DataFrame]:
    """One table (clip_id, role) for each split; a clip in no role is not listed.

    clips: usable rows of the index. Raises UserError where the data cannot be split as asked.
    """
    splits = {}
    for protocol, settings in protocols.items():
        roles = PROTOCOLS[protocol](clips, **settings)
        for name, role in zip(split_names({protocol: settings}), roles, strict=True):
            problems = [f"no {wanted} clips" for wanted in ROLES if wanted not in role]
            if clips.filter(role == "train")["label"].n_unique() == 1:
                problems.append("all train clips are of one class")
            reject(problems, f"The split {name} cannot be used")
            table = clips.select("clip_id").with_columns(pl.Series("role", role.tolist(), dtype=pl.String))
            splits[name] = table.drop_nulls("role")
    return splits


def official(clips: pl.DataFrame, seed: int = 0) -> list[np.ndarray]:
    """The given lists. Validation is taken from train if the lists have none; never from test.

    As in RAER, its students may stand in train and test; validation students are kept out of train, unless train has
    only one.
    """
    if clips["role"].null_count():
        raise UserError(
            "protocol official: the dataset gives no lists (a csv sheet needs the column `split`). "
            "Add them, or remove `official` from protocols."
        )
    role = clips["role"].to_numpy().astype(object)
    (listed,) = np.nonzero(role == "train")
    if "val" not in role and len(listed) > 1:
        train = clips[listed]
        if train["subject"].n_unique() == 1:
            train = train.with_columns(subject="clip_id")
        _, val = _carve(train, 5, seed, "protocol official")
        role[listed[val]] = "val"
    return [role]


def subject_kfold(clips: pl.DataFrame, folds: int, seed: int, repeats: int = 1) -> list[np.ndarray]:
    """Students dealt into folds with like shares of classes; each fold is test once, part of the rest is val.

    Each repeat deals anew, with the next seed.
    """
    if (students := clips["subject"].n_unique()) < folds:
        cure = (
            "Lower protocols.subject_kfold.folds, or bring more students." if students > 3 else "Bring more students."
        )
        raise UserError(f"{students} student(s) cannot be dealt into {folds} folds without sharing one. {cure}")
    roles = []
    for of_repeat in range(seed, seed + repeats):
        for rest, test in _folds(clips, folds, of_repeat):
            train, val = _carve(clips[rest], max(folds, 3), of_repeat, "protocol subject_kfold")
            roles.append(_roles(clips, train=rest[train], val=rest[val], test=test))
    return roles


def leave_setting_out(clips: pl.DataFrame, settings: Sequence[str], seed: int = 0) -> list[np.ndarray]:
    """Each listed setting is test once; part of the rest, by student, is val.

    What a test student did elsewhere is in no role: else the score could come from knowing the student.
    """
    known = set(clips["setting"].drop_nulls())
    problems = [f"there is no setting {setting!r}" for setting in settings if setting not in known]
    if without := clips["setting"].null_count():
        problems.append(f"{without} of {len(clips)} clips have no setting (a csv sheet needs the column `setting`)")
    reject(problems, f"protocol leave_setting_out, with the settings {', '.join(sorted(known)) or 'none'} in the data")
    roles = []
    for setting in settings:
        tested = clips["setting"] == setting
        test_students = clips.filter(tested)["subject"].unique()
        (rest,) = np.nonzero(~clips["subject"].is_in(test_students.implode()).to_numpy())
        train, val = _carve(clips[rest], 5, seed, f"protocol leave_setting_out, setting {setting!r}")
        roles.append(_roles(clips, train=rest[train], val=rest[val], test=tested.to_numpy()))
    return roles


PROTOCOLS: dict[str, Callable[..., list[np.ndarray]]] = {
    "official": official,
    "subject_kfold": subject_kfold,
    "leave_setting_out": leave_setting_out,
}


def _names_of_folds(folds: int, repeats: int = 1, **_: int) -> list[str]:
    again = ["", *(f"-repeat-{repeat}" for repeat in range(2, repeats + 1))]
    return [f"subject_kfold-{fold}{repeat}" for repeat in again for fold in range(1, folds + 1)]


def _names_of_settings(settings: Sequence[str], **_: int) -> list[str]:
    """A letter, digit, dot, dash or underscore stands for itself, anything else for an underscore."""
    names = [re.sub(r"[^\w.-]", "_", f"leave_setting_out-{setting}") for setting in settings]
    twice = [name for name, count in Counter(names).items() if count > 1]
    alike = [
        f"{' and '.join(repr(setting) for setting, name in zip(settings, names, strict=True) if name == one)} "
        f"would both be {one}; rename one in the data"
        for one in twice
    ]
    reject(alike, "protocols.leave_setting_out.settings cannot be told apart")
    return names


NAMES: dict[str, Callable[..., list[str]]] = {
    "official": lambda **_: ["official"],
    "subject_kfold": _names_of_folds,
    "leave_setting_out": _names_of_settings,
}


def _roles(clips: pl.DataFrame, **positions: np.ndarray) -> np.ndarray:
    """The role of each clip, None where it has none."""
    role = np.full(len(clips), None, dtype=object)
    for name, of_role in positions.items():
        role[of_role] = name
    return role


def _carve(clips: pl.DataFrame, parts: int, seed: int, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Positions of train and of val, about one part in `parts` of the clips, by student."""
    students = clips["subject"].n_unique()
    if students < 2:
        raise UserError(
            f"{where}: beside the test students {students} student(s) are left, and train and val need one each. "
            "Bring more students, or take what tests so many at once out of protocols."
        )
    return next(_folds(clips, min(parts, students), seed))


def _folds(clips: pl.DataFrame, folds: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Positions outside and inside of each fold; no more folds than students."""
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold  # not to plan with: it takes a second

    stratify = clips["label"].value_counts()["count"].max() >= folds  # else no class has a clip for each fold
    dealer = (StratifiedGroupKFold if stratify else GroupKFold)(folds, shuffle=True, random_state=seed)
    return dealer.split(np.zeros(len(clips)), clips["label"].to_numpy(), clips["subject"].to_numpy())
