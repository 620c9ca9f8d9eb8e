"""An arm that models what cases add to success, with its uncertainty, and draws from that model.

    r  =  b(s) + w·φ̄ + ρ (m−1) (w·φ̄) + ε,   φ̄ = mean of φ(s,c) over the m cases shown,  Var ε = .21
    b(s)      what happens without cases: an intercept and a slope on 24 whitened components of the task
    φ(s,c)  = [1, cos(s,c) − its mean over the candidates, z(s)·z(c), u_c, k(s,c)]

z are 48 whitened components of unit length; u_c is the case's own effect, a posterior mean from what its
runs left unexplained; k carries over what similar cases did for similar tasks. (b, w, ρ) is one conjugate
linear regression. A slate of the model's own and that of similarity compete with showing nothing, on a draw
from the posterior.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from memento.bench.worlds import MOST_SHOWN, World
from memento.memory.components import COMPONENTS, components, directions
from memento.memory.slate import CANDIDATES, FLOOR

Floats = NDArray[np.float64]

_NOISE = 0.21
_TASK = 24  # components of the task in b(s)
_KEPT = 4096  # the newest pairs that k reads
_TASK_WIDTH, _CASE_WIDTH = 0.25, 0.12
_KERNEL_STRENGTH = 3 * np.exp(-3.6)
_OWN_VARIANCE = 0.12**2
_W = slice(1 + _TASK, 6 + _TASK)
_RHO = 6 + _TASK
_PRIOR_MEAN = np.r_[0.5, np.zeros(_TASK), 0.0, 0.6, 0.0, 1.0, 0.5, 0.0]
_PRIOR_STD = np.r_[0.5, np.full(_TASK, 0.06), 0.15, 0.6, 0.3, 0.5, 0.5, 0.3]


@dataclass
class _Pairs:
    """The newest (task, case) pairs with what their runs left unexplained."""

    tasks: Floats = field(default_factory=lambda: np.zeros((_KEPT, COMPONENTS)))
    cases: Floats = field(default_factory=lambda: np.zeros((_KEPT, COMPONENTS)))
    left: Floats = field(default_factory=lambda: np.zeros(_KEPT))
    shares: Floats = field(default_factory=lambda: np.zeros(_KEPT))
    count: int = 0

    def add(self, task: Floats, case: Floats, left: float, share: float) -> None:
        place = self.count % _KEPT
        self.tasks[place], self.cases[place] = task, case
        self.left[place], self.shares[place] = left, share
        self.count += 1

    def mean(self, task: Floats, cases: Floats) -> Floats:
        """k(s,c) for one task and many cases, shape (cases,)."""
        n = min(self.count, _KEPT)
        near = np.exp((self.tasks[:n] @ task - 1.0) / _TASK_WIDTH) * self.shares[:n]
        weights = np.exp((cases @ self.cases[:n].T - 1.0) / _CASE_WIDTH) * near
        return np.asarray(weights @ self.left[:n] / (weights.sum(axis=1) + _KERNEL_STRENGTH))


@dataclass
class _Open:
    """A choice whose reward is still to come."""

    features: Floats
    baseline: Floats
    shown: list[int]
    arm: str


class AdvantageArm:
    """Posterior sampling on a linear model of what cases add."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rng = np.random.default_rng([world.seed, 99])
        parts = components(world.tasks)
        self._task_parts = parts[:, :_TASK]
        self._tasks, self._cases = directions(parts), directions(components(world.cases))
        self._precision = np.diag(_NOISE / _PRIOR_STD**2)
        self._target = self._precision @ _PRIOR_MEAN
        self._own_sum = np.zeros(len(world.cases))
        self._own_weight = np.zeros(len(world.cases))
        self._pairs = _Pairs()
        self._worse = {"learned": np.zeros(2), "similarity": np.zeros(2)}
        self._runs = 0
        self._open: dict[int, _Open] = {}

    def choose(self, step: int) -> list[int]:
        near, cosines = self._world.nearest(step, CANDIDATES)
        features, spread = self._features(step, near, cosines)
        arm, places = self._slate(features, spread)
        baseline = np.r_[1.0, self._task_parts[step], np.zeros(6)]
        shown = [int(near[place]) for place in places]
        self._open[step] = _Open(features[places], baseline, shown, arm)
        return shown

    def learn(self, step: int, shown: Sequence[int], reward: float, cited: list[int] | None) -> None:
        del shown, cited
        choice, mean = self._open.pop(step), self._mean()
        row = choice.baseline
        if choice.shown:
            average = choice.features.mean(axis=0)
            worth = float(average @ mean[_W])
            company = 1.0 + mean[_RHO] * (len(choice.shown) - 1)
            left = reward - float(row @ mean) - float(average[:3] @ mean[_W][:3])
            self._learn_cases(step, choice, left, company, mean)
            self._note_worse(choice.arm, reward - float(row @ mean) - worth * company)
            row = row.copy()
            row[_W], row[_RHO] = average, (len(choice.shown) - 1) * worth
        self._precision += np.outer(row, row)
        self._target += row * reward
        self._runs += 1

    def _features(self, step: int, near: NDArray[np.intp], cosines: Floats) -> tuple[Floats, Floats]:
        """φ of the candidates, shape (candidates, 5), and the standard deviation of their own effects."""
        precision = 1.0 / _OWN_VARIANCE + self._own_weight[near] / _NOISE
        own = self._own_sum[near] / _NOISE / precision
        carried = self._pairs.mean(self._tasks[step], self._cases[near])
        match = self._cases[near] @ self._tasks[step]
        columns = (np.ones(len(near)), cosines - cosines.mean(), match, own, carried)
        return np.stack(columns, axis=1), np.sqrt(1.0 / precision)

    def _slate(self, features: Floats, spread: Floats) -> tuple[str, list[int]]:
        """The slate with the greatest value under one draw of the model, by places; none where none is above
        showing nothing.
        """
        if self._rng.random() < FLOOR:
            return "none", []
        mean = self._mean()
        scale = np.linalg.cholesky(np.linalg.inv(self._precision) * _NOISE)
        draw = scale @ self._rng.standard_normal(len(mean))
        slates = {
            "learned": self._learned(features, spread, mean + 0.5 * draw),
            "similarity": list(range(min(MOST_SHOWN, len(features)))),
        }
        # Without noise a case: the largest of 64 noisy values is nearly always above nothing.
        values = features @ (mean + 0.25 * draw)[_W]
        worth = {
            arm: float(values[places].mean()) * (1.0 + mean[_RHO] * (len(places) - 1)) + self._worse_by(arm)
            for arm, places in slates.items()
        }
        best = max(worth, key=lambda arm: worth[arm])
        return (best, slates[best]) if worth[best] > 0 else ("none", [])

    def _learned(self, features: Floats, spread: Floats, weights: Floats) -> list[int]:
        curious = 0.2 * np.sqrt(200 / (200 + self._runs))
        scores = features @ weights[_W] + curious * spread * self._rng.standard_normal(len(features))
        order = [int(place) for place in np.argsort(-scores, kind="stable")[:MOST_SHOWN]]
        if self._rng.random() < 0.05:  # noqa: PLR2004 - now and then a size at random
            return order[: int(self._rng.integers(1, MOST_SHOWN + 1))]
        rho = max(float(weights[_RHO]), -0.9)
        slates = [order[:size] for size in range(1, len(order) + 1)]
        return max(slates, key=lambda slate: float(scores[slate].mean()) * (1.0 + rho * (len(slate) - 1)))

    def _learn_cases(self, step: int, choice: _Open, left: float, company: float, mean: Floats) -> None:
        share = 1.0 / len(choice.shown)
        own = mean[_W][3]
        explained = company * float(choice.features[:, 3:].mean(axis=0) @ mean[_W][3:])
        for case, effect in zip(choice.shown, choice.features[:, 3], strict=True):
            self._own_sum[case] += share * (left - explained + company * share * float(effect) * own)
            self._own_weight[case] += share**2
            self._pairs.add(self._tasks[step], self._cases[case], left, share)

    def _note_worse(self, arm: str, gap: float) -> None:
        self._worse = {name: 0.998 * sums for name, sums in self._worse.items()}
        self._worse[arm] += (gap, 1.0)

    def _worse_by(self, arm: str) -> float:
        """A draw of what this arm's slates turn out worse than the model says (optimiser's curse)."""
        total, weight = self._worse[arm]
        precision = 1.0 / 0.05**2 + weight / _NOISE
        return float(total / _NOISE / precision + self._rng.standard_normal() / np.sqrt(precision))

    def _mean(self) -> Floats:
        return np.asarray(np.linalg.solve(self._precision, self._target))
