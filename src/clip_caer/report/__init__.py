"""The report: one self-contained page with the answer, its evidence, and what the data cannot tell."""

from clip_caer.report.evidence import Evidence, draw
from clip_caer.report.page import render

__all__ = ["Evidence", "draw", "render"]
