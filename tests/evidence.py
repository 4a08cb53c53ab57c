"""Tables of an experiment that never ran, of RAER's shape: three ablations, two comparators, six controls."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from clip_caer.report import Evidence

CLASSES = ["neutrality", "enjoyment", "confusion", "fatigue", "distraction"]
PROTOCOLS = ["official", "subject_kfold"]
SKILL = {  # model: kind, and how often it sees the truth
    "face": ("ablation", 0.52),
    "context": ("ablation", 0.33),
    "fused": ("ablation", 0.61),
    "dfer_clip": ("comparator", 0.5),
    "caer_net": ("comparator", 0.32),
    "majority": ("control", 0.0),
    "student_id": ("control", 0.12),
    "setting_id": ("control", 0.05),
    "zero_shot": ("control", 0.08),
    "linear_probe": ("control", 0.3),
    "shuffled_labels": ("control", -1.0),
}
SETTINGS = ["classroom", "library", "laboratory", "dormitory"]
FACE_RATES = ["none", "up to half", "over half", "all"]
_SHARES = np.array([0.55, 0.09, 0.04, 0.11, 0.21])


def make_clips(students: int = 141, seed: int = 0) -> pl.DataFrame:
    """The index: 4 to 30 clips a student, three of them damaged."""
    random = np.random.default_rng(seed)
    rows = []
    for student in range(1, students + 1):
        setting = SETTINGS[random.choice(4, p=[0.5, 0.2, 0.2, 0.1])]
        mood = random.dirichlet(3 * _SHARES)
        for clip in range(1, random.integers(5, 31)):
            rows.append(
                {
                    "clip_id": f"{setting}/P{student:03d}/{clip}",
                    "subject": f"P{student:03d}",
                    "setting": setting,
                    "label": CLASSES[random.choice(5, p=mood)],
                    "n_frames": int(random.integers(30, 60)),
                    "status": "ok",
                    "face_rate": FACE_RATES[random.choice(4, p=[0.05, 0.1, 0.25, 0.6])],
                }
            )
    clips = pl.DataFrame(rows).with_row_index()
    return clips.with_columns(
        pl.when(pl.col("index") < 3).then(pl.lit("damaged")).otherwise("status").alias("status")
    ).drop("index")


def make_roles(clips: pl.DataFrame, folds: int = 4, seed: int = 1) -> pl.DataFrame:
    """split, clip_id, role of the usable clips; students of the split `official` stand in train and test."""
    random, usable = np.random.default_rng(seed), clips.filter(status="ok")
    tables = [
        usable.select(
            "clip_id", role=pl.Series(random.choice(["train", "val", "test"], len(usable), p=[0.7, 0.1, 0.2]))
        )
    ]
    students = usable["subject"].unique().sort()
    fold = dict(zip(students, random.permutation(len(students)) % folds, strict=True))
    for number in range(folds):
        of = {student: {number: "test", (number + 1) % folds: "val"}.get(its, "train") for student, its in fold.items()}
        tables.append(usable.select("clip_id", role=pl.col("subject").replace_strict(of)))
    names = ["official", *(f"subject_kfold-{number}" for number in range(1, folds + 1))]
    return pl.concat(table.with_columns(split=pl.lit(name)) for name, table in zip(names, tables, strict=True))


def make_evidence(clips: pl.DataFrame, roles: pl.DataFrame, seeds: int = 3) -> Evidence:
    """All tables of results, from invented predictions."""
    columns: dict[str, list[dict]] = {name: [] for name in ("comparison", "calibration", "reliability", "strata")}
    confusions, repeats = {}, {}
    for protocol in PROTOCOLS:
        tested = roles.filter(pl.col("split").str.starts_with(protocol), role="test").join(clips, on="clip_id")
        for number, (model, (kind, skill)) in enumerate(SKILL.items()):
            random = np.random.default_rng([number, len(protocol)])
            predicted = [_predict(tested, model, skill, random) for _ in range(seeds)]
            at = {"protocol": protocol, "model": model}
            confusions[protocol, model] = sum(_confusion(tested, guess) for guess in predicted) / seeds
            repeats[protocol, model] = _resampled(tested, predicted)
            columns["comparison"] += _scores(at | {"kind": kind}, tested, confusions[protocol, model], repeats, seeds)
            if kind != "control":
                columns["calibration"].append(at | _calibration(random))
                columns["reliability"] += [at | row for row in _reliability(skill, random)]
            columns["strata"] += [at | row for row in _strata(tested, predicted[0])]
    tables = {name: pl.DataFrame(rows, infer_schema_length=None) for name, rows in columns.items()}
    shared = pl.col("protocol") == "official"
    tables["comparison"] = tables["comparison"].with_columns(
        students_shared=shared,
        few_students=shared,
        selected_on=pl.when(pl.col("model") == "caer_net").then(pl.lit("test")).otherwise(pl.lit("val")),
        ceiling=pl.when((pl.col("metric") == "uar") & (pl.col("model") == "fused")).then(0.8),
        quoted=pl.when((pl.col("metric") == "uar") & (pl.col("model") == "caer_net") & shared).then(0.4592),
    )
    return Evidence(
        classes=CLASSES,
        pairs=pl.DataFrame(list(_pairs(repeats, confusions))),
        leakage=_leakage(roles, clips),
        near_duplicates=pl.DataFrame(
            [
                {
                    "split": "official",
                    "roles": "train-test",
                    "clip_a": "classroom/P001/4",
                    "clip_b": "classroom/P001/5",
                    "subject_a": "P001",
                    "subject_b": "P001",
                    "similarity": 0.9991,
                    "same_file": True,
                }
            ]
        ),
        history=_history(roles["split"].unique(maintain_order=True).to_list(), seeds),
        confusions=confusions,
        **tables,
    )


def _true(tested: pl.DataFrame) -> np.ndarray:
    return tested["label"].replace_strict({name: k for k, name in enumerate(CLASSES)}).to_numpy()


def _predict(tested: pl.DataFrame, model: str, skill: float, random: np.random.Generator) -> np.ndarray:
    true = _true(tested)
    if model == "majority":
        return np.zeros_like(true)
    students = tested["subject"].rank("dense").to_numpy() - 1
    sees = random.random(len(true)) < random.normal(skill, 0.1, students.max() + 1)[students]
    return np.where(sees, true, random.integers(0, 5, len(true)))


def _confusion(tested: pl.DataFrame, predicted: np.ndarray) -> np.ndarray:
    true = _true(tested)
    return np.bincount(5 * true + predicted, minlength=25).reshape(5, 5).astype(float)


def _resampled(tested: pl.DataFrame, predicted: list[np.ndarray]) -> np.ndarray:
    """Confusions [300, 5, 5] of resampled students."""
    students = tested["subject"].rank("dense").to_numpy() - 1
    true = _true(tested)
    counts = np.zeros((students.max() + 1, 25))
    for guess in predicted:
        np.add.at(counts, (students, 5 * true + guess), 1 / len(predicted))
    drawn = np.random.default_rng(0).multinomial(len(counts), np.full(len(counts), 1 / len(counts)), 300)
    return (drawn @ counts).reshape(-1, 5, 5)


def _metrics(confusion: np.ndarray) -> dict[str, np.ndarray]:
    right, true = confusion.diagonal(0, -2, -1), confusion.sum(-1)
    recalls = right / np.maximum(true, 1)
    f1 = 2 * right / np.maximum(true + confusion.sum(-2), 1)
    named = {f"recall/{name}": recalls[..., k] for k, name in enumerate(CLASSES)}
    return {"uar": recalls.mean(-1), "war": right.sum(-1) / true.sum(-1), "macro_f1": f1.mean(-1)} | named


def _scores(at: dict, tested: pl.DataFrame, confusion: np.ndarray, repeats: dict, seeds: int) -> Iterator[dict]:
    spread = _metrics(repeats[at["protocol"], at["model"]])
    for metric, value in _metrics(confusion).items():
        low, high = np.percentile(spread[metric], [2.5, 97.5])
        rows = tested.filter(label=metric.removeprefix("recall/")) if "/" in metric else tested
        numbers = {"value": float(value), "low": float(low), "high": float(high), "sd": 0.011}
        counts = {"clips": len(rows), "subjects": rows["subject"].n_unique(), "seeds": seeds}
        yield at | {"metric": metric} | numbers | counts


def _pairs(repeats: dict, confusions: dict) -> Iterator[dict]:
    trained = [model for model, (kind, _) in SKILL.items() if kind != "control"]
    for protocol in PROTOCOLS:
        for first, a in enumerate(trained):
            for b in trained[:first]:
                for metric in ("uar", "war"):
                    spread = _metrics(repeats[protocol, a])[metric] - _metrics(repeats[protocol, b])[metric]
                    low, high = np.percentile(spread, [2.5, 97.5])
                    p = 2 * float(min((spread < 0).mean(), (spread > 0).mean())) + 0.0005
                    values = [_metrics(confusions[protocol, model])[metric] for model in (a, b)]
                    yield {
                        **{"protocol": protocol, "a": a, "b": b, "metric": metric},
                        **{"difference": float(values[0] - values[1]), "low": float(low), "high": float(high)},
                        **{"p": min(p, 1.0), "p_holm": min(10 * p, 1.0), "mcnemar_p": p if metric == "war" else None},
                    }


def _calibration(random: np.random.Generator) -> dict:
    before = {"nll_before": random.uniform(1, 2), "brier_before": random.uniform(0.5, 0.8), "ece_before": 0.15}
    after = {"nll_after": random.uniform(0.8, 1), "brier_after": random.uniform(0.4, 0.5), "ece_after": 0.034}
    soft = dict.fromkeys(["soft_nll_before", "soft_nll_after", "soft_brier_before", "soft_brier_after"])
    return {"temperature": random.uniform(1.2, 2.5), **before, **after, **soft}


def _reliability(skill: float, random: np.random.Generator) -> Iterator[dict]:
    for state, gap in (("before", 0.25), ("after", 0.02)):
        for low in np.arange(2, 10) / 10:
            sure = low + 0.05
            right = float(np.clip(sure - gap * sure + random.normal(0, 0.03), 0, 1))
            clips = int(300 * sure**2 * skill + 3)
            yield {
                **{"state": state, "low": low, "high": low + 0.1, "confidence": sure, "accuracy": right},
                "clips": clips if low > 0.2 else 0,
            }


def _strata(tested: pl.DataFrame, predicted: np.ndarray) -> Iterator[dict]:
    rows = tested.with_columns(right=pl.Series(predicted == _true(tested)))
    for stratum, column in {
        "class": "label",
        "setting": "setting",
        "subject": "subject",
        "face_rate": "face_rate",
    }.items():
        levels = FACE_RATES if stratum == "face_rate" else rows[column].unique().sort()
        for level in levels:
            of_level = rows.filter(pl.col(column) == level)
            uar = of_level.group_by("label").agg(pl.col("right").mean())["right"].mean()
            yield {
                **{"stratum": stratum, "level": level, "uar": uar, "war": of_level["right"].mean()},
                **{"clips": len(of_level), "subjects": of_level["subject"].n_unique()},
            }
    for level in ("with a face", "without a face"):
        yield {"stratum": "frames", "level": level, "uar": None, "war": 0.6, "clips": len(rows), "subjects": 40}


def _leakage(roles: pl.DataFrame, clips: pl.DataFrame) -> pl.DataFrame:
    """Students and settings that two roles of a split share."""
    rows = []
    placed = roles.join(clips.select("clip_id", "subject", "setting"), on="clip_id")
    for (split,), of_split in placed.group_by("split", maintain_order=True):
        for pair in ("train-test", "train-val", "val-test"):
            one, other = (of_split.filter(role=role) for role in pair.split("-"))
            students, settings = (len(set(one[c]) & set(other[c])) for c in ("subject", "setting"))
            leaking = split == "official" and pair == "train-test"
            found = {"students": students, "settings": settings, "clips": int(leaking), "same_files": int(leaking)}
            rows.append({"split": split, "roles": pair} | found)
    return pl.DataFrame(rows)


def _history(splits: list[str], seeds: int, epochs: int = 8) -> pl.DataFrame:
    rows = []
    trained = [model for model, (kind, _) in SKILL.items() if kind != "control"] + ["shuffled_labels"]
    random = np.random.default_rng(5)
    for model in trained:
        for split in splits:
            for seed in range(1, seeds + 1):
                for epoch in range(1, epochs + 1):
                    grown = 1 - np.exp(-epoch / 2)
                    top = SKILL[model][1] * 0.8
                    rows.append(
                        {
                            **{"model": model, "split": split, "seed": seed, "epoch": epoch},
                            "train/loss": 1.6 - 1.3 * grown + random.normal(0, 0.03),
                            "val/loss": 1.6 - top * grown + 0.015 * epoch + random.normal(0, 0.05),
                            "val/uar": float(np.clip(0.2 + top * grown + random.normal(0, 0.02), 0, 1)),
                        }
                    )
    return pl.DataFrame(rows)
