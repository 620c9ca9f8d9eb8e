"""The choice that `auto` makes: nothing, the nearest cases, or those that the model of advantage thinks best,
and now and then others to learn from.

1. The floor: with probability .03 nothing is shown, for ever.
2. The best known slate, by the model's mean: the K nearest, or the cases with the greatest f(s,c), as many
   as have the greatest value (1 + ρ(m−1))·mean f + κ(m−1). It competes with nothing, on a draw of what all
   cases share (w, κ), not of each case: the largest of many noisy values is nearly always above nothing.
3. An explored slate, by a draw of all f(s,·) from the posterior (Thompson sampling). It is shown where the
   draw says that it is worth something, and where its expected cost against the best known still fits into an
   allowance that grows as the root of the number of runs, and with what memory gains: exploration is paid for
   in advance (as conservative bandits do, Wu et al. 2016).

A slate is drawn case by case: near-duplicates of what is in it are closed, and cases that called the same
tools as one in it are preferred, the more the closer their tasks. What slates of a kind turn out worse than
expected, the optimiser's curse, is taken off their value.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memento.memory.advantage import NOISE, Belief
from memento.memory.advantage_q import Believed
from memento.memory.case_bank import Candidate
from memento.memory.q_function import QValues
from memento.memory.slate import AGREEMENT, FLOOR, NEAR_DUPLICATE, slot
from memento.memory.trials import State

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

REDRAWS = 256
"""How often a choice is drawn again to learn how probable it was."""
_CURIOSITY = 0.7  # of the posterior's standard deviation, when exploring
_DOUBT_OF_COMMON = 0.7  # of that of what all cases share, when deciding to show any
_CAUTION = 0.5  # of the same, added to what exploring is expected to cost
_ALLOWANCE = 0.3
_FROM_GAINS = 0.1
_SHORTFALL_STD = 0.05


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
    spent: float = 0.0
    gained: float = 0.0

    def told(self, candidates: Sequence[Candidate], values: QValues) -> dict[str, Any]:
        """The fields of a selection."""
        arms = {"floor": "none", "similarity": "similarity"}
        chances = enumerate(zip(self.places, self.propensities, strict=True))
        return {
            "arm": arms.get(self.kind, "learned"),
            "arm_propensity": self.arm_propensity,
            "cases": [slot(candidates[place], values, place, rank, p) for rank, (place, p) in chances],
            "stop_propensity": self.stop_propensity,
            "slate_propensity": self.slate_propensity,
            "empty_propensity": self.empty_propensity,
            "explored": self.kind == "explored",
            "expected": self.expected,
            "spent": self.spent,
            "gained": self.gained,
        }


@dataclass(frozen=True)
class Slates:
    """What is open to a choice: the model's belief of the candidates, how much each would add beside each
    other, shape (candidates, candidates), which are near-duplicates of which, and how many of the first are
    the nearest ones.
    """

    belief: Belief
    features: Floats
    agreement: Floats
    duplicates: NDArray[np.bool_]
    nearest: int
    rho: float
    k: int

    def drawn(self, scores: Floats) -> Places:
        """The slates of the greatest scores, shape (draws, k), -1 where no candidate is open any more;
        scores have shape (draws, candidates).
        """
        draws, count = scores.shape
        rows = np.arange(draws)
        open_ = np.ones((draws, count), dtype=bool)
        bonus = np.zeros((draws, count))
        picked = np.full((draws, self.k), -1, np.int64)
        for rank in range(min(self.k, count)):
            worth = np.where(open_, scores + bonus, -np.inf)
            best = worth.argmax(axis=1)
            some = open_[rows, best] & np.isfinite(worth[rows, best])
            picked[some, rank] = best[some]
            open_ &= ~self.duplicates[best] | ~some[:, None]
            bonus = np.maximum(bonus, self.agreement[best] * some[:, None])
        return picked

    def values(self, picked: Places, scores: Floats, rho: Floats, kappa: Floats) -> Floats:
        """(1 + ρ(m−1))·mean score of the first m of each slate + κ(m−1), shape (draws, k); -inf beyond its
        end. ρ and κ have shape (draws,).
        """
        rows = np.arange(len(picked))[:, None]
        there = picked >= 0
        sums = np.cumsum(np.where(there, scores[rows, np.maximum(picked, 0)], 0.0), axis=1)
        sizes = np.arange(1, self.k + 1)
        company = np.maximum(1.0 + rho[:, None] * (sizes - 1), 0.05)
        return np.where(there, sums / sizes * company + kappa[:, None] * (sizes - 1), -np.inf)

    def near(self) -> Places:
        """The slate of the K nearest, shape (k,)."""
        order = np.arange(len(self.belief.mean), dtype=np.float64)
        open_ = replace(self, agreement=np.zeros_like(self.agreement))
        return np.asarray(open_.drawn(np.where(order < self.nearest, -order, -np.inf)[None, :])[0])

    def common_std(self, picked: Places, sizes: Places) -> Floats:
        """The standard deviation of what the first cases of each slate share with all cases, times the
        company they are in; shape (draws,).
        """
        there = np.arange(picked.shape[1])[None, :] < sizes[:, None]
        held = self.features[np.maximum(picked, 0)] * there[:, :, None]
        mean = held.sum(axis=1) / np.maximum(sizes, 1)[:, None]
        variance = np.einsum("ij,jk,ik->i", mean, self.belief.common, mean)
        company = np.maximum(1.0 + self.rho * (sizes - 1), 0.05)
        more = self.belief.company_std * np.maximum(sizes - 1, 0)
        return np.asarray(np.sqrt(np.maximum(variance, 0.0) * company**2 + more**2))


def slates_of(
    candidates: Sequence[Candidate], nearest: int, believed: Believed, rho: float, k: int
) -> Slates:
    """What is open among the candidates, of which the first `nearest` are the nearest, in that order."""
    vectors = np.stack([candidate.vector for candidate in candidates]).astype(np.float64)
    cosines = vectors @ vectors.T
    kinds: dict[Any, int] = {}
    did = np.asarray([kinds.setdefault((c.tools, c.outcome), len(kinds)) for c in candidates])
    same = did[:, None] == did[None, :]
    duplicates = same & (cosines >= NEAR_DUPLICATE)
    np.fill_diagonal(duplicates, val=True)
    leads = np.asarray([bool(c.tools) and c.outcome == "success" for c in candidates])
    agreement = np.where(same & leads[:, None], AGREEMENT * np.maximum(cosines, 0.0), 0.0)
    return Slates(believed.belief, believed.features, agreement, duplicates, nearest, rho, k)


def best_known(slates: Slates, state: State) -> Choice:
    """The best choice by the mean of what is believed, without exploring."""
    place, slate, value, _ = _best(slates, state)
    shown = slate if value > 0 else []
    kind = place if shown else "nothing"
    expected = slates.belief.baseline + max(value, 0.0)
    sure = [1.0 for _ in shown]
    return Choice(kind, shown, sure, 1.0, None, 1.0, float(not shown), expected)


def choose(slates: Slates, state: State, rng: np.random.Generator) -> Choice:
    """Draw what to show, and how probable it was."""
    kind, best, value, near_value = _best(slates, state)
    floor = bool(rng.random() < FLOOR)
    draws = _Draws(slates, state, best, value, kind, rng)
    shown, sizes = draws.shown(), draws.sizes()
    empty = FLOOR + (1.0 - FLOOR) * float(np.mean(sizes[1:] == 0))
    gained = _FROM_GAINS * max(0.0, max(value, 0.0) - max(near_value, 0.0))
    without = slates.belief.baseline
    if floor:
        stop = float(np.mean(sizes[1:] == 0))
        return Choice("floor", [], [], FLOOR, stop, empty, empty, without, 0.0, gained)
    size = int(sizes[0])
    places = [int(place) for place in shown[0, :size]]
    propensities, stop_, slate = _propensities(shown, sizes, slates.k)
    arms = draws.kinds()
    arm = (1.0 - FLOOR) * float(np.mean((arms == "similarity") == (arms[0] == "similarity")))
    slate = (1.0 - FLOOR) * slate if places else empty
    return Choice(
        kind=str(arms[0]),
        places=places,
        propensities=propensities,
        arm_propensity=arm,
        stop_propensity=stop_,
        slate_propensity=slate,
        empty_propensity=empty,
        expected=without + float(draws.expected()[0]),
        spent=float(draws.spent()[0]),
        gained=gained,
    )


def chances(slates: Slates, state: State, rng: np.random.Generator) -> tuple[dict[str, float], Floats]:
    """How likely each kind of choice is, and each candidate's being shown, shape (candidates,)."""
    kind, best, value, _ = _best(slates, state)
    draws = _Draws(slates, state, best, value, kind, rng)
    kinds, shown, sizes = draws.kinds(), draws.shown(), draws.sizes()
    names = ("nothing", "similarity", "learned", "explored")
    found = {name: (1.0 - FLOOR) * float(np.mean(kinds == name)) for name in names}
    held = np.arange(slates.k)[None, :] < sizes[:, None]
    counts = np.bincount(shown[held], minlength=len(slates.belief.mean))
    return {"floor": FLOOR, **found}, (1.0 - FLOOR) * counts / len(shown)


def allowance(state: State) -> float:
    """What exploring may still cost, in units of reward."""
    earned = _ALLOWANCE * (float(np.sqrt(state.number)) - float(np.sqrt(state.start)))
    return earned + state.gained - state.spent


def shortfall(state: State, kind: str) -> float:
    """What slates of this kind are worth beyond what is expected: a posterior mean, prior N(0, .05²)."""
    total, count = state.shortfalls[kind]
    return float(total / NOISE / (1.0 / _SHORTFALL_STD**2 + count / NOISE))


def _best(slates: Slates, state: State) -> tuple[str, list[int], float, float]:
    """Kind, places and value of the best known slate, and the value of the nearest."""
    mean, rho = slates.belief.mean[None, :], np.asarray([slates.rho])
    kappa = np.asarray([slates.belief.company])
    picked = slates.drawn(mean)
    values = slates.values(picked, mean, rho, kappa)[0]
    size = int(values.argmax()) + 1
    learned = float(values[size - 1]) + shortfall(state, "learned")
    near = slates.near()
    held = int((near >= 0).sum())
    nearest = float(slates.values(near[None, :], mean, rho, kappa)[0, held - 1]) + shortfall(
        state, "similarity"
    )
    if nearest >= learned:
        return "similarity", [int(place) for place in near[:held]], nearest, nearest
    return "learned", [int(place) for place in picked[0, :size]], learned, nearest


class _Draws:
    """The choice, drawn 1 + 256 times; the first is the one that counts. Arrays have one entry a draw."""

    def __init__(
        self,
        slates: Slates,
        state: State,
        best: list[int],
        value: float,
        kind: str,
        rng: np.random.Generator,
    ) -> None:
        count = 1 + REDRAWS
        belief = slates.belief
        lower = np.linalg.cholesky(belief.covariance + 1e-4 * np.eye(len(belief.mean)))
        noise = rng.standard_normal((count, len(belief.mean)))
        scores = belief.mean + _CURIOSITY * (noise @ lower.T)
        rho = slates.rho + _CURIOSITY * state.posterior.hyper.rho_std * rng.standard_normal(count)
        kappa = belief.company + _CURIOSITY * belief.company_std * rng.standard_normal(count)
        self._tried = slates.drawn(scores)
        means = np.broadcast_to(belief.mean, scores.shape)
        values = slates.values(self._tried, means, rho, kappa)
        self._tried_sizes = values.argmax(axis=1) + 1
        rows, last = np.arange(count), self._tried_sizes - 1
        sure = np.full(count, slates.rho), np.full(count, belief.company)
        self._tried_worth = slates.values(self._tried, means, *sure)[rows, last]
        self._tried_worth = self._tried_worth + shortfall(state, "explored")
        hoped = slates.values(self._tried, scores, rho, kappa)[rows, last]
        caution = _CAUTION * slates.common_std(self._tried, self._tried_sizes)
        cost = np.maximum(0.0, max(value, 0.0) - self._tried_worth + caution)
        self._explores = (hoped > 0) & (cost <= allowance(state))
        self._cost = np.where(self._explores, cost, 0.0)
        padded = np.asarray([best + [-1] * (slates.k - len(best))])
        unsure = slates.common_std(padded, np.asarray([len(best)]))[0]
        self._shows = value + _DOUBT_OF_COMMON * unsure * rng.standard_normal(count) > 0
        self._best, self._value, self._kind = padded[0], value, kind
        there = np.arange(slates.k)[None, :] < self._tried_sizes[:, None]
        # Where the draw comes to the best known slate, nothing was explored.
        self._same = (np.where(there, self._tried, -1) == self._best).all(axis=1)

    def kinds(self) -> NDArray[np.str_]:
        best = np.where(self._shows, self._kind, "nothing")
        return np.where(self._explores, np.where(self._same, self._kind, "explored"), best)

    def shown(self) -> Places:
        return np.where(self._explores[:, None], self._tried, self._best)

    def sizes(self) -> Places:
        best = np.where(self._shows, int((self._best >= 0).sum()), 0)
        return np.asarray(np.where(self._explores, self._tried_sizes, best))

    def expected(self) -> Floats:
        """What was expected of each beyond showing nothing."""
        return np.where(self._explores, self._tried_worth, np.where(self._shows, self._value, 0.0))

    def spent(self) -> Floats:
        return self._cost


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
