"""Hubs: the cases that are among the nearest whatever is asked.

Among vectors of many dimensions a few are near very many others: the number of times N_k that a point is one
of the k nearest is skewed (Radovanović et al. 2010). Similarity shows such a case most, to tasks that it fits
least. So the model of advantage weighs it, as it weighs any other feature of a case: what one hub costs says
something of the others, long before each has outcomes of its own.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

NEAREST = 8
"""How many of a task's nearest cases are counted."""


@dataclass(frozen=True)
class Hubs:
    """How often each case, by its code, was one of the nearest 8 of some tasks."""

    counts: Mapping[int, int]
    usual: float

    def hubness(self, code: int) -> float:
        """log(1 + N_8) of a case, less what that is on average for one of the nearest, at least -1: a case
        that was never near is no better for that.
        """
        return max(-1.0, math.log1p(self.counts.get(code, 0)) - self.usual)


def hubs_among(nearest: Iterable[Iterable[int]]) -> Hubs:
    """From the codes of the nearest cases of each task."""
    counts = Counter(code for codes in nearest for code in codes)
    logs = sum(count * math.log1p(count) for count in counts.values())
    return Hubs(counts, logs / max(counts.total(), 1))
