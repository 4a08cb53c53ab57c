"""A steady clock for pictures that need not have been taken at one."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat

import numpy as np

from clip_caer.predicting.source import Source

FASTEST = 60  # ticks a second, of a clock that repeats pictures
_CLOSE = 0.25  # ticks by which a time may be off; containers round to a thousandth of a second, or to a hundredth


def steady_clock(source: Source) -> tuple[float, list[int]]:
    """Ticks a second, and for how many of them each frame is shown.

    Where the times are even or not known, that is one tick, at the rate of the source. Where they are multiples of one
    time, as where frames were left out, a tick is that time. Elsewhere a tick is 1/60 s: a frame is shown from the tick
    that is nearest to its time, and of frames that share a tick the last.
    """
    times, rate = np.asarray(source.times or [0.0]), source.rate
    if times[-1] == 0 or np.abs(times * rate - np.arange(len(times))).max() <= _CLOSE:
        return rate, [1] * len(source.names)
    rate = _common_rate(times) or FASTEST
    ticks = np.floor(times * rate + 0.5).astype(int)
    end = max(round((times[-1] + 1 / source.rate) * rate), ticks[-1] + 1)  # an average time, as in the table
    return rate, np.diff(ticks, append=end).tolist()


def repeated(pictures: Iterable[np.ndarray], counts: Sequence[int]) -> Iterator[np.ndarray]:
    """Each picture as many times as `counts` says, one after the other."""
    for picture, count in zip(pictures, counts, strict=True):
        yield from repeat(picture, count)


def _common_rate(times: np.ndarray) -> float | None:
    """The rate of the slowest clock that has a tick for each of these times; None if FASTEST is too slow."""
    gaps = np.diff(times)
    if gaps.min() <= 0:
        return None
    tick = gaps[gaps < 1.5 * gaps.min()].mean()  # each is rounded, their mean is not
    ticks = np.rint(gaps / tick).cumsum()
    rate = ticks[-1] / times[-1]
    return float(rate) if rate <= FASTEST and np.abs(times[1:] * rate - ticks).max() <= _CLOSE else None
