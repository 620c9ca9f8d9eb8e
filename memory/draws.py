"""What `auto` chooses between, drawn often enough to know how probable the choice was: memory/auto.py."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from memento.memory.fold import State
from memento.memory.slates import Drawn, Slates

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
Flags = NDArray[np.bool_]

REDRAWS = 64
"""How often a choice is drawn again to learn how probable it was."""
_CURIOSITY = 0.15  # of the posterior's standard deviation, when exploring
_HOPE, _FULL = 2.0, 5.0  # of the same, added to each case where the fund has so much
_RANKING_DOUBT = 0.5  # of that of what all cases share, when ranking them for the learned slate
_VALUE_DOUBT = 0.25  # of the same, when deciding between the options
_BASELINE_DOUBT = 0.3  # of that of b(s), the less, the clearer mean rewards say that cases do not help
_PROMISE_DOUBT = 0.5  # of that of how far promises are kept
_SETTLED_AFTER = 500  # runs; then these three have fallen by a third, and what a single teaches by half
_CASE_NOISE, _CASE_NOISE_RUNS = 0.2, 200  # of that of a case's own effect, and when it has fallen by a third
_RANDOM_SIZE = 0.3  # share of slates whose size is drawn
_RANDOM_SIZE_TOLD = 0.05  # where cases tell what they did: there it is seen which was followed
_COMPARED_AFTER = 300  # runs; then the share of any size, and of runs that do not explore, has fallen by half
_SIZES_AFTER = 50  # runs; before, a slate of another size than the best would teach little for what it costs
_CAUTION = 0.5  # of what all cases share, added to what exploring is expected to cost
_LEAST_COST = 0.03
_NOT_TRIED = 0.3  # of runs, at first, do not explore whatever it promises
_AT_MOST = 0.5  # of runs explore because that did best, and of the others because the fund pays for it
_TEACHES = 0.06  # at first: what the outcome of a single case is worth beyond that of a slate
_WITHOUT = 0.5  # of runs, at most, show nothing for as likely as it is that cases do not help
_WITHOUT_TOLD = 0.08  # times that likelihood, where they tell what they did: by the prior (κ) they help
_FUND, _FROM_GAINS = 0.16, 0.25


@dataclass(frozen=True)
class Best:
    """The best slate by the means of what is believed: its kind, places and value beyond nothing; and the
    nearest cases, with what is promised of them, and their value.
    """

    kind: str
    places: list[int]
    value: float
    near: Drawn
    near_promised: float
    near_value: float

    @property
    def lead(self) -> float:
        """What it is worth beyond the better of nothing and the nearest cases."""
        return max(0.0, self.value - max(0.0, self.near_value))

    def instead(self, state: State, kind: str, shown: Places) -> float:
        """What the better of nothing and the nearest cases would be worth instead of those shown, a slate of
        this kind. As far as they are the same cases, what is promised of them is kept as it is of those.
        """
        places, size = self.near.places[0], int(self.near.lengths[0])
        same = float(self.near.shares[0, size - 1] @ np.isin(places, shown))
        alike = float(state.kept[kind].worth(self.near_promised))
        return max(0.0, same * alike + (1.0 - same) * self.near_value)


@dataclass(frozen=True)
class Draws:
    """The choice, drawn 1 + 64 times; the first is the one that counts. `kinds` and `sizes` have one entry a
    draw, `shown` one row; `promised` (beyond nothing) is that of the first, and `forgone` what the best known
    was worth beyond the better of nothing and the nearest where exploring took its place.
    """

    best: Best
    kinds: NDArray[np.str_]
    shown: Places
    sizes: Places
    forgone: float
    promised: float


def best_of(slates: Slates, state: State) -> Best:
    """The best slate by the means of what is believed."""
    places = np.vstack([slates.pick_nearest(), slates.pick(slates.belief.mean[None, :])])
    both = slates.with_shares(places)
    return _best(slates, state, both.rows(slice(0, 1)), both.rows(slice(1, 2)))


def draws_of(slates: Slates, state: State, rng: np.random.Generator) -> Draws:
    """The choice, drawn 1 + 64 times."""
    moved = _moved(slates, rng)
    ranking, trying = _ranking(slates, state, moved, rng), _trying(slates, state, rng)
    near, mean, learned, explored = _options(slates, ranking, trying)
    best = _best(slates, state, near, mean)
    near = near.times(1 + REDRAWS)
    near_sizes = near.lengths if slates.told else _or_any(near.lengths, near, slates, state, rng)
    learned_sizes = _or_any(_sizes(slates, state, learned, ranking, rng), learned, slates, state, rng)
    paid = _paid(slates, state, explored, trying, best)
    settling = _settling(state)

    def worth(kind: str, drawn: Drawn, sizes: Places) -> Floats:
        held = slates.belief.mean[drawn.held] + settling * _VALUE_DOUBT * _at(moved, drawn)
        return state.kept[kind].drawn(slates.promised(drawn, sizes, held), settling * _PROMISE_DOUBT, rng)

    options = {
        "similarity": worth("similarity", near, near.lengths),
        "learned": worth("learned", learned, learned_sizes),
        "explored": worth("explored", explored, explored.lengths),
    }
    nearest = options["similarity"] >= options["learned"]
    shown = np.where(nearest[:, None], near.places, learned.places)
    sizes = np.where(nearest, near_sizes, learned_sizes)
    teaches = np.asarray(settling**2 * _TEACHES * (sizes > 1), np.float64)
    some, by_record = _compared(slates, state, options, teaches, rng)
    tries = (by_record | (paid & _may_pay(slates, rng))) & _may_explore(slates, state, rng)
    kinds = np.where(tries, "explored", np.where(some, np.where(nearest, "similarity", "learned"), "nothing"))
    sizes = np.where(tries, explored.lengths, np.where(some, sizes, 0))
    first = {"explored": explored, "similarity": near, "learned": learned}.get(str(kinds[0]))
    return Draws(
        best=best,
        kinds=kinds,
        shown=np.where(tries[:, None], explored.places, shown),
        sizes=sizes,
        forgone=0.0 if by_record[0] or not tries[0] else best.lead,
        promised=0.0 if first is None else float(slates.promised(first.rows(slice(0, 1)), sizes[:1])[0]),
    )


def fund(state: State) -> float:
    """What exploring may still cost, in units of reward."""
    given = _FUND * (float(np.sqrt(state.number)) - float(np.sqrt(state.start)))
    return given + _FROM_GAINS * state.gained - state.spent


def _moved(slates: Slates, rng: np.random.Generator) -> Floats:
    """How far a draw of what all cases share moves each, shape (draws, candidates): together, in the ranking
    and in the decision.
    """
    common = slates.belief.common
    lower = np.linalg.cholesky(common + 1e-9 * np.eye(len(common)))
    return (rng.standard_normal((1 + REDRAWS, len(common))) @ lower.T) @ slates.features.T


def _ranking(slates: Slates, state: State, moved: Floats, rng: np.random.Generator) -> Floats:
    """The scores by which the learned slates are drawn, shape (draws, candidates)."""
    belief = slates.belief
    shared = ((slates.features @ belief.common) * slates.features).sum(axis=1)
    own = np.sqrt(np.maximum(np.diag(belief.covariance) - shared, 0.0))
    curious = _CASE_NOISE * np.sqrt(_CASE_NOISE_RUNS / (_CASE_NOISE_RUNS + state.number))
    noise = curious * own * rng.standard_normal(moved.shape)
    return np.asarray(belief.mean + _RANKING_DOUBT * moved + noise)


def _trying(slates: Slates, state: State, rng: np.random.Generator) -> Floats:
    """Draws of all f(s,·) from the posterior, to explore by, shape (draws, candidates): the fuller the fund,
    the higher where little is known, so that what may be better than the best known is tried.
    """
    belief = slates.belief
    lower = np.linalg.cholesky(belief.covariance + 1e-4 * np.eye(len(belief.mean)))
    noise = rng.standard_normal((1 + REDRAWS, len(belief.mean)))
    hope = _HOPE * min(1.0, max(0.0, fund(state)) / _FULL)
    hoped = belief.mean + hope * np.sqrt(np.maximum(np.diag(belief.covariance), 0.0))
    return np.asarray(hoped + _CURIOSITY * (noise @ lower.T))


def _options(slates: Slates, ranking: Floats, trying: Floats) -> list[Drawn]:
    """The slates of the nearest cases and of the best by the mean, once each; of the learned and of the
    explored, one a draw. All at once, since so many small arrays cost by their number.
    """
    scores = np.vstack([slates.belief.mean, ranking])
    if slates.told:
        places = slates.pick(np.vstack([scores, trying]))
    else:
        places = np.vstack([slates.pick(scores), slates.pick_singles(trying)])
    drawn = slates.with_shares(np.vstack([slates.pick_nearest(), places]))
    ends = np.cumsum([0, 1, 1, len(ranking), len(trying)]).tolist()
    return [drawn.rows(slice(*part)) for part in pairwise(ends)]


def _best(slates: Slates, state: State, near: Drawn, mean: Drawn) -> Best:
    belief, hyper = slates.belief, slates.hyper
    held = belief.mean[mean.held]
    values = slates.values(mean, held, np.asarray([hyper.rho]), np.asarray([belief.company]))[0]
    size = int(values.argmax()) + 1
    learned = float(state.kept["learned"].worth(values[size - 1]))
    promised = float(slates.promised(near, near.lengths)[0])
    nearest = float(state.kept["similarity"].worth(promised))
    about = (near, promised, nearest)
    if nearest >= learned:
        return Best("similarity", near.places[0, : near.lengths[0]].tolist(), nearest, *about)
    return Best("learned", mean.places[0, :size].tolist(), learned, *about)


def _sizes(slates: Slates, state: State, learned: Drawn, ranking: Floats, rng: np.random.Generator) -> Places:
    """How many of each learned slate have the greatest value, on a draw of ρ and κ."""
    hyper, belief, count = slates.hyper, slates.belief, len(ranking)
    late = min(1.0, state.number / _SIZES_AFTER)
    doubt = late * _RANKING_DOUBT
    rho = hyper.rho + doubt * hyper.rho_std * rng.standard_normal(count)
    kappa = belief.company + doubt * belief.company_std * rng.standard_normal(count)
    return np.asarray(slates.values(learned, _at(ranking, learned), rho, kappa).argmax(axis=1) + 1)


def _or_any(sizes: Places, drawn: Drawn, slates: Slates, state: State, rng: np.random.Generator) -> Places:
    """These sizes, and now and then any: of fewer cases what comes says more, and ρ and κ are learned only
    so.
    """
    often = _RANDOM_SIZE_TOLD if slates.told else _RANDOM_SIZE * _comparing(state)
    often *= min(1.0, state.number / _SIZES_AFTER)
    return np.where(rng.random(len(sizes)) < often, rng.integers(1, drawn.lengths + 1), sizes)


def _paid(slates: Slates, state: State, explored: Drawn, trying: Floats, best: Best) -> Flags:
    """Whether each explored slate may be better than the best known, and the fund pays what it costs."""
    sizes = explored.lengths
    worth = state.kept["explored"].worth(slates.promised(explored, sizes), 1.0 - state.doubt)
    hoped = slates.promised(explored, sizes, _at(trying, explored))
    value = max(best.value, 0.0)
    cost = np.maximum(_LEAST_COST, value - worth + _CAUTION * slates.common_std(explored, sizes))
    return np.asarray((hoped > value) & (cost <= fund(state)))


def _may_pay(slates: Slates, rng: np.random.Generator) -> Flags:
    """Whether the fund may pay for exploring in each draw."""
    return (rng.random(1 + REDRAWS) < _AT_MOST) | slates.told


def _may_explore(slates: Slates, state: State, rng: np.random.Generator) -> Flags:
    """Whether each draw may explore: not always, so that what exploring is compared with stays known."""
    return (rng.random(1 + REDRAWS) >= _NOT_TRIED * _comparing(state)) | slates.told


def _compared(
    slates: Slates, state: State, options: dict[str, Floats], teaches: Floats, rng: np.random.Generator
) -> tuple[Flags, Flags]:
    """Of each draw, whether the best known is shown rather than nothing, and whether exploring is better,
    which `teaches` so much more than the best known.
    """
    count = 1 + REDRAWS
    doubt = _settling(state) * _BASELINE_DOUBT * (1.0 - state.doubt)
    without = doubt * np.sqrt(slates.belief.baseline_variance) * rng.standard_normal(count)
    known = np.maximum(options["similarity"], options["learned"])
    shows = rng.random(count) >= _without(slates, state)
    may = (rng.random(count) < _AT_MOST) & (not slates.told)
    better = options["explored"] > np.maximum(known - teaches, without)
    return (known > without) & shows, better & shows & may


def _without(slates: Slates, state: State) -> float:
    """The share of runs without cases, to learn what cases are compared with, while it is not clear that they
    help.
    """
    return _WITHOUT_TOLD * state.doubt if slates.told else min(_WITHOUT, state.doubt)


def _settling(state: State) -> float:
    """How much counts, after so many runs, of the doubt between the options."""
    return float(np.sqrt(_SETTLED_AFTER / (_SETTLED_AFTER + state.number)))


def _comparing(state: State) -> float:
    """How much is still done, after so many runs, only to have it compared."""
    return _COMPARED_AFTER / (_COMPARED_AFTER + state.number)


def _at(scores: Floats, drawn: Drawn) -> Floats:
    """The scores, shape (draws, candidates), of the cases of each slate, shape (draws, k)."""
    return np.take_along_axis(scores, drawn.held, axis=1)
