"""The 95 % interval of a mean, of paired differences above all."""

import math
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import TypedDict

_NORMAL = 1.96


class Interval(TypedDict):
    """In the units of the values; None where there is too little to say it from."""

    points: float | None
    low: float | None
    high: float | None


def interval(values: Sequence[float], *, student: bool) -> Interval:
    """The mean of the values with its 95 % interval.

    Student's t is for a few values that are means themselves, such as a world's seeds; the normal
    distribution for many single ones, such as tasks. No interval from a single value, nothing from none.
    """
    if not values:
        return Interval(points=None, low=None, high=None)
    mean = fmean(values)
    if len(values) == 1:
        return Interval(points=mean, low=None, high=None)
    half = _quantile(len(values), student=student) * stdev(values) / math.sqrt(len(values))
    return Interval(points=mean, low=mean - half, high=mean + half)


def _quantile(count: int, *, student: bool) -> float:
    if not student:
        return _NORMAL
    from scipy.stats import t

    return float(t.ppf(0.975, count - 1))


def signed(gap: Interval | None) -> str:
    """A difference and half of its interval's width, as +1.2±0.8; empty where there is none."""
    if gap is None or gap["points"] is None:
        return ""
    half = "" if gap["high"] is None else f"±{gap['high'] - gap['points']:.1f}"
    return f"{gap['points']:+.1f}{half}"
