"""A Bayesian model of the advantage: what showing a case adds to success over showing nothing.

For a run on task s that showed the m cases c_1 ... c_m, with shares a_j of the credit that sum to 1,

    r = b(s) + (1 + ρ(m−1)) Σ_j a_j f(s,c_j) + κ·further + ε,   Var ε = .21 / weight of the reward

    b(s)   = an intercept and a slope on 24 components of the task: what happens without cases
    f(s,c) = w·φ(s,c) + g(s,c),  φ = [1, cos(s,c) − usual cosine, z(s)·z(c), doubt of c, hubness of c,
             record of c], the record being how earlier runs ended that showed c (memory/earlier.py)
    κ      what a further case adds that tells what was done, whatever it is: a planner that sees how several
           tasks were carried out keeps more surely to the form. further counts those after the first
    g      ~ a Gaussian process whose covariance is the sum of five terms, each with a variance of its own:
             own      1[c = c']                     one case is better than another, whatever the task
             family   k(c,c')                       so are cases that are alike
             task     k(s,s')                       on some tasks cases help more
             match    k(s,s') k(c,c')               alike cases help on alike tasks
             place    k(s,s') 1[c = c']             one case helps on alike tasks

with k(s,s') = (exp(z(s)·z(s')/.7) − 1)/(exp(1/.7) − 1), which says nothing of tasks that share nothing, and
k(c,c') = exp((z(c)·z(c') − 1)/.12), z the whitened directions of memory/components.py, and k(c,c') = 0 where
two cases did different things. The variances are those of the greatest posterior density by marginal
likelihood, and ρ, what a further case adds or dilutes, is its posterior mean (Rasmussen and Williams 2006,
eq. 2.30 and section 5.4); all else is exact (eq. 2.25 and 2.26).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.sparse import csr_array

from memento.memory.following import USUAL_SHARPNESS, sharpness

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Codes = NDArray[np.int64]

TASK_PARTS = 24
FEATURES = 6
NOISE = 0.21
_TASK_WIDTH, _CASE_WIDTH = 0.7, 0.12
_BASE = 1 + TASK_PARTS
_SHOWN = slice(_BASE, _BASE + FEATURES)
_COMPANY = _BASE + FEATURES
_PRIOR_MEAN = np.r_[0.5, np.zeros(TASK_PARTS), 0.0, 0.6, 0.0, -0.6, 0.0, 0.7, 0.08]
_PRIOR_VARIANCE = np.r_[0.5, np.full(TASK_PARTS, 0.06), 0.15, 0.35, 0.1, 0.3, 0.15, 0.4, 0.08] ** 2
_RHO_MEAN, _RHO_STD = 0.1, 0.3
_RHO_LEAST, _RHO_MOST = -0.1, 1.4
_RHO_STEP = 0.15
_LOG_STD = 1.5
"""Of the prior on the logarithm of each variance."""
_WORTH_A_STEP = 0.02


@dataclass(frozen=True)
class Hyper:
    """The five variances, in the order own, family, task, match, place, ρ with its standard deviation, and
    how sharply a planner follows the pattern that is nearest its task (memory/following.py).
    """

    variances: tuple[float, float, float, float, float] = (0.008, 0.003, 0.001, 0.008, 0.003)
    rho: float = _RHO_MEAN
    rho_std: float = _RHO_STD
    sharpness: float = USUAL_SHARPNESS


@dataclass(frozen=True)
class Cases:
    """Cases as the model sees them. `codes` tells one from another and `did` what they did, shape (cases,);
    `directions` has shape (cases, 48), `features` (cases, 6): φ for the task in question.
    """

    codes: Codes
    did: Codes
    directions: Singles
    features: Floats

    def at(self, places: Codes | Sequence[int]) -> Self:
        """Those at some places."""
        return type(self)(*(getattr(self, name)[places] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Trials:
    """Runs with a reward, in run order. `tasks` are directions, shape (runs, 48), `parts` components, shape
    (runs, 24); `sizes`, `rewards` and `weights` have shape (runs,). The slots of all runs stand one after
    another in `slots`, with the run each belongs to and its share of the credit.
    """

    tasks: Singles
    parts: Floats
    sizes: Codes
    rewards: Floats
    weights: Floats
    slots: Cases
    slot_runs: Codes
    slot_shares: Floats

    def __len__(self) -> int:
        return len(self.rewards)

    def followed_by(self, more: Self) -> Self:
        """These runs and then those."""
        slots = {
            name: np.concatenate([getattr(self.slots, name), getattr(more.slots, name)])
            for name in Cases.__dataclass_fields__
        }
        runs = {
            name: np.concatenate([getattr(self, name), getattr(more, name)])
            for name in ("tasks", "parts", "sizes", "rewards", "weights", "slot_shares")
        }
        places = np.concatenate([self.slot_runs, more.slot_runs + len(self)])
        return replace(self, **runs, slots=Cases(**slots), slot_runs=places)

    @cached_property
    def of_runs(self) -> "csr_array[Singles]":
        """The slots' shares, shape (runs, slots): what it multiplies is added up by run."""
        ends = np.concatenate([[0], np.cumsum(self.sizes)])
        places = np.arange(len(self.slot_runs))
        return csr_array((self.slot_shares.astype(np.float32), places, ends), shape=(len(self), len(places)))

    def shares(self, columns: Codes, count: int) -> "csr_array[Singles]":
        """Who had which share, shape (runs, count), for slots that belong to those columns."""
        where = (self.slot_runs, columns)
        return csr_array((self.slot_shares.astype(np.float32), where), shape=(len(self), count))

    def company(self, rho: float) -> Floats:
        """1 + ρ(m−1), shape (runs,)."""
        return np.asarray(1.0 + rho * np.maximum(self.sizes - 1, 0))

    def design(self, rho: float) -> Floats:
        """The regressors of the linear part, shape (runs, 32)."""
        ones = np.ones((len(self), 1))
        shown = np.zeros((len(self), FEATURES))
        np.add.at(shown, self.slot_runs, self.slot_shares[:, None] * self.slots.features)
        return np.hstack([ones, self.parts, shown * self.company(rho)[:, None], self._further()[:, None]])

    def _further(self) -> Floats:
        """How many slots of each run tell what their case did, beside one, shape (runs,)."""
        counts = np.bincount(self.slot_runs, weights=self.slots.did != 0, minlength=len(self))
        return np.asarray(np.maximum(counts - 1.0, 0.0))


@dataclass(frozen=True)
class Belief:
    """What is believed of some cases on one task, in units of reward. `mean` of f has shape (cases,), its
    covariance (cases, cases); `baseline` is b(s); `variance` that of b(s) + f(s,c), shape (cases,);
    `common` the covariance of w, shape (6, 6), which all cases share; `company` is κ.
    """

    mean: Floats
    covariance: Floats
    baseline: float
    baseline_variance: float
    variance: Floats
    common: Floats
    company: float
    company_std: float


class Posterior:
    """The model after some trials."""

    def __init__(self, trials: Trials, hyper: Hyper) -> None:
        self.trials = trials
        self.hyper = hyper
        self._design = trials.design(hyper.rho)
        self._inverse = np.zeros((0, 0), np.float32)
        if len(trials):
            lower = cho_factor(_gram(Terms(trials), self._design, trials, hyper), lower=True)
            self._inverse = np.asarray(cho_solve(lower, np.eye(len(trials))), np.float32)
        self._settle()

    def followed_by(self, trial: Trials) -> Self:
        """The model after one trial more, by bordering the inverse."""
        more = object.__new__(type(self))
        more.trials, more.hyper = self.trials.followed_by(trial), self.hyper
        design = trial.design(self.hyper.rho)
        more._design = np.vstack([self._design, design])
        row, own = self._row(trial, design[0])
        along = self._inverse @ row
        left = np.float32(max(own - float(row @ along), 1e-3))
        count = len(self.trials)
        inverse = np.empty((count + 1, count + 1), np.float32)
        np.outer(along, along / left, out=inverse[:count, :count])
        inverse[:count, :count] += self._inverse
        inverse[count, :count] = inverse[:count, count] = -along / left
        inverse[count, count] = 1.0 / left
        more._inverse = inverse
        more._settle()
        return more

    def belief(self, task: Singles, parts: Floats, cases: Cases) -> Belief:
        """For the task with this direction, shape (48,), and these components, shape (24,)."""
        variance, hyper = _PRIOR_VARIANCE, self.hyper
        weighed = cases.features * variance[_SHOWN]
        prior = weighed @ cases.features.T + _alone(cases, hyper)
        along = self._along(task, cases) + (weighed @ self._design[:, _SHOWN].T).astype(np.float32)
        covariance = prior - (along @ self._inverse) @ along.T
        base = np.r_[1.0, parts]
        base_along = (base * variance[:_BASE]) @ self._design[:, :_BASE].T
        base_through = self._inverse @ base_along.astype(np.float32)
        base_variance = float(base @ (variance[:_BASE] * base)) - float(base_through @ base_along)
        both = np.diag(covariance) + base_variance - 2.0 * (along @ base_through)
        return Belief(
            mean=np.asarray(cases.features @ _PRIOR_MEAN[_SHOWN] + along @ self._alpha),
            covariance=np.asarray((covariance + covariance.T) / 2.0, np.float64),
            baseline=float(base @ self._weights[:_BASE]),
            baseline_variance=max(base_variance, 1e-6),
            variance=np.maximum(both, 1e-6),
            common=self._common,
            company=float(self._weights[_COMPANY]),
            company_std=self._company_std,
        )

    def baselines(self) -> Floats:
        """b(s) of the trials, shape (trials,)."""
        return self.baseline_of(self.trials.parts)

    def baseline_of(self, parts: Floats) -> Floats:
        """b(s) of tasks with these components, which have shape (tasks, 24); shape (tasks,)."""
        return np.asarray(self._weights[0] + parts @ self._weights[1:_BASE])

    def promising(self, task: Singles, count: int) -> Codes:
        """The codes of at most so many shown cases that did best, on tasks like this one above all."""
        trials, (own, family, _, match, place) = self.trials, self.hyper.variances
        near = _near(trials.tasks @ task)
        pull = (self._alpha * trials.company(self.hyper.rho))[trials.slot_runs] * trials.slot_shares
        worth = pull * (own + family + (match + place) * near[trials.slot_runs])
        codes, places = self._shown
        total = np.bincount(places, weights=worth, minlength=len(codes))
        best = np.argsort(-total, kind="stable")[:count]
        return codes[best[total[best] > 0]]

    def made_of(self, belief: Belief, features: Floats) -> Floats:
        """What the mean of f is made of: the six linear terms and what outcomes say beyond them, shape
        (cases, 7).
        """
        linear = features * self._weights[_SHOWN]
        return np.column_stack([linear, belief.mean - linear.sum(axis=1)])

    def _settle(self) -> None:
        surplus = self.trials.rewards - self._design @ _PRIOR_MEAN
        self._alpha = np.asarray(self._inverse @ surplus.astype(np.float32), np.float64)
        self._weights = _PRIOR_MEAN + _PRIOR_VARIANCE * (self._design.T @ self._alpha)

    # What every task asks for alike, and a posterior that no task asks need not know.

    @cached_property
    def _shown(self) -> tuple[Codes, Codes]:
        """The codes of the shown cases, each once, and the place there of each slot's."""
        codes, places = np.unique(self.trials.slots.codes, return_inverse=True)
        return codes, places

    @cached_property
    def _common(self) -> Floats:
        return self._covariance(_SHOWN)

    @cached_property
    def _company_std(self) -> float:
        return float(np.sqrt(self._covariance(slice(_COMPANY, None))[0, 0]))

    def _covariance(self, columns: slice) -> Floats:
        """Of those of the linear weights."""
        variance = _PRIOR_VARIANCE[columns]
        along = (self._design[:, columns] * variance).astype(np.float32)
        return np.asarray(np.diag(variance) - along.T @ (self._inverse @ along), np.float64)

    def _along(self, task: Singles, cases: Cases) -> Singles:
        """The covariance of g(s,c) with each trial, shape (cases, trials); no case is there twice."""
        trials, slots = self.trials, self.trials.slots
        own, family, everywhere, match, place = np.asarray(self.hyper.variances, np.float32)
        near = _near(trials.tasks @ task)
        there = near[trials.slot_runs]
        terms = _alike(slots, cases)
        terms *= (family + match * there)[:, None]
        shown, which = same_places(slots.codes, cases.codes)
        terms[shown, which] += own + place * there[shown]
        sums = trials.of_runs @ terms
        sums += (everywhere * near * (trials.sizes > 0))[:, None]
        return np.asarray(sums * trials.company(self.hyper.rho).astype(np.float32)[:, None]).T

    def _row(self, last: Trials, design: Floats) -> tuple[Singles, float]:
        """The covariance of one more trial with the others, and its own."""
        size = int(last.sizes[0])
        row = (design * _PRIOR_VARIANCE) @ self._design.T
        own = float(design @ (_PRIOR_VARIANCE * design)) + NOISE / float(last.weights[0])
        if size:
            company = float(last.company(self.hyper.rho)[0])
            row = row + company * (last.slot_shares @ self._along(last.tasks[0], last.slots))
            own += company**2 * float(last.slot_shares @ _alone(last.slots, self.hyper) @ last.slot_shares)
        return row.astype(np.float32), own


class Terms:
    """The five terms of the covariance between the trials, each of shape (trials, trials)."""

    def __init__(self, trials: Trials) -> None:
        codes, first, columns = np.unique(trials.slots.codes, return_index=True, return_inverse=True)
        shares = trials.shares(columns, len(codes))
        chosen = trials.slots.at(first)
        table = _alike(chosen, chosen)
        same = np.asarray((shares @ shares.T).todense(), np.float32)
        alike = np.asarray((shares @ (shares @ table).T).T, np.float32)
        near = _near(trials.tasks @ trials.tasks.T)
        shown = (trials.sizes > 0).astype(np.float32)
        self.all = np.stack([same, alike, near * np.outer(shown, shown), near * alike, near * same])


def fitted(trials: Trials) -> Hyper:
    """The variances of the greatest posterior density given the trials, by coordinate search from the prior's
    so that they depend on these trials alone, and ρ's posterior mean.
    """
    if not trials.sizes.any():
        return Hyper()
    terms, hyper = Terms(trials), Hyper()
    best = _density(terms, trials, hyper), hyper
    for factor in (3.0, 1.7):
        best = best[0], _with_rho(terms, trials, best[1])
        best = _density(terms, trials, best[1]), best[1]
        for place in range(len(hyper.variances)):
            for power in (factor, 1.0 / factor):
                best = _climb(terms, trials, best, place, power)
    followed = sharpness(trials.slot_runs, trials.slots.did, trials.slots.features[:, 1], trials.slot_shares)
    return replace(_with_rho(terms, trials, best[1]), sharpness=followed)


def _with_rho(terms: Terms, trials: Trials, hyper: Hyper) -> Hyper:
    """The posterior mean and standard deviation of ρ, given the variances, on a grid."""
    grid = np.arange(_RHO_LEAST, _RHO_MOST, _RHO_STEP)
    densities = np.asarray([_density(terms, trials, replace(hyper, rho=float(rho))) for rho in grid])
    weights = np.exp(densities - densities.max())
    weights /= weights.sum()
    mean = float(weights @ grid)
    spread = float(weights @ (grid - mean) ** 2) + _RHO_STEP**2 / 12.0
    return replace(hyper, rho=mean, rho_std=float(np.sqrt(spread)))


def _climb(
    terms: Terms, trials: Trials, start: tuple[float, Hyper], place: int, factor: float
) -> tuple[float, Hyper]:
    """Go on multiplying one variance while the density grows."""
    best = start
    while True:
        variances = list(best[1].variances)
        variances[place] *= factor
        tried = replace(best[1], variances=tuple(variances))  # type: ignore[arg-type]
        density = _density(terms, trials, tried)
        if density <= best[0] + _WORTH_A_STEP:
            return best
        best = density, tried


def _density(terms: Terms, trials: Trials, hyper: Hyper) -> float:
    """The logarithm of the posterior density of the hyperparameters, up to a constant."""
    design = trials.design(hyper.rho)
    lower = np.linalg.cholesky(_gram(terms, design, trials, hyper))
    surplus = trials.rewards - design @ _PRIOR_MEAN
    scaled = solve_triangular(lower, surplus, lower=True, check_finite=False)
    far = np.log(np.asarray(hyper.variances) / np.asarray(Hyper().variances)) / _LOG_STD
    company = (hyper.rho - _RHO_MEAN) / _RHO_STD
    return float(-0.5 * (scaled @ scaled + far @ far + company**2) - np.log(np.diag(lower)).sum())


def _gram(terms: Terms, design: Floats, trials: Trials, hyper: Hyper) -> Floats:
    """The covariance of the rewards, shape (trials, trials)."""
    company = trials.company(hyper.rho)
    weighed = np.tensordot(np.asarray(hyper.variances, np.float32), terms.all, 1)
    gram = weighed * np.outer(company, company) + (design * _PRIOR_VARIANCE) @ design.T
    gram[np.diag_indices(len(trials))] += NOISE / trials.weights
    return np.asarray(gram, np.float64)


def _alone(cases: Cases, hyper: Hyper) -> Floats:
    """The prior covariance of g for cases on one and the same task, shape (cases, cases)."""
    own, family, everywhere, match, place = hyper.variances
    alike = _alike(cases, cases)
    same = cases.codes[:, None] == cases.codes[None, :]
    return np.asarray((own + place) * same + (family + match) * alike + everywhere)


def _near(cosines: Singles) -> Singles:
    """k(s,s') of tasks with these cosines between their directions, of the same shape."""
    grown = np.expm1(np.asarray(cosines, np.float32) / np.float32(_TASK_WIDTH))
    return np.asarray(grown / np.float32(np.expm1(1.0 / _TASK_WIDTH)))


def _alike(cases: Cases, others: Cases) -> Singles:
    """k(c,c') between the cases and the others, shape (cases, others)."""
    alike = cases.directions @ others.directions.T
    alike -= np.float32(1.0)
    alike /= np.float32(_CASE_WIDTH)
    np.exp(alike, out=alike)
    alike *= cases.did[:, None] == others.did
    return alike


def same_places(codes: Codes, others: Codes) -> tuple[Codes, Codes]:
    """The places of those codes that are among the others, which are all different, and where there."""
    order = np.argsort(others)
    where = order[np.searchsorted(others, codes, sorter=order) % max(len(others), 1)]
    found = np.flatnonzero(codes == others[where])
    return found, where[found]
