"""Sliding windows over a video."""

import re
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from clip_caer.errors import UserError

_CLOSE = 1e-6  # seconds; times are sums of fractions


class Span(NamedTuple):
    """A length of time."""

    amount: float
    unit: str  # s: seconds | f: frames


class Window(NamedTuple):
    """The frames start, start + 1, …, stop - 1 of a video, counted from 0."""

    start: int
    stop: int


def parse_span(text: str | None) -> Span | None:
    """ "4s" or "4": four seconds; "100f": a hundred frames; None for nothing. Raises UserError for anything else."""
    if not text:
        return None
    match = re.fullmatch(r"(\d+\.?\d*|\.\d+)\s*([sf]?)", text.strip())
    if not match or float(match[1]) == 0 or (match[2] == "f" and not float(match[1]).is_integer()):
        raise UserError(f"{text!r} is no length of time. Expected seconds, as in 4 or 2.5s, or frames, as in 100f.")
    return Span(float(match[1]), match[2] or "s")


def check_spans(length: Span | None, step: Span | None) -> None:
    """Raise UserError for a step without a window."""
    if step and length is None:
        raise UserError("A step needs a window. Say how long one is, as in --window 4s, or leave the step out.")


def make_windows(n_frames: int, times: Sequence[float] | None, length: Span | None, step: Span | None) -> list[Window]:
    """Windows of `length` that begin every `step` (half a window if None); the last one ends with the video.

    A step that is longer than a window leaves gaps, but never one at the end: where the next window would reach the end
    or lie beyond it, the last one begins as much earlier as it has to.
    times: of the frames, in seconds. length: None for one window over the whole video.
    Raises UserError for a step without a length, and for seconds where there are no times: a folder of pictures.
    """
    check_spans(length, step)
    if length is None:
        return [Window(0, n_frames)]
    step = step or Span(length.amount / 2, length.unit)
    if times is None and "s" in (length.unit, step.unit):
        raise UserError("A folder of pictures has no times: give the window and its step in frames, as in 50f.")
    windows, start = [], 0
    while not windows or windows[-1].stop < n_frames:
        stop = _after(start, length, n_frames, times)
        if stop == n_frames and windows:
            start = _before(n_frames, length, times)
        windows.append(Window(start, stop))
        start = _after(start, step, n_frames, times)
    return windows


def _after(start: int, span: Span, n_frames: int, times: Sequence[float] | None) -> int:
    """The first frame that is `span` or more after `start`; `n_frames`, the end, if there is none."""
    if start >= n_frames:
        return n_frames
    if span.unit == "f":
        return min(start + max(1, int(span.amount)), n_frames)
    return max(start + 1, bisect_left(times, times[start] + span.amount - _CLOSE))


def _before(stop: int, span: Span, times: Sequence[float] | None) -> int:
    """Where a window of this length begins that ends before frame `stop`."""
    if span.unit == "f":
        return max(0, stop - max(1, int(span.amount)))
    frame = times[-1] / max(1, len(times) - 1)
    return min(stop - 1, bisect_left(times, times[stop - 1] + frame - span.amount - _CLOSE))
