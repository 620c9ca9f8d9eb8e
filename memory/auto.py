"""The choice that `auto` makes: nothing, the nearest cases, or those that the model of advantage thinks best,
and now and then others, to learn from.

1. The floor: with probability .03 nothing is shown, for ever.
2. Four options compete: nothing (worth 0), the K nearest cases, the learned slate, the cases with the
   greatest f(s,c), as many as have the greatest value (1 + ρ(m−1))·Σ share·f + κ·further, of the shares that
   are expected (memory/following.py), and an explored case (4). The slates' values are drawn from what is not
   known of b(s), of all cases at large (w) and of how far slates of their kind keep what is promised
   (memory/promises.py), and not of each case: the largest of many noisy values is nearly always above
   nothing.
3. Unless the fund pays for exploring (4), a run shows nothing for as likely as it is, from mean rewards
   alone, that cases do not help, every second run at most: all else is measured against b(s), and a few
   unlucky runs without cases would make whatever is shown look good.
4. The explored slate is the one case with the greatest f(s,c) in a draw of all from the posterior (Thompson
   sampling, with a seventh of the deviation: of many more cases than there are runs, one that did well is
   worth another look sooner than a new one; Bayati et al. 2020). Of one among four, what comes says a
   sixteenth as much. Where cases tell what they did it is a whole slate: there it is seen which of them was
   followed, and several keep a planner to the form. A single one competes by the record of exploring, in
   every second run at most, and with .06 more against other slates, since it teaches more; less as runs go
   by. Else, in every second run at most again, it is shown where the draw says that it is better than the
   best known, and where its expected cost still fits into a fund: a little that grows as the root of the
   number of runs, and a quarter of what the shown slates have been seen to bring beyond chance, less what
   exploring cost. So that is bounded beforehand (as conservative bandits do, Wu et al. 2016), and where the
   model finds little to hope for, less is spent. The cost is taken a deviation of the record of exploring too
   low, as far as it is clear that cases help: a few unlucky runs would else end it for hundreds. The fuller
   the fund, the more of its deviation, up to two, is added to each case (upper confidence bounds; Auer et al.
   2002): a home that gains by the best case that it knows can pay for looking for a better one. In three of
   ten early runs no single case is explored, so that all else is still compared with it.
5. Slates of any size are shown now and then, the nearest cases too, and less as runs go by: of fewer cases
   more is learned, and what several add up to only so. Where cases tell what they did it is one learned slate
   in twenty, for ever.

A slate is drawn case by case: near-duplicates of what is in it are closed, and cases that did the same
as one in it are preferred, the more the closer their tasks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memento.memory.advantage_q import Believed
from memento.memory.advantage_terms import DISSENT
from memento.memory.case_bank import Candidate
from memento.memory.draws import best_of, draws_of
from memento.memory.fold import State
from memento.memory.slate import FLOOR, slot
from memento.memory.slates import Slates

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True)
class Choice:
    """What was drawn for one run. `places` are those of the candidates, in the order of the slate; each has
    its propensity given those before it. `kind` is floor, nothing, similarity, learned or explored.
    """

    kind: str
    places: list[int]
    propensities: list[float]
    arm_propensity: float
    stop_propensity: float | None
    slate_propensity: float
    empty_propensity: float
    expected: float
    forgone: float = 0.0
    gained: float = 0.0

    def told(self, candidates: Sequence[Candidate], believed: Believed) -> dict[str, Any]:
        """The fields of a selection."""
        arms = {"floor": "none", "similarity": "similarity"}
        chances = enumerate(zip(self.places, self.propensities, strict=True))
        values, dissent = believed.values, believed.features[:, DISSENT].tolist()
        return {
            "arm": arms.get(self.kind, "learned"),
            "arm_propensity": self.arm_propensity,
            "cases": [
                slot(candidates[place], values, place, rank, p, dissent[place])
                for rank, (place, p) in chances
            ],
            "stop_propensity": self.stop_propensity,
            "slate_propensity": self.slate_propensity,
            "empty_propensity": self.empty_propensity,
            "explored": self.kind == "explored",
            "expected": self.expected,
            "forgone": self.forgone,
            "gained": self.gained,
        }


def best_known(slates: Slates, state: State) -> Choice:
    """The best choice by the mean of what is believed, without exploring."""
    best = best_of(slates, state)
    shown = best.places if best.value > 0 else []
    kind = best.kind if shown else "nothing"
    expected = slates.belief.baseline + max(best.value, 0.0)
    sure = [1.0 for _ in shown]
    return Choice(kind, shown, sure, 1.0, None, 1.0, float(not shown), expected)


def choose(slates: Slates, state: State, rng: np.random.Generator) -> Choice:
    """Draw what to show, and how probable it was."""
    floor = bool(rng.random() < FLOOR)
    draws = draws_of(slates, state, rng)
    empty = FLOOR + (1.0 - FLOOR) * float(np.mean(draws.sizes[1:] == 0))
    without = slates.belief.baseline
    if floor:
        stop = float(np.mean(draws.sizes[1:] == 0))
        return Choice("floor", [], [], FLOOR, stop, empty, empty, without)
    kind, shown = str(draws.kinds[0]), draws.shown[0, : draws.sizes[0]]
    places = [int(place) for place in shown]
    propensities, stop_, slate = _propensities(draws.shown, draws.sizes, slates.k)
    same_arm = (draws.kinds == "similarity") == (draws.kinds[0] == "similarity")
    return Choice(
        kind=kind,
        places=places,
        propensities=propensities,
        arm_propensity=(1.0 - FLOOR) * float(np.mean(same_arm)),
        stop_propensity=stop_,
        slate_propensity=(1.0 - FLOOR) * slate if places else empty,
        empty_propensity=empty,
        expected=without + draws.promised,
        forgone=draws.forgone,
        gained=0.0 if kind == "nothing" else draws.promised - draws.best.instead(state, kind, shown),
    )


def chances(slates: Slates, state: State, rng: np.random.Generator) -> tuple[dict[str, float], Floats]:
    """How likely each kind of choice is, and each candidate's being shown, shape (candidates,)."""
    draws = draws_of(slates, state, rng)
    names = ("nothing", "similarity", "learned", "explored")
    found = {name: (1.0 - FLOOR) * float(np.mean(draws.kinds == name)) for name in names}
    held = np.arange(slates.k)[None, :] < draws.sizes[:, None]
    counts = np.bincount(draws.shown[held], minlength=len(slates.belief.mean))
    return {"floor": FLOOR, **found}, (1.0 - FLOOR) * counts / len(draws.shown)


def _propensities(shown: Places, sizes: Places, k: int) -> tuple[list[float], float | None, float]:
    """Of the first draw: each slot's propensity given those before it, that of stopping there (None where
    the slate is full), and the slate's; from the frequencies in all draws, itself among them.
    """
    size = int(sizes[0])
    same = np.ones(len(shown), dtype=bool)
    propensities = []
    for rank in range(size):
        before = int(same.sum())
        same &= (sizes > rank) & (shown[:, rank] == shown[0, rank])
        propensities.append(float(same.sum()) / before)
    before = int(same.sum())
    stopped = same & (sizes == size)
    stop = None if size == k else float(stopped.sum()) / before
    return propensities, stop, float(stopped.sum()) / len(shown)
