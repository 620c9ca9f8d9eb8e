"""Q(s, c), the reward to expect on task s when case c is shown: what every way to learn it shares."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from memento.memory.case_bank import Candidate
from memento.memory.outcomes import Outcomes

Vector = NDArray[np.float32]
Floats = NDArray[np.float64]

NOISE = 0.21
"""The variance of a reward around its mean."""
LEVEL = 0.05
"""What cases are worth at the least in the paper on tasks unlike theirs (4.7 points)."""
SLOPE = 0.6
"""What a case is worth beyond that, for each unit of cosine above the usual."""
PENALTY = 0.6
"""What is taken off for a case that failed itself; of one of which that is not known, a sixth of it."""


@dataclass(frozen=True)
class QValues:
    """Q and its standard deviation for each candidate and for the void case (nothing shown), and how many
    credited outcomes bear on each candidate. Arrays have shape (candidates,); Q is in units of reward.
    """

    q: Floats
    std: Floats
    void: float
    void_std: float
    outcomes: Floats


class QFunction(Protocol):
    """What the policy needs of a way of learning. What it keeps is a function of the outcomes."""

    @property
    def name(self) -> str: ...

    def evaluate(self, task: Vector, candidates: Sequence[Candidate], outcomes: Outcomes) -> QValues: ...


class SimilarityQ:
    """Non-parametric: Q is the cosine of the two tasks. Nothing is learned."""

    name = "similarity"

    def evaluate(self, task: Vector, candidates: Sequence[Candidate], outcomes: Outcomes) -> QValues:
        del task, outcomes
        cosines = np.asarray([candidate.similarity for candidate in candidates], dtype=np.float64)
        nothing = np.zeros(len(candidates))
        return QValues(cosines, nothing, 0.0, 0.0, nothing)
