"""The comparison as a table for a paper."""

from collections.abc import Iterator, Mapping

import polars as pl

from clip_caer.comparison.wording import METRICS, interval, kinds_of, known, model_names, percent, protocol_names

_ESCAPES = {
    "\\": r"\textbackslash{}",
    **{sign: "\\" + sign for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "−": "$-$",
    "–": "--",
}


def comparison_latex(comparison: pl.DataFrame) -> str:
    """A booktabs table: UAR, WAR and macro F1 in percent with their 95 % intervals, a part a protocol, kinds apart.

    comparison: protocol, model, kind, metric, value, low, high, selected_on, students_shared and, where known, quoted
    (a publication's UAR, 0–1), which gets a column of its own.
    """
    quoted = "quoted" in comparison.columns and comparison["quoted"].is_not_null().any()
    heads = [*METRICS.values(), *["UAR, quoted"] * quoted]
    lines = [
        r"% \usepackage{booktabs}",
        rf"\begin{{tabular}}{{l{'r@{ }l' * len(METRICS)}{'r' * quoted}}}",
        r"\toprule",
        " & ".join(["", *(rf"\multicolumn{{2}}{{l}}{{{head}}}" for head in heads[:3]), *heads[3:]]) + r" \\",
    ]
    for protocol, name in protocol_names(comparison).items():
        lines += [r"\midrule", rf"\multicolumn{{{1 + 2 * len(METRICS) + quoted}}}{{l}}{{\textit{{{escape(name)}}}}} \\"]
        lines += _rows(comparison.filter(protocol=protocol), quoted)
    lines += [r"\bottomrule", r"\end{tabular}"]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """`text` as LaTeX shows it, sign for sign."""
    return "".join(_ESCAPES.get(sign, sign) for sign in text)


def _rows(comparison: pl.DataFrame, quoted: bool) -> Iterator[str]:
    last, names = None, model_names(comparison)
    for model, kind in kinds_of(comparison).items():
        if kind != last:
            yield r"\midrule"
        last = kind
        scores = {row["metric"]: row for row in comparison.filter(model=model).iter_rows(named=True)}
        cells = [escape(names[model]), *(_score(scores[metric]) for metric in METRICS)]
        if quoted:
            cells.append(percent(scores["uar"]["quoted"]) if known(scores["uar"]["quoted"]) else "")
        yield " & ".join(cells) + r" \\"


def _score(row: Mapping) -> str:
    between = interval(row["low"], row["high"])
    star = "*" * row["few_students"]
    return f"{escape(percent(row['value']))} & {{{between}{star}}}" if between else f"{escape(percent(row['value']))} &"
