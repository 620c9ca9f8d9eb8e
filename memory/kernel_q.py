"""KernelQ: Q(s, c) as the kernel mean of what case c added in its own past outcomes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memento.memory.case_bank import Candidate
from memento.memory.lessons import PARTS, REGRESSORS, Lesson, seen
from memento.memory.outcomes import Evidence, Outcomes
from memento.memory.q_function import LEVEL, NOISE, PENALTY, SLOPE, QValues
from memento.memory.slate import usual_cosine

Vector = NDArray[np.float32]
Floats = NDArray[np.float64]

WIDTHS = (0.06, 0.12, 0.25, 0.5, 1.0, 2.0)
"""The kernel widths that are tried."""
WIDTH, WIDTH_SPREAD = 0.25, 1.0
"""The width of the greatest prior density, and the standard deviation of its logarithm."""
NEAR_STRENGTH = 2.0
"""So many outcomes near a task weigh as much as what the case did elsewhere."""
MEAN_STRENGTH = 5.0
"""So many outcomes of a case weigh as much as what is expected of any case."""
FITTED_ON = 512
_BLOCK = 64
_SHOWN = slice(1 + PARTS, REGRESSORS)
_PRIOR_MEAN = np.r_[0.5, np.zeros(PARTS), LEVEL, SLOPE, -PENALTY]
_PRIOR_VARIANCE = np.r_[0.5, np.full(PARTS, 0.06), 0.4, 0.6, 0.3] ** 2


class KernelQ:
    """Episodic, after the paper's eq. 9, Q(s,c) = Σ k(s,s_i) r_i / Σ k(s,s_i) over the outcomes of c.

    The sum is taken on what outcomes add to what was expected instead of on the rewards, so that a case's
    success on its own kind of task is no promise for another. A run shows a_i of what the case does, its
    share of the credit, so that e_i / a_i is one reading of it and a_i² its weight:

        Q(s,c) = prior(s,c) + (Σ k(s,s_i) a_i e_i + 2 ē) / (Σ k(s,s_i) a_i² + 2),
        prior  = b(s) + w·φ(s,c),   e_i = r_i − b(s_i) − w·φ_i,   ē = Σ a_i e_i / (Σ a_i² + 5)

    b(s) is linear in 24 whitened components of the task, and also the void case's Q; φ is [1, cos(s,c) −
    usual cosine, doubt of c], φ_i its mean over the cases that the run showed. b and w are the posterior mean
    of a Bayesian linear regression on the newest runs. Rewards of less weight count for less in every sum.
    k(s,s_i) = exp((z(s)·z(s_i) − 1)/width), z the directions of memory/components.py; the width is that with
    the greatest leave-one-out likelihood of the newest 512 runs, times its prior, found again when 64 more
    are there. All of it is a function of the ledger, however its rewards came.
    """

    name = "kernel"

    def __init__(self) -> None:
        self._fitted: dict[str, tuple[list[Lesson], float]] = {}

    def evaluate(self, task: Vector, candidates: Sequence[Candidate], outcomes: Outcomes) -> QValues:
        last, lessons = outcomes.recent()
        weights, covariance = regression(lessons)
        width = self._width(outcomes.namespace, last, lessons)
        direction, parts = seen(task)
        similarities = np.asarray([candidate.similarity for candidate in candidates], np.float64)
        doubts = np.asarray([candidate.doubt for candidate in candidates], np.float64)
        deviations = similarities - usual_cosine(candidates)
        phi = np.column_stack([np.ones(len(candidates)), deviations, doubts])
        void = float(parts @ weights[: 1 + PARTS])
        learned = learned_of(outcomes.of([c.case_id for c in candidates]), direction, weights, width)
        void_variance = float(parts @ covariance[: 1 + PARTS, : 1 + PARTS] @ parts)
        return QValues(
            q=void + phi @ weights[_SHOWN] + learned[0],
            std=np.sqrt(NOISE / (learned[1] + NEAR_STRENGTH)),
            void=void,
            void_std=float(np.sqrt(void_variance)),
            outcomes=learned[2],
        )

    def _width(self, namespace: str, last: int, lessons: Sequence[Lesson]) -> float:
        block = last // _BLOCK * _BLOCK
        settled = [lesson for lesson in lessons if block - FITTED_ON < lesson.number <= block]
        known = self._fitted.get(namespace)
        if known and known[0] == settled:
            return known[1]
        width = fitted_width(settled)
        self._fitted[namespace] = settled, width
        return width


def regression(lessons: Sequence[Lesson]) -> tuple[Floats, Floats]:
    """The posterior mean of (b, w), shape (28,), and its covariance, from runs that have a reward."""
    regressors = np.concatenate([np.zeros(0), *[lesson.regressors for lesson in lessons]])
    regressors = regressors.reshape(-1, REGRESSORS)
    rewards = np.asarray([lesson.reward for lesson in lessons], np.float64)
    weighed = regressors * np.asarray([lesson.weight / NOISE for lesson in lessons])[:, None]
    covariance = np.linalg.inv(np.diag(1.0 / _PRIOR_VARIANCE) + weighed.T @ regressors)
    mean = covariance @ (_PRIOR_MEAN / _PRIOR_VARIANCE + weighed.T @ rewards)
    return np.asarray(mean, np.float64), np.asarray(covariance, np.float64)


def learned_of(
    found: Sequence[Evidence], direction: Vector, weights: Floats, width: float
) -> tuple[Floats, Floats, Floats]:
    """Of each case what its outcomes add to the prior on the task with this direction, and the weight of its
    outcomes near the task and at large; shape (cases,).
    """
    place = np.repeat(np.arange(len(found)), [len(evidence.rewards) for evidence in found])
    regressors = np.concatenate([evidence.regressors for evidence in found])
    surplus = np.concatenate([evidence.rewards for evidence in found]) - regressors @ weights
    share = np.concatenate([evidence.shares for evidence in found])
    weight = np.concatenate([evidence.weights for evidence in found]) * share
    near = np.exp((np.concatenate([evidence.directions for evidence in found]) @ direction - 1.0) / width)

    def total(values: Floats) -> Floats:
        return np.asarray(np.bincount(place, values, len(found)), np.float64)

    mean = total(weight * surplus) / (total(weight * share) + MEAN_STRENGTH)
    around = total(near * weight * share)
    added = (total(near * weight * surplus) + NEAR_STRENGTH * mean) / (around + NEAR_STRENGTH)
    return added, around, total(weight)


def fitted_width(lessons: Sequence[Lesson]) -> float:
    """The kernel width with the greatest posterior density given what these runs say of each other: each
    outcome of a case is foretold from the case's others.
    """
    weights = regression(lessons)[0]
    by_case: dict[str, list[Lesson]] = {}
    for lesson in lessons:
        for case_id, share in lesson.shares.items():
            if share:
                by_case.setdefault(case_id, []).append(lesson)
    widths = np.asarray(WIDTHS)
    density = -0.5 * (np.log(widths / WIDTH) / WIDTH_SPREAD) ** 2
    for case_id, shown in by_case.items():
        density -= _left_out(Evidence.of(shown, case_id), weights) / (2.0 * NOISE)
    return float(widths[density.argmax()])


def _left_out(evidence: Evidence, weights: Floats) -> Floats:
    """The weighted squared errors of one case's outcomes, each foretold from the others, shape (widths,)."""
    surplus, share = evidence.rewards - evidence.regressors @ weights, evidence.shares
    pulled, weighed = evidence.weights * share * surplus, evidence.weights * share**2
    cosines = np.asarray(evidence.directions @ evidence.directions.T, np.float64)
    near = np.exp((cosines - 1.0) / np.asarray(WIDTHS)[:, None, None])
    near[:, np.arange(len(share)), np.arange(len(share))] = 0.0
    mean = (pulled.sum() - pulled) / (weighed.sum() - weighed + MEAN_STRENGTH)
    foretold = (near @ pulled + NEAR_STRENGTH * mean) / (near @ weighed + NEAR_STRENGTH)
    return np.asarray(((surplus - share * foretold) ** 2 * evidence.weights).sum(axis=1))
