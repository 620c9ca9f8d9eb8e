"""What every way to draw a slate of cases shares."""

from collections.abc import Sequence

from memento.memory.case_bank import Candidate
from memento.memory.lessons import USUAL_COSINE
from memento.memory.q_function import QValues
from memento.memory.shown import Shown

CANDIDATES = 64
"""How many cases are considered for a task."""
FLOOR = 0.03
"""The share of runs in which nothing is shown, for ever: without it nobody could say what memory is worth."""


def slot(
    candidate: Candidate, values: QValues, place: int, rank: int, propensity: float, dissent: float = 0.0
) -> Shown:
    """The candidate, whose values are at `place`, as it is shown."""
    return Shown(
        case_id=candidate.case_id,
        rank=rank,
        similarity=candidate.similarity,
        q=float(values.q[place]),
        q_std=float(values.std[place]),
        propensity=propensity,
        dissent=dissent,
    )


def usual_cosine(nearest: Sequence[Candidate]) -> float:
    """The mean cosine of the nearest 64 cases to a task; those that a small bank lacks count as unrelated."""
    missing = CANDIDATES - len(nearest)
    return (sum(candidate.similarity for candidate in nearest) + USUAL_COSINE * missing) / CANDIDATES
