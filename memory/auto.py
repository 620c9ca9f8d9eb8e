"""The choice that `auto` makes: nothing, the nearest cases, or those that the model of advantage thinks best,
and now and then others to learn from.

1. The floor: with probability .03 nothing is shown, for ever.
2. Three options compete: nothing (worth 0), the K nearest cases, and the learned slate, the cases with the
   greatest f(s,c), as many as have the greatest value (1 + ρ(m−1))·mean f + κ·echoes. The slates' values are
   drawn from what is not known of b(s) and of all cases at large (w) and of how far slates of their
   kind keep what is promised of them (memory/promises.py), and not of each case: the largest of many noisy
   values is nearly always above nothing.
3. A fourth, explored slate is drawn of all f(s,·) from the posterior (Thompson sampling). It is shown where
   the draw says that it is better than the best known, and where its expected cost still fits into a fund: a
   little that grows as the root of the number of runs, and a quarter of what the shown slates have been seen
   to bring beyond chance. So exploring is paid for in advance (as conservative bandits do, Wu et al. 2016).

A slate is drawn case by case: near-duplicates of what is in it are closed, and cases that called the same
tools as one in it are preferred, the more the closer their tasks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memento.memory.advantage import Belief
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
_RANKING_DOUBT = 0.5  # of that of what all cases share, when ranking them for the learned slate
_VALUE_DOUBT = 0.25  # of the same, when deciding between the options
_BASELINE_DOUBT = 0.3  # of that of b(s): while little is known of runs without cases, there are more of them
_PROMISE_DOUBT = 0.5  # of that of how far promises are kept
_CASE_NOISE, _CASE_NOISE_RUNS = 0.2, 200  # of that of a case's own effect, and when it has fallen by a third
_RANDOM_SIZE = 0.05  # share of learned slates whose size is drawn, so that ρ and κ can be learned
_CAUTION = 0.5  # of what all cases share, added to what exploring is expected to cost
_LEAST_COST = 0.03
_FUND, _FUND_GROWTH, _FROM_GAINS = 0.5, 0.08, 0.25


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
    other, shape (candidates, candidates), which are near-duplicates of which, which did the same, and how
    many of the first are the nearest ones.
    """

    belief: Belief
    features: Floats
    agreement: Floats
    duplicates: NDArray[np.bool_]
    echoes: NDArray[np.bool_]
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
        """(1 + ρ(m−1))·mean score of the first m of each slate + κ·echoes, shape (draws, k); -inf beyond its
        end. ρ and κ have shape (draws,).
        """
        rows = np.arange(len(picked))[:, None]
        there = picked >= 0
        sums = np.cumsum(np.where(there, scores[rows, np.maximum(picked, 0)], 0.0), axis=1)
        sizes = np.arange(1, self.k + 1)
        company = np.maximum(1.0 + rho[:, None] * (sizes - 1), 0.05)
        return np.where(there, sums / sizes * company + kappa[:, None] * self._repeated(picked), -np.inf)

    def _repeated(self, picked: Places) -> Floats:
        """How many cases of the first so many did the same as the very first, beside it; shape (draws, k)."""
        same = self.echoes[np.maximum(picked[:, :1], 0), np.maximum(picked, 0)] & (picked >= 0)
        return np.asarray(np.maximum(np.cumsum(same, axis=1) - 1.0, 0.0))

    def promised(self, picked: Places, sizes: Places, scores: Floats | None = None) -> Floats:
        """What the first `sizes` cases of each slate are promised to add to nothing, by the mean of what is
        believed or by other scores, shape (draws,).
        """
        count = len(picked)
        if scores is None:
            scores = np.broadcast_to(self.belief.mean, (count, len(self.belief.mean)))
        rho, kappa = np.full(count, self.rho), np.full(count, self.belief.company)
        return np.asarray(self.values(picked, scores, rho, kappa)[np.arange(count), sizes - 1])

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
        more = self.belief.company_std * self._repeated(picked)[np.arange(len(picked)), sizes - 1]
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
    tools = np.asarray([bool(c.tools) for c in candidates])
    return Slates(believed.belief, believed.features, agreement, duplicates, same & tools, nearest, rho, k)


def best_known(slates: Slates, state: State) -> Choice:
    """The best choice by the mean of what is believed, without exploring."""
    best = _best(slates, state)
    shown = best.places if best.value > 0 else []
    kind = best.kind if shown else "nothing"
    expected = slates.belief.baseline + max(best.value, 0.0)
    sure = [1.0 for _ in shown]
    return Choice(kind, shown, sure, 1.0, None, 1.0, float(not shown), expected)


def choose(slates: Slates, state: State, rng: np.random.Generator) -> Choice:
    """Draw what to show, and how probable it was."""
    floor = bool(rng.random() < FLOOR)
    draws = _Draws(slates, state, rng)
    empty = FLOOR + (1.0 - FLOOR) * float(np.mean(draws.sizes[1:] == 0))
    without = slates.belief.baseline
    if floor:
        stop = float(np.mean(draws.sizes[1:] == 0))
        return Choice("floor", [], [], FLOOR, stop, empty, empty, without)
    places = [int(place) for place in draws.shown[0, : draws.sizes[0]]]
    propensities, stop_, slate = _propensities(draws.shown, draws.sizes, slates.k)
    same_arm = (draws.kinds == "similarity") == (draws.kinds[0] == "similarity")
    promised = float(draws.promised[0])
    return Choice(
        kind=str(draws.kinds[0]),
        places=places,
        propensities=propensities,
        arm_propensity=(1.0 - FLOOR) * float(np.mean(same_arm)),
        stop_propensity=stop_,
        slate_propensity=(1.0 - FLOOR) * slate if places else empty,
        empty_propensity=empty,
        expected=without + promised,
        spent=float(draws.cost[0]),
        gained=promised - max(draws.best.near_value, 0.0),
    )


def chances(slates: Slates, state: State, rng: np.random.Generator) -> tuple[dict[str, float], Floats]:
    """How likely each kind of choice is, and each candidate's being shown, shape (candidates,)."""
    draws = _Draws(slates, state, rng)
    names = ("nothing", "similarity", "learned", "explored")
    found = {name: (1.0 - FLOOR) * float(np.mean(draws.kinds == name)) for name in names}
    held = np.arange(slates.k)[None, :] < draws.sizes[:, None]
    counts = np.bincount(draws.shown[held], minlength=len(slates.belief.mean))
    return {"floor": FLOOR, **found}, (1.0 - FLOOR) * counts / len(draws.shown)


def fund(state: State) -> float:
    """What exploring may still cost, in units of reward."""
    grown = _FUND_GROWTH * (float(np.sqrt(state.number)) - float(np.sqrt(state.start)))
    given = 0.0 if state.start else _FUND
    return given + grown + _FROM_GAINS * state.gained - state.spent


@dataclass(frozen=True)
class _Best:
    """The best slate by the means of what is believed: its kind, places and value beyond nothing; and the
    nearest cases, with theirs.
    """

    kind: str
    places: list[int]
    value: float
    near: Places
    near_value: float


def _best(slates: Slates, state: State) -> _Best:
    mean = slates.belief.mean[None, :]
    picked = slates.drawn(mean)
    values = slates.values(picked, mean, np.asarray([slates.rho]), np.asarray([slates.belief.company]))[0]
    size = int(values.argmax()) + 1
    learned = float(state.kept["learned"].worth(values[size - 1]))
    near = slates.near()
    held = np.asarray([(near >= 0).sum()])
    nearest = float(state.kept["similarity"].worth(slates.promised(near[None, :], held))[0])
    if nearest >= learned:
        return _Best("similarity", [int(place) for place in near[: held[0]]], nearest, near, nearest)
    return _Best("learned", [int(place) for place in picked[0, :size]], learned, near, nearest)


class _Draws:
    """The choice, drawn 1 + 256 times; the first is the one that counts. `kinds`, `sizes`, `cost` (of
    exploring) and `promised` (beyond nothing) have one entry a draw, `shown` one row.
    """

    def __init__(self, slates: Slates, state: State, rng: np.random.Generator) -> None:
        self._slates, self._state, self._rng = slates, state, rng
        self.best = _best(slates, state)
        count = 1 + REDRAWS
        near = np.broadcast_to(self.best.near, (count, slates.k))
        near_sizes = np.full(count, (self.best.near >= 0).sum())
        # What all cases share moves them together, in the ranking and in the decision.
        common = np.linalg.cholesky(slates.belief.common + 1e-9 * np.eye(slates.belief.common.shape[0]))
        moved = (rng.standard_normal((count, len(common))) @ common.T) @ slates.features.T
        learned, learned_sizes = self._ranked(moved)
        options = {
            "similarity": self._value("similarity", near, near_sizes, moved),
            "learned": self._value("learned", learned, learned_sizes, moved),
        }
        without = _BASELINE_DOUBT * np.sqrt(slates.belief.baseline_variance) * rng.standard_normal(count)
        nearest = options["similarity"] >= options["learned"]
        some = np.maximum(options["similarity"], options["learned"]) > without
        tried, tried_sizes, cost, tries = self._explored()
        self.kinds = np.where(
            tries, "explored", np.where(some, np.where(nearest, "similarity", "learned"), "nothing")
        )
        rows = np.where(nearest[:, None], near, learned)
        self.shown = np.where(tries[:, None], tried, rows)
        held = np.where(some, np.where(nearest, near_sizes, learned_sizes), 0)
        self.sizes = np.where(tries, tried_sizes, held)
        self.cost = np.where(tries, cost, 0.0)
        promised = slates.promised(self.shown, np.maximum(self.sizes, 1))
        self.promised = np.where(self.sizes > 0, promised, 0.0)

    def _ranked(self, moved: Floats) -> tuple[Places, Places]:
        """The learned slates and their sizes."""
        slates, rng, belief = self._slates, self._rng, self._slates.belief
        count = len(moved)
        shared = np.einsum("ij,jk,ik->i", slates.features, belief.common, slates.features)
        own = np.sqrt(np.maximum(np.diag(belief.covariance) - shared, 0.0))
        curious = _CASE_NOISE * np.sqrt(_CASE_NOISE_RUNS / (_CASE_NOISE_RUNS + self._state.number))
        noise = curious * own * rng.standard_normal(moved.shape)
        scores = belief.mean + _RANKING_DOUBT * moved + noise
        picked = slates.drawn(scores)
        sizes = self._sizes(picked, scores, _RANKING_DOUBT)
        most = (picked >= 0).sum(axis=1)
        random_size = rng.integers(1, most + 1)
        return picked, np.where(rng.random(count) < _RANDOM_SIZE, random_size, sizes)

    def _sizes(self, picked: Places, scores: Floats, doubt: float) -> Places:
        """How many of each slate have the greatest value, on a draw of ρ and κ."""
        slates, rng, count = self._slates, self._rng, len(picked)
        rho = slates.rho + doubt * self._state.posterior.hyper.rho_std * rng.standard_normal(count)
        kappa = slates.belief.company + doubt * slates.belief.company_std * rng.standard_normal(count)
        return np.asarray(slates.values(picked, scores, rho, kappa).argmax(axis=1) + 1)

    def _value(self, kind: str, picked: Places, sizes: Places, moved: Floats) -> Floats:
        """A draw of what slates of this kind add to nothing."""
        promised = self._slates.promised(picked, sizes, self._slates.belief.mean + _VALUE_DOUBT * moved)
        return self._state.kept[kind].drawn(promised, _PROMISE_DOUBT, self._rng)

    def _explored(self) -> tuple[Places, Places, Floats, NDArray[np.bool_]]:
        """Slates of draws of all f(s,·), their sizes, their expected cost, and whether they are shown."""
        slates, belief, best = self._slates, self._slates.belief, self.best
        lower = np.linalg.cholesky(belief.covariance + 1e-4 * np.eye(len(belief.mean)))
        noise = self._rng.standard_normal((1 + REDRAWS, len(belief.mean)))
        scores = belief.mean + _CURIOSITY * (noise @ lower.T)
        picked = slates.drawn(scores)
        sizes = self._sizes(picked, np.broadcast_to(belief.mean, scores.shape), _CURIOSITY)
        worth = self._state.kept["explored"].worth(slates.promised(picked, sizes))
        hoped = slates.promised(picked, sizes, scores)
        value = max(best.value, 0.0)
        cost = np.maximum(_LEAST_COST, value - worth + _CAUTION * slates.common_std(picked, sizes))
        return picked, sizes, cost, (hoped > value) & (cost <= fund(self._state))


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
