"""Draws from soft Q-learning's policy μ(c|s) ∝ μ₀(c|s)·exp(Q(s,c)/α), with the void case."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memento.memory.case_bank import Candidate
from memento.memory.likeness import Likeness, likeness_of
from memento.memory.q_function import QValues
from memento.memory.shown import Shown
from memento.memory.slate import FLOOR, slot

Floats = NDArray[np.float64]

VOID_PRIOR = 0.5
"""The prior share of the void case, whatever the number of candidates."""
TEMPERATURE = 0.04
"""α of soft Q-learning before any outcome, in units of reward."""
LEAST_TEMPERATURE = 0.01
ANNEALED_BY = 100.0
"""The credited outcomes of a task's candidates that halve α²."""
PRIOR_TEMPERATURE = 0.1
"""μ₀(c|s) ∝ exp(cos(s,c)/this)."""
COMPANY = 0.08
"""What one more case beside one that is shown is expected to add: four are better than one, in the paper
(its table of K) and more so on a small model."""


def temperature(outcomes: float) -> float:
    """α after so many credited outcomes of a task's candidates. It falls with their root, as the
    error of Q does: what is a toss-up at first is known later.
    """
    return max(TEMPERATURE * float(np.sqrt(ANNEALED_BY / (ANNEALED_BY + outcomes))), LEAST_TEMPERATURE)


class SoftDraw:
    """The draws of one run: at most `k` of the candidates, with randomness of its own. Each way to choose
    returns the fields of a selection.
    """

    def __init__(
        self, candidates: Sequence[Candidate], values: QValues, k: int, rng: np.random.Generator
    ) -> None:
        self._candidates = candidates
        self._values = values
        self._k = k
        self._rng = rng
        self._cosines = np.asarray([candidate.similarity for candidate in candidates], dtype=np.float64)
        self._alpha = temperature(float(values.outcomes.sum()))

    @cached_property
    def likeness(self) -> Likeness:
        """What the candidates have in common."""
        return likeness_of(self._candidates)

    def nearest(self) -> dict[str, Any]:
        """The top K by similarity."""
        count = min(self._k, len(self._candidates))
        return self._sure("similarity", [self._slot(rank, rank, 1.0) for rank in range(count)])

    def best(self) -> dict[str, Any]:
        """The K greatest Q that are above the void case's, near-duplicates left out."""
        shown: list[Shown] = []
        slate = _Slate(self.likeness)
        while len(shown) < self._k and slate.open.any():
            worth = np.where(slate.open, self._values.q + slate.agreement, -np.inf)
            index = int(worth.argmax())
            if worth[index] <= _bar(self._values, shown):
                break
            shown.append(self._slot(index, len(shown), 1.0))
            slate.take(index)
        return self._sure("learned", shown)

    def drawn(self) -> dict[str, Any]:
        """The floor, or a slate from μ."""
        void = self._void_chance()
        empty = FLOOR + (1.0 - FLOOR) * (1.0 if void is None else void)
        if self._rng.random() < FLOOR:
            return {
                "arm": "none",
                "arm_propensity": FLOOR,
                "stop_propensity": void,
                "slate_propensity": empty,
                "empty_propensity": empty,
            }
        return self.slate()

    def slate(self) -> dict[str, Any]:
        """A slate from μ."""
        void = self._void_chance()
        empty = FLOOR + (1.0 - FLOOR) * (1.0 if void is None else void)
        shown, stop = self._drawn()
        chance = (1.0 - FLOOR) * float(np.prod([slot.propensity for slot in shown])) * (stop or 1.0)
        return {
            "arm": "learned",
            "arm_propensity": 1.0 - FLOOR,
            "cases": shown,
            "stop_propensity": stop,
            "slate_propensity": chance if shown else empty,
            "empty_propensity": empty,
        }

    def _drawn(self) -> tuple[list[Shown], float | None]:
        """Draw one case after another from μ(c|s) ∝ μ₀(c|s)·exp(Q(s,c)/α) (Memento eq. 7, with the void
        case beside the candidates), without replacement; the void case ends the draw. From the second slot
        on, Q has what agreement with the slate adds.
        """
        shown: list[Shown] = []
        slate = _Slate(self.likeness)
        while len(shown) < self._k and slate.open.any():
            worth = self._values.q + slate.agreement
            chances, void = _soft_chances(
                self._cosines, worth, slate.open, _bar(self._values, shown), self._alpha
            )
            drawn = int(self._rng.choice(len(self._candidates) + 1, p=np.append(chances, void)))
            if drawn == len(self._candidates):
                return shown, void
            shown.append(self._slot(drawn, len(shown), float(chances[drawn])))
            slate.take(drawn)
        return shown, None

    def _void_chance(self) -> float | None:
        """How likely a slate is to be empty; None where it has no slot to fill."""
        if self._k == 0:
            return None
        everything = np.ones(len(self._cosines), dtype=bool)
        return _soft_chances(self._cosines, self._values.q, everything, self._values.void, self._alpha)[1]

    def _sure(self, arm: str, shown: list[Shown]) -> dict[str, Any]:
        return {
            "arm": arm,
            "arm_propensity": 1.0,
            "cases": shown,
            "slate_propensity": 1.0,
            "empty_propensity": float(not shown),
        }

    def _slot(self, index: int, rank: int, propensity: float) -> Shown:
        return slot(self._candidates[index], self._values, index, rank, propensity)


class _Slate:
    """Which candidates are still open while a slate is drawn, and what each would add to what is in it.

    Arrays have shape (candidates,).
    """

    def __init__(self, likeness: Likeness) -> None:
        self._likeness = likeness
        self.open = np.ones(len(likeness.duplicates), dtype=bool)
        self.agreement = np.zeros(len(likeness.duplicates))

    def take(self, index: int) -> None:
        """Close the drawn case, and those that did the same on nearly the same task."""
        self.open &= ~self._likeness.duplicates[index]
        self.agreement = np.maximum(self.agreement, self._likeness.agreement[index])


def _bar(values: QValues, shown: Sequence[Shown]) -> float:
    """What a further case competes with: the void case, less what company is expected to add."""
    return values.void - (COMPANY if shown else 0.0)


def _soft_chances(
    cosines: Floats, worth: Floats, open_: NDArray[np.bool_], bar: float, alpha: float
) -> tuple[Floats, float]:
    """The chances of the candidates, shape (candidates,), and of the void case, whose value is `bar`; they
    sum to 1.
    """
    prior = np.where(open_, np.exp((cosines - cosines.max()) / PRIOR_TEMPERATURE), 0.0)
    prior *= (1.0 - VOID_PRIOR) / prior.sum()
    best = max(float(worth[open_].max()), bar)
    mass = prior * np.exp(np.minimum(worth - best, 0.0) / alpha)
    void = VOID_PRIOR * float(np.exp((bar - best) / alpha))
    total = float(mass.sum()) + void
    return mass / total, void / total
