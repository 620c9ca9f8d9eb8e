"""A Bayesian model of the advantage: what showing a case adds to success over showing nothing.

For a run on task s that showed the m cases c_1 ... c_m, with shares a_j of the credit that sum to 1,

    r = b(s) + (1 + ρ(m−1)) Σ_j a_j f(s,c_j) + κ·further + ε,   Var ε = .21 / weight of the reward

    b(s)   = an intercept and a slope on 24 components of the task: what happens without cases
    f(s,c) = w·φ(s,c) + g(s,c),  φ = [1, cos(s,c) − usual cosine, z(s)·z(c), doubt of c, hubness of c,
             record of c, dissent of c], the record being how earlier runs ended that showed c
             (memory/earlier.py), the dissent how far cases on like tasks did otherwise (memory/dissent.py)
    κ      what a further case adds that tells what was done, whatever it is: a planner that sees how several
           tasks were carried out keeps more surely to the form. further counts those after the first
    g      ~ a Gaussian process whose covariance is the sum of five terms, each with a variance of its own:
             own      1[c = c']                     one case is better than another, whatever the task
             family   k(c,c')                       so are cases that are alike
             task     k(s,s')                       on some tasks cases help more
             match    k(s,s') k(c,c')               alike cases help on alike tasks
             place    k(s,s') 1[c = c']             one case helps on alike tasks

with k(s,s') = (exp(z(s)·z(s')/.7) − 1)/(exp(1/.7) − 1), which says nothing of tasks that share nothing, and
k(c,c') = exp((z(c)·z(c') − 1)/.12), z the whitened directions of memory/components.py, halved where two cases
called the same tools in different forms (memory/form.py), and 0 where they called other tools. The variances
are those of the greatest posterior density by marginal likelihood and ρ, what a further case adds or dilutes,
is its posterior mean (Rasmussen and Williams 2006, eq. 2.30 and section 5.4); all else is exact (eq. 2.25 and
2.26).
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from memento.memory.advantage_terms import (
    BASE,
    NOISE,
    OF_COMPANY,
    OF_SHOWN,
    PRIOR_MEAN,
    PRIOR_VARIANCE,
    Cases,
    Codes,
    Floats,
    Hyper,
    Singles,
    Terms,
    Trials,
    case_kernel,
    gram,
    prior_covariance,
    same_places,
    task_kernel,
)
from memento.memory.effect import Modelled, effective_number
from memento.memory.factor import Factor, quiet


@dataclass(frozen=True)
class Belief:
    """What is believed of some cases on one task, in units of reward. `mean` of f has shape (cases,), its
    covariance (cases, cases); `baseline` is b(s); `variance` that of b(s) + f(s,c), shape (cases,);
    `common` the covariance of w, shape (7, 7), which all cases share; `company` is κ.
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
    """The model after some trials. It keeps the factor L of the covariance of their rewards, and what is read
    of that whitened by it: L⁻¹ of their surplus over the prior's mean, and of the regressors.
    """

    def __init__(self, trials: Trials, hyper: Hyper) -> None:
        self.trials, self.hyper = trials, hyper
        self._design = trials.design(hyper.rho)
        self._factor = Factor.of(gram(Terms(trials), self._design, trials, hyper))
        self._white = self._factor.whitened(_read(trials, self._design))

    @quiet
    def followed_by(self, trial: Trials) -> Self:
        """The model after one trial more."""
        more = object.__new__(type(self))
        more.trials, more.hyper = self.trials.followed_by(trial), self.hyper
        design = trial.design(self.hyper.rho)
        more._design = np.vstack([self._design, design])
        more._factor, along, left = self._factor.followed_by(*self._row(trial, design[0]))
        white = (_read(trial, design) - along @ self._white) / np.float32(left)
        more._white = np.vstack([self._white, white])
        return more

    @quiet
    def belief(self, task: Singles, parts: Floats, cases: Cases) -> Belief:
        """For the task with this direction, shape (48,), and these components, shape (24,)."""
        variance, hyper = PRIOR_VARIANCE, self.hyper
        weighed = cases.features * variance[OF_SHOWN]
        prior = weighed @ cases.features.T + prior_covariance(cases, hyper)
        along = self._factor.whitened(self._along(task, cases).T)
        along += self._regressors[:, OF_SHOWN] @ weighed.T.astype(np.float32)
        covariance = prior - along.T @ along
        base = np.r_[1.0, parts]
        base_along = self._regressors[:, :BASE] @ (base * variance[:BASE]).astype(np.float32)
        base_variance = float(base @ (variance[:BASE] * base)) - float(base_along @ base_along)
        both = np.diag(covariance) + base_variance - 2.0 * (base_along @ along)
        return Belief(
            mean=np.asarray(cases.features @ PRIOR_MEAN[OF_SHOWN] + self._surplus @ along, np.float64),
            covariance=np.asarray((covariance + covariance.T) / 2.0, np.float64),
            baseline=float(base @ self._weights[:BASE]),
            baseline_variance=max(base_variance, 1e-6),
            variance=np.maximum(both, 1e-6),
            common=self._common,
            company=float(self._weights[OF_COMPANY]),
            company_std=self._company_std,
        )

    def baseline_of(self, parts: Floats) -> Floats:
        """b(s) of tasks with these components, which have shape (tasks, 24); shape (tasks,)."""
        return np.asarray(self._weights[0] + parts @ self._weights[1:BASE])

    def promising(self, task: Singles, count: int) -> Codes:
        """The codes of at most so many shown cases that did best, on tasks like this one above all."""
        trials, (own, family, _, match, place) = self.trials, self.hyper.variances
        near = task_kernel(trials.tasks @ task)
        pull = self._factor.weights(self._surplus) * trials.company(self.hyper.rho)
        total = (pull * (own + family + (match + place) * near)) @ trials.shown.shares
        best = np.argsort(-total, kind="stable")[:count]
        return np.asarray(trials.shown.cases.codes[best[total[best] > 0]])

    def made_of(self, belief: Belief, features: Floats) -> Floats:
        """What the mean of f is made of: the seven linear terms and what outcomes say beyond them, shape
        (cases, 8).
        """
        linear = features * self._weights[OF_SHOWN]
        return np.column_stack([linear, belief.mean - linear.sum(axis=1)])

    def added(self) -> Modelled:
        """What the shown cases added, the mean over the trials that showed any: of the effects F with their
        prior covariance C, E[uᵀF] and Var[uᵀF] given the rewards (Rasmussen and Williams 2006, eq. 2.25 and
        2.26), u being the weights of these trials.
        """
        trials = self.trials
        weights = trials.weights * (trials.sizes > 0)
        if not weights.any():
            return Modelled(0.0, np.inf, 0.0)
        mean_of = weights / weights.sum()
        design = self._design.copy()
        design[:, :BASE] = 0.0
        sure = replace(trials, weights=np.full(len(trials), np.inf))
        along = gram(Terms(trials), design, sure, self.hyper) @ mean_of
        white = self._factor.whitened(along.astype(np.float32))
        variance = float(mean_of @ along) - float(white @ white)
        mean = float(mean_of @ (design @ PRIOR_MEAN)) + float(white @ self._surplus)
        return Modelled(mean, float(np.sqrt(max(variance, 0.0))), effective_number(weights))

    @property
    def _surplus(self) -> Singles:
        return self._white[:, 0]

    @property
    def _regressors(self) -> Singles:
        return self._white[:, 1:]

    # What every task asks for alike, and a posterior that no task asks need not know.

    @cached_property
    def _weights(self) -> Floats:
        return np.asarray(PRIOR_MEAN + PRIOR_VARIANCE * (self._surplus @ self._regressors), np.float64)

    @cached_property
    def _common(self) -> Floats:
        return self._covariance(OF_SHOWN)

    @cached_property
    def _company_std(self) -> float:
        return float(np.sqrt(self._covariance(slice(OF_COMPANY, None))[0, 0]))

    def _covariance(self, columns: slice) -> Floats:
        """Of those of the linear weights."""
        variance = PRIOR_VARIANCE[columns]
        along = self._regressors[:, columns] * variance.astype(np.float32)
        return np.asarray(np.diag(variance) - along.T @ along, np.float64)

    def _along(self, task: Singles, cases: Cases) -> Singles:
        """The covariance of g(s,c) with each trial, shape (cases, trials); no case is there twice."""
        trials, shown = self.trials, self.trials.shown
        own, family, everywhere, match, place = np.asarray(self.hyper.variances, np.float32)
        near = task_kernel(trials.tasks @ task)
        sums = shown.shares @ case_kernel(shown.cases, cases)
        sums *= (family + match * near)[:, None]
        slots, which = same_places(trials.slots.codes, cases.codes)
        runs, shares = trials.slot_runs[slots], trials.slot_shares[slots].astype(np.float32)
        sums[runs, which] += (own + place * near[runs]) * shares
        sums += (everywhere * near * (trials.sizes > 0))[:, None]
        sums *= trials.company(self.hyper.rho).astype(np.float32)[:, None]
        return np.asarray(sums).T

    def _row(self, last: Trials, design: Floats) -> tuple[Singles, float]:
        """The covariance of one more trial with the others, and its own."""
        size = int(last.sizes[0])
        row = (design * PRIOR_VARIANCE) @ self._design.T
        own = float(design @ (PRIOR_VARIANCE * design)) + NOISE / float(last.weights[0])
        if size:
            company = float(last.company(self.hyper.rho)[0])
            row = row + company * (last.slot_shares @ self._along(last.tasks[0], last.slots))
            prior = prior_covariance(last.slots, self.hyper)
            own += company**2 * float(last.slot_shares @ prior @ last.slot_shares)
        return row.astype(np.float32), own


def _read(trials: Trials, design: Floats) -> Singles:
    """What is read of trials whitened: their surplus and regressors, shape (trials, 34)."""
    return np.column_stack([trials.rewards - design @ PRIOR_MEAN, design]).astype(np.float32)
