"""How well an arm's predictions agree with what the world then does."""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np

_BINS = 10


class Calibration(TypedDict):
    """`coverage` is the share of the intervals prediction ± standard deviation that hold the truth, .68 if
    both are right and normal; `bias` the mean of prediction − truth. `curve` has, for tenths of the
    predictions from the least to the greatest, [mean prediction, mean truth, how many].
    """

    count: int
    coverage: float
    bias: float
    curve: list[list[float]]


def calibration(rows: Sequence[Sequence[float]]) -> Calibration | None:
    """Of rows of [prediction, its standard deviation, the truth]; None where there are none."""
    if not rows:
        return None
    means, stds, truths = np.asarray(rows, dtype=np.float64).T
    order = np.argsort(means, kind="stable")
    bins = [places for places in np.array_split(order, _BINS) if len(places)]
    return Calibration(
        count=len(rows),
        coverage=float(np.mean(np.abs(means - truths) <= stds)),
        bias=float(np.mean(means - truths)),
        curve=[[float(means[b].mean()), float(truths[b].mean()), float(len(b))] for b in bins],
    )
