"""The choice that `auto` makes: nothing, the nearest cases, or those that the model of advantage thinks best,
and now and then others, to learn from.

1. The floor: with probability .03 nothing is shown, for ever.
2. Four options compete: nothing (worth 0), the K nearest cases, the learned slate, the cases with the
   greatest f(s,c), as many as have the greatest value (1 + ρ(m−1))·Σ share·f + κ·further, of the shares that
   are expected (memory/following.py), and an explored case (4). The slates' values are drawn from what is not
   known of b(s), of all cases at large (w) and of how far slates of their kind keep what is promised
   (memory/promises.py), and not of each case: the largest of many noisy values is nearly always above
   nothing.
3. While it is not clear from mean rewards alone whether cases help, more runs show nothing: all else is
   measured against b(s), and a few unlucky runs without cases would make whatever is shown look good.
4. The explored slate is the one case with the greatest f(s,c) in a draw of all from the posterior (Thompson
   sampling, with a third of the deviation: of many more cases than there are runs, one that did well is worth
   another look sooner than a new one; Bayati et al. 2020). Of one among four, what comes says a sixteenth as
   much. Where cases tell what they did it is a whole slate: there it is seen which of them was followed,
   and several keep a planner to the form. A single one competes by the record of exploring, in every second
   run at most, so that all else is still compared with it. Else it is shown where the draw says that it is
   better than the best known, and where its expected cost still fits into a fund: a little that grows as the
   root of the number of runs, and a quarter of what the shown slates have been seen to bring beyond chance.
   So what exploring costs is bounded beforehand (as conservative bandits do, Wu et al. 2016), and where the
   model finds little to hope for, less is spent.

A slate is drawn case by case: near-duplicates of what is in it are closed, and cases that called the same
tools as one in it are preferred, the more the closer their tasks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memento.memory.case_bank import Candidate
from memento.memory.fold import State
from memento.memory.q_function import QValues
from memento.memory.slate import FLOOR, slot
from memento.memory.slates import Drawn, Slates

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

REDRAWS = 128
"""How often a choice is drawn again to learn how probable it was."""
_CURIOSITY = 0.3  # of the posterior's standard deviation, when exploring
_RANKING_DOUBT = 0.5  # of that of what all cases share, when ranking them for the learned slate
_VALUE_DOUBT = 0.25  # of the same, when deciding between the options
_BASELINE_DOUBT = 0.3  # of that of b(s), the less, the clearer mean rewards say that cases do not help
_PROMISE_DOUBT = 0.5  # of that of how far promises are kept
_SETTLED_AFTER = 500  # runs; then these three have fallen by a third: exploring is what keeps trying
_CASE_NOISE, _CASE_NOISE_RUNS = 0.2, 200  # of that of a case's own effect, and when it has fallen by a third
_RANDOM_SIZE = 0.05  # share of learned slates whose size is drawn, so that ρ and κ can be learned
_SIZES_AFTER = 50  # runs; before, a slate of another size than the best would teach little for what it costs
_CAUTION = 0.5  # of what all cases share, added to what exploring is expected to cost
_LEAST_COST = 0.03
_BY_RECORD = 0.5  # of runs, at most, explore because that did best
_WITHOUT = 0.35  # of runs show nothing, times how likely it is that cases do not help
_WITHOUT_TOLD = 0.08  # where they tell what they did: by the prior (κ) they help
_FUND, _FROM_GAINS = 0.16, 0.25


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
        spent=draws.cost,
        gained=0.0 if kind == "nothing" else draws.promised - draws.best.instead(state, kind, shown),
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
    given = _FUND * (float(np.sqrt(state.number)) - float(np.sqrt(state.start)))
    return given + _FROM_GAINS * state.gained - state.spent


@dataclass(frozen=True)
class _Best:
    """The best slate by the means of what is believed: its kind, places and value beyond nothing; and the
    nearest cases, with what is promised of them, and their value.
    """

    kind: str
    places: list[int]
    value: float
    near: Drawn
    near_promised: float
    near_value: float

    def instead(self, state: State, kind: str, shown: Places) -> float:
        """What the better of nothing and the nearest cases would be worth instead of those shown, a slate of
        this kind. As far as they are the same cases, what is promised of them is kept as it is of those.
        """
        places, size = self.near.places[0], int(self.near.lengths[0])
        same = float(self.near.shares[0, size - 1] @ np.isin(places, shown))
        alike = float(state.kept[kind].worth(self.near_promised))
        return max(0.0, same * alike + (1.0 - same) * self.near_value)


def _best(slates: Slates, state: State) -> _Best:
    mean = slates.belief.mean[None, :]
    drawn = slates.drawn(mean)
    values = slates.values(drawn, mean, np.asarray([slates.hyper.rho]), np.asarray([slates.belief.company]))
    size = int(values[0].argmax()) + 1
    learned = float(state.kept["learned"].worth(values[0, size - 1]))
    near = slates.near()
    promised = float(slates.promised(near, near.lengths)[0])
    nearest = float(state.kept["similarity"].worth(promised))
    about = (near, promised, nearest)
    if nearest >= learned:
        return _Best("similarity", _first(near.places[0], int(near.lengths[0])), nearest, *about)
    return _Best("learned", _first(drawn.places[0], size), learned, *about)


def _first(places: Places, size: int) -> list[int]:
    return [int(place) for place in places[:size]]


class _Draws:
    """The choice, drawn 1 + 128 times; the first is the one that counts. `kinds` and `sizes` have one entry a
    draw, `shown` one row; `cost` (of exploring) and `promised` (beyond nothing) are those of the first.
    """

    def __init__(self, slates: Slates, state: State, rng: np.random.Generator) -> None:
        self._slates, self._state, self._rng = slates, state, rng
        self._settling = float(np.sqrt(_SETTLED_AFTER / (_SETTLED_AFTER + state.number)))
        self.best = _best(slates, state)
        count = 1 + REDRAWS
        near = self.best.near.times(count)
        # What all cases share moves them together, in the ranking and in the decision.
        common = np.linalg.cholesky(slates.belief.common + 1e-9 * np.eye(slates.belief.common.shape[0]))
        moved = (rng.standard_normal((count, len(common))) @ common.T) @ slates.features.T
        learned, learned_sizes = self._ranked(moved)
        tried, tried_sizes, cost, paid = self._explored()
        options = {
            "similarity": self._value("similarity", near, near.lengths, moved),
            "learned": self._value("learned", learned, learned_sizes, moved),
            "explored": self._value("explored", tried, tried_sizes, moved),
        }
        doubt = self._settling * _BASELINE_DOUBT * (1.0 - state.doubt)
        without = doubt * np.sqrt(slates.belief.baseline_variance) * rng.standard_normal(count)
        nearest = options["similarity"] >= options["learned"]
        known = np.maximum(options["similarity"], options["learned"])
        # Runs without cases, while it is not clear that cases help, to learn what these are compared with.
        shows = rng.random(count) >= (_WITHOUT_TOLD if slates.told else _WITHOUT) * state.doubt
        some = (known > without) & shows
        single = (rng.random(count) < _BY_RECORD) & (not slates.told)
        best = (options["explored"] > np.maximum(known, without)) & shows & single
        tries = best | paid
        self.kinds = np.where(
            tries, "explored", np.where(some, np.where(nearest, "similarity", "learned"), "nothing")
        )
        rows = np.where(nearest[:, None], near.places, learned.places)
        self.shown = np.where(tries[:, None], tried.places, rows)
        held = np.where(some, np.where(nearest, near.lengths, learned_sizes), 0)
        self.sizes = np.where(tries, tried_sizes, held)
        self.cost = 0.0 if best[0] or not tries[0] else float(cost[0])
        drawn = {"explored": tried, "similarity": near, "learned": learned}.get(str(self.kinds[0]))
        self.promised = 0.0 if drawn is None else float(slates.promised(drawn.first, self.sizes[:1])[0])

    def _ranked(self, moved: Floats) -> tuple[Drawn, Places]:
        """The learned slates and their sizes."""
        slates, rng, belief = self._slates, self._rng, self._slates.belief
        count = len(moved)
        shared = ((slates.features @ belief.common) * slates.features).sum(axis=1)
        own = np.sqrt(np.maximum(np.diag(belief.covariance) - shared, 0.0))
        curious = _CASE_NOISE * np.sqrt(_CASE_NOISE_RUNS / (_CASE_NOISE_RUNS + self._state.number))
        noise = curious * own * rng.standard_normal(moved.shape)
        scores = belief.mean + _RANKING_DOUBT * moved + noise
        drawn = slates.drawn(scores)
        late = min(1.0, self._state.number / _SIZES_AFTER)
        sizes = self._sizes(drawn, scores, late * _RANKING_DOUBT)
        random_size = rng.integers(1, drawn.lengths + 1)
        return drawn, np.where(rng.random(count) < late * _RANDOM_SIZE, random_size, sizes)

    def _sizes(self, drawn: Drawn, scores: Floats, doubt: float) -> Places:
        """How many of each slate have the greatest value, on a draw of ρ and κ."""
        slates, rng, count = self._slates, self._rng, len(scores)
        rho = slates.hyper.rho + doubt * slates.hyper.rho_std * rng.standard_normal(count)
        kappa = slates.belief.company + doubt * slates.belief.company_std * rng.standard_normal(count)
        return np.asarray(slates.values(drawn, scores, rho, kappa).argmax(axis=1) + 1)

    def _value(self, kind: str, drawn: Drawn, sizes: Places, moved: Floats) -> Floats:
        """A draw of what slates of this kind add to nothing."""
        doubt = self._settling * _VALUE_DOUBT
        promised = self._slates.promised(drawn, sizes, self._slates.belief.mean + doubt * moved)
        return self._state.kept[kind].drawn(promised, self._settling * _PROMISE_DOUBT, self._rng)

    def _explored(self) -> tuple[Drawn, Places, Floats, NDArray[np.bool_]]:
        """The best of each draw of all f(s,·), its expected cost, and whether that is paid."""
        slates, belief, best = self._slates, self._slates.belief, self.best
        lower = np.linalg.cholesky(belief.covariance + 1e-4 * np.eye(len(belief.mean)))
        noise = self._rng.standard_normal((1 + REDRAWS, len(belief.mean)))
        scores = belief.mean + _CURIOSITY * (noise @ lower.T)
        drawn = slates.drawn(scores) if slates.told else slates.alone(scores)
        sizes = drawn.lengths
        worth = self._state.kept["explored"].worth(slates.promised(drawn, sizes))
        hoped = slates.promised(drawn, sizes, scores)
        value = max(best.value, 0.0)
        cost = np.maximum(_LEAST_COST, value - worth + _CAUTION * slates.common_std(drawn, sizes))
        return drawn, sizes, cost, (hoped > value) & (cost <= fund(self._state))


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
