"""The report as one HTML file that needs nothing else: no script, no request, every picture inside."""

import base64
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from io import BytesIO
from typing import Any, NamedTuple

import matplotlib
import polars as pl
import yaml
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from clip_caer.comparison.wording import model_names, notes, protocol_names
from clip_caer.protocol.leakage import leaks_as_text
from clip_caer.report import tables
from clip_caer.report.answer import answer
from clip_caer.report.evidence import Evidence
from clip_caer.tracking.records import Record

CAPTIONS = {
    "comparison": "UAR of every model. A dot is the mean over the seeds of the pooled test predictions, a bar its 95 % "
    "interval, resampling students.",
    "pairs": "Paired differences in UAR, each with its own 95 % interval over students and seeds. Strong where they "
    "hold after Holm's correction too.",
    "confusion": "What was taken for what. A row is a true class; the shade is the share of its clips.",
    "reliability": "How often a model is right against how sure it is, before and after temperature scaling.",
    "strata": "UAR of the ablations by setting and by the share of frames in which the face was found.",
    "students": "Accuracy of every student. A dot is a student; the line is the median.",
    "training": "Loss, and UAR on validation, by epoch. A dot is the epoch that was chosen.",
}


ENLARGED = 1.6  # CSS pixels a point; 4/3 would be the size on paper


class Picture(NamedTuple):
    """An SVG as a data address, its width and height in CSS pixels, and what it shows."""

    source: str
    width: int
    height: int
    caption: str


def render(
    evidence: Evidence,
    figures: Mapping[str, Figure],
    *,
    question: str,
    clips: pl.DataFrame,
    roles: pl.DataFrame,
    config: Mapping[str, Any],
    record: Record,
    gallery: bytes | None = None,
) -> str:
    """The page. The same input gives the same text, and all of the input is escaped.

    figures: of `evidence.draw`. question: the name of the experiment. clips: clip_id, subject, setting, label, n_frames
    and status (ok | damaged) of every clip. roles: split, clip_id, role of all splits. config: the whole configuration.
    record: of the step that makes the page; its versions and commit are shown. gallery: a PNG of explained clips.
    """
    template = files("clip_caer.report").joinpath("page.html.jinja").read_text(encoding="utf-8")
    style = files("clip_caer.report").joinpath("page.css").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    protocols = protocol_names(evidence.comparison)
    splits = {name: of for (name,), of in roles.partition_by("split", as_dict=True, maintain_order=True).items()}
    return environment.from_string(template).render(
        question=question,
        style=Markup(style),
        gallery=f"data:image/png;base64,{base64.b64encode(gallery).decode()}" if gallery else None,
        pictures={name: _picture(name, figure, protocols) for name, figure in figures.items()},
        protocols=[_protocol(evidence, protocol, name) for protocol, name in _disjoint_first(evidence.comparison)],
        facts=tables.facts(clips),
        roles=tables.roles_table(clips, roles, evidence.classes, protocols),
        leaks=leaks_as_text(clips, splits, evidence.near_duplicates),
        leakage=tables.leakage_table(evidence.leakage),
        near_duplicates=tables.near_duplicates_table(evidence.near_duplicates),
        quote=_quote(evidence.comparison),
        config=yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True),
        record=record,
    )


def _protocol(evidence: Evidence, protocol: str, name: str) -> dict[str, Any]:
    """What the page shows of a protocol."""
    names = model_names(evidence.comparison)
    comparison, pairs, calibration, strata = (
        table.filter(protocol=protocol)
        for table in (evidence.comparison, evidence.pairs, evidence.calibration, evidence.strata)
    )
    return {
        "key": protocol,
        "name": name,
        "answer": answer(comparison, pairs, protocol),
        "notes": notes(evidence.comparison, protocol),
        "comparison": tables.comparison_table(comparison, name),
        "pairs": tables.pairs_table(pairs, name),
        "calibration": tables.calibration_table(calibration, names, name),
        "strata": tables.strata_table(strata, names, name),
    }


def _disjoint_first(comparison: pl.DataFrame) -> Iterator[tuple[str, str]]:
    """Protocol and its name as shown; those that tell of new students come first."""
    shared = dict(comparison.select("protocol", "students_shared").iter_rows())
    yield from sorted(protocol_names(comparison).items(), key=lambda item: shared[item[0]])


def _quote(comparison: pl.DataFrame) -> str:
    """An example of how a number of this comparison is quoted."""
    protocol, name = next(_disjoint_first(comparison))
    row = comparison.filter(kind="ablation", metric="uar", protocol=protocol).row(0, named=True)
    interval = tables.interval(row["low"], row["high"]) + "*" * row["few_students"]
    return (
        f"{model_names(comparison)[row['model']]}: UAR {tables.percent(row['value'])} % (95 % interval {interval}, "
        f"over {row['subjects']:,} students; mean of {tables.count(row['seeds'], 'replicate')}; {name})"
    )


def _picture(name: str, figure: Figure, protocols: Mapping[str, str]) -> Picture:
    with BytesIO() as stream, matplotlib.rc_context({"svg.fonttype": "path"}):  # the same letters on every machine
        figure.savefig(stream, format="svg", dpi=200, bbox_inches="tight", metadata={"Date": None})
        svg = stream.getvalue()
    width, height = (
        round(float(re.search(rb'<svg[^>]* %s="([\d.]+)pt"' % side, svg)[1]) * ENLARGED)
        for side in (b"width", b"height")
    )
    kind, _, protocol = name.partition("-")
    caption = f"{protocols[protocol]}: {CAPTIONS[kind]}" if protocol else CAPTIONS[kind]
    return Picture(f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}", width, height, caption)
