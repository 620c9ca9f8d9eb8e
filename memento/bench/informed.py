"""What could be learned at all: an arm that is told how its world works, but not which case is which.

It knows b(s), how noisy a reward is, what a case's likeness to the task is worth, how much cases differ
beside that, and how alike the effects of one case on two tasks are. So it starts where no home can, and what
it does not reach is hard to learn from as many outcomes:

    e(s,c) = α + β·cos(s,c) + f(s,c),  f(·,c) ~ a Gaussian process of covariance C(s,s'), alike for all cases

The posterior is exact (Rasmussen and Williams 2006, eq. 2.25 and 2.26). It shows the case with the greatest
mean plus one standard deviation and a draw of .15 of it, or four where effects add up, and nothing where that
is below 0. There is no floor.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from memento.bench.worlds import MOST_SHOWN, World
from memento.memory.advantage_terms import NOISE, task_kernel
from memento.memory.components import components, directions
from memento.memory.factor import Factor

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Places = NDArray[np.intp]

Likeness = Literal["true", "texts"]

_HOPE, _CURIOSITY = 1.0, 0.15
_WEIGHED = 48
"""Of the tried cases, so many with the greatest means have their deviation worked out."""
_NEW = 16
"""And so many others are considered, those of which likeness to the task promises most."""


class InformedArm:
    """The arm. How alike effects on two tasks are is the truth, or what the texts of the tasks say."""

    def __init__(self, world: World, likeness: Likeness) -> None:
        self._world = world
        self._expected, rest = _by_similarity(world)
        self._covariance = _true(rest) if likeness == "true" else _by_texts(rest, world)
        self._given = np.zeros((len(world.cases), len(world.tasks)), np.float32)
        self._tried = np.zeros(len(world.cases), dtype=bool)
        self._steps: list[int] = []
        self._factor = Factor.of(np.zeros((0, 0), np.float32))
        self._surplus = np.zeros(0, np.float32)
        self._rng = np.random.default_rng([world.seed, 31])

    def choose(self, step: int) -> list[int]:
        cases, means, stds = self._believed(step)
        curious = _HOPE + _CURIOSITY * self._rng.standard_normal(len(cases))
        return self._best(cases, means + curious * stds)

    def choose_known(self, step: int) -> list[int]:
        """By the means alone."""
        cases, means, _ = self._believed(step)
        return self._best(cases, means)

    def learn(self, step: int, shown: Sequence[int], reward: float, cited: list[int] | None) -> None:
        """What was cited says nothing more: one case is shown, or all count."""
        del cited
        if not shown:
            return
        cases = np.asarray(shown)
        weights = self._world.weights(len(cases)).astype(np.float32)
        row = (weights @ self._given[cases, : len(self._steps)]) * self._covariance[step, self._steps]
        own = float(weights @ weights) * float(self._covariance[step, step]) + NOISE
        came = reward - self._world.success(step, []) - float(weights @ self._expected[step, cases])
        self._factor, along, left = self._factor.followed_by(row.astype(np.float32), own)
        white = (came - float(along @ self._surplus)) / left
        self._surplus = np.append(self._surplus, np.float32(white))
        if len(self._steps) == self._given.shape[1]:  # where tasks are tried several times
            self._given = np.pad(self._given, ((0, 0), (0, len(self._steps))))
        self._given[cases, len(self._steps)] = weights
        self._tried[cases] = True
        self._steps.append(step)

    def _best(self, cases: Places, scores: Floats) -> list[int]:
        most = MOST_SHOWN if self._world.adds else 1
        best = np.argsort(-scores, kind="stable")[:most]
        return [int(case) for case in cases[best[scores[best] > 0]]]

    def _believed(self, step: int) -> tuple[Places, Floats, Floats]:
        """The cases that are considered, and the means and deviations of their effects."""
        expected = self._expected[step]
        tried, new = np.flatnonzero(self._tried), np.flatnonzero(~self._tried)
        new = new[np.argsort(-expected[new], kind="stable")[:_NEW]]
        shares = self._given[tried, : len(self._steps)] * self._covariance[step, self._steps]
        means = expected[tried] + shares @ self._factor.weights(self._surplus)
        top = np.argsort(-means, kind="stable")[:_WEIGHED]
        prior = float(self._covariance[step, step])
        along = self._factor.whitened(np.ascontiguousarray(shares[top].T))
        left = np.maximum(prior - np.square(along).sum(axis=0), 0.0)
        variances = np.concatenate([left, np.full(len(new), prior)])
        cases = np.concatenate([tried[top], new])
        return cases, np.concatenate([means[top], expected[new]]), np.sqrt(variances)


def _by_similarity(world: World) -> tuple[Floats, Singles]:
    """What cosines say of the effects by least squares, and the rest; both of shape (steps, cases)."""
    cosines = np.asarray(world.tasks @ world.cases.T, np.float64)
    cosines -= cosines.mean()
    usual = float(world.effects.mean(dtype=np.float64))
    expected = usual + cosines * float((cosines * world.effects).sum() / np.square(cosines).sum())
    return expected, np.asarray(world.effects - expected, np.float32)


def _true(rest: Singles) -> Singles:
    """The covariance of what one case does to two tasks, shape (steps, steps)."""
    return np.asarray(rest @ rest.T / np.float32(rest.shape[1]))


def _by_texts(rest: Singles, world: World) -> Singles:
    """The same as far as texts tell: what a case does to all tasks, and more to alike ones."""
    own = float(rest.mean(axis=0).var())
    place = max(0.0, float(np.square(rest).mean()) - own)
    looks = directions(components(world.tasks)).astype(np.float32)
    return np.asarray(own + place * task_kernel(looks @ looks.T), np.float32)
