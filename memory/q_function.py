"""Q(s, c), the reward to expect on task s when case c is shown: a class for each way to learn it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from memento.memory.case import Outcome
from memento.memory.case_bank import Candidate
from memento.memory.outcomes import Evidence, Outcomes, Slots

Vector = NDArray[np.float32]
Floats = NDArray[np.float64]

_GRID = np.linspace(-0.2, 1.0, 25)
"""The cosines at which the worth of similarity is worked out."""


@dataclass(frozen=True)
class QValues:
    """Q and its standard deviation for each candidate and for the void case (nothing shown), and how many
    credited outcomes bear on each candidate. Arrays have shape (candidates,); Q is in units of reward.
    """

    q: Floats
    std: Floats
    void: float
    void_std: float
    outcomes: Floats


class QFunction(Protocol):
    """What the policy needs of a way of learning. What it keeps is a function of the outcomes."""

    @property
    def name(self) -> str: ...

    def evaluate(self, task: Vector, candidates: Sequence[Candidate], outcomes: Outcomes) -> QValues: ...


class SimilarityQ:
    """Non-parametric: Q is the cosine of the two tasks. Nothing is learned."""

    name = "similarity"

    def evaluate(self, task: Vector, candidates: Sequence[Candidate], outcomes: Outcomes) -> QValues:
        del task, outcomes
        cosines = np.asarray([candidate.similarity for candidate in candidates], dtype=np.float64)
        nothing = np.zeros(len(candidates))
        return QValues(cosines, nothing, 0.0, 0.0, nothing)


@dataclass(frozen=True)
class KernelQ:
    """Episodic, after the paper's eq. 9, Q(s,c) = Σ k(s,s_i) r_i / Σ k(s,s_i) over the outcomes of c.

    The sum is taken on what outcomes add to a prior instead of on the rewards, so that a case's success on
    its own kind of task is no promise for another:

        prior(s,c) = b(s) + .6·(cos(s,c) − usual cosine) + lift(cos(s,c)) − penalty of c
        Q(s,c)     = prior(s,c) + Σ k(s,s_i) a_i e_i / Σ k(s,s_i) a_i,   e_i = r_i − prior(s_i,c)

    with the mean reward without cases in place of b(s_i), of which little is known.
    k(s,s_i) = exp((cos(s,s_i) − 1)/bandwidth); a_i is the credit of c in the outcome. With few outcomes near
    s the second term is shrunk to the mean e of the case, and that to 0. b(s), also the void case's Q, is
    the kernel mean over the runs without cases; lift is what shown cases of about that similarity have been
    worth; the penalty is for cases that did not themselves succeed. Appending an outcome is the whole
    update.
    """

    bandwidth: float = 0.1
    slope: float = 0.6
    failure_penalty: float = 0.6
    unknown_penalty: float = 0.1
    near_strength: float = 2.0
    mean_strength: float = 5.0
    void_strength: float = 2.0
    lift_strength: float = 5.0
    lift_width: float = 0.1
    usual_cosine: float = 0.15  # of unrelated tasks under MiniLM, until this home has its own
    usual_strength: float = 10.0
    mean_variance: float = 0.25
    level_mean: float = 0.05  # the least that cases added in the paper on tasks unlike theirs (4.7 points)
    level_variance: float = 0.16  # good cases lift a capable model by 30 points, a small one by more
    noise: float = 0.21  # the variance of a reward around its mean
    name: str = "kernel"

    def evaluate(self, task: Vector, candidates: Sequence[Candidate], outcomes: Outcomes) -> QValues:
        usual = self._usual_cosine(outcomes)
        mean, level = self._levels(outcomes, usual)
        void, void_weight = self._baseline(task, outcomes.of(None), mean)
        advantage = self._prior_advantage(outcomes.slots(), mean, level, usual)
        rows = [self._one(task, c, outcomes.of(c.case_id), advantage, void, mean) for c in candidates]
        q, std, counts = (np.asarray(column, dtype=np.float64) for column in zip(*rows, strict=True))
        return QValues(q, std, void, self._std(void_weight), counts)

    def _one(
        self,
        task: Vector,
        candidate: Candidate,
        evidence: Evidence,
        advantage: Callable[[Any], Any],
        void: float,
        mean: float,
    ) -> tuple[float, float, float]:
        """Q of one case, its standard deviation, and how many credited outcomes it has."""
        penalty = self.penalty(candidate.outcome)
        prior = void + float(advantage(candidate.similarity)) - penalty
        if not evidence.rewards.size:
            return prior, self._std(self.near_strength), 0.0
        surplus = evidence.rewards - (mean + advantage(evidence.similarities) - penalty)
        count = float(evidence.weights.sum())
        mean_surplus = float(evidence.weights @ surplus) / (count + self.mean_strength)
        near = self._kernel(task, evidence) * evidence.weights
        total = float(near.sum()) + self.near_strength
        q = prior + (float(near @ surplus) + self.near_strength * mean_surplus) / total
        return q, self._std(total), count

    def penalty(self, outcome: Outcome) -> float:
        """What the prior takes off for a case that did not itself succeed."""
        penalties = {"failure": self.failure_penalty, "unknown": self.unknown_penalty, "success": 0.0}
        return penalties[outcome]

    def _levels(self, outcomes: Outcomes, usual: float) -> tuple[float, float]:
        """The mean reward without cases, and what cases are worth beyond their similarity, both on the whole.

        The posterior mean of (b, l) in r = b for runs without cases and r = b + l + .6·(cosine − usual) for
        the others, with b ~ N(.5, .5²) and l ~ N(.05, .4²): that tasks are hard explains failures sooner than
        that cases hurt, until runs without cases say otherwise.
        """
        without, slots = outcomes.of(None), outcomes.slots()
        beyond = slots.rewards - self.slope * (slots.similarities - usual)
        alone, shown = float(without.weights.sum()), float(slots.weights.sum())
        sums = float(without.weights @ without.rewards), float(slots.weights @ beyond)
        precision = np.asarray(
            [
                [alone + shown + self.noise / self.mean_variance, shown],
                [shown, shown + self.noise / self.level_variance],
            ]
        )
        prior = [
            0.5 * self.noise / self.mean_variance,
            self.level_mean * self.noise / self.level_variance,
        ]
        mean, level = np.linalg.solve(precision, [sum(sums) + prior[0], sums[1] + prior[1]])
        return float(np.clip(mean, 0.0, 1.0)), float(level)

    def _baseline(self, task: Vector, without: Evidence, mean: float) -> tuple[float, float]:
        """b(s) and the weight behind it."""
        if not without.rewards.size:
            return mean, self.void_strength
        near = self._kernel(task, without) * without.weights
        total = float(near.sum()) + self.void_strength
        return (float(near @ without.rewards) + self.void_strength * mean) / total, total

    def _prior_advantage(self, slots: Slots, mean: float, level: float, usual: float) -> Callable[[Any], Any]:
        """What a case is worth over none, from the similarity of the tasks alone."""
        # A case that was shown and not used made no difference.
        worth = np.where(slots.credited, slots.rewards - mean, 0.0)
        beyond = worth - level - self.slope * (slots.similarities - usual)
        distances = (slots.similarities[None, :] - _GRID[:, None]) / self.lift_width
        alike = slots.weights * np.exp(-0.5 * distances**2)
        lift = np.clip((alike @ beyond) / (alike.sum(axis=1) + self.lift_strength), -0.5, 0.5) + level
        return lambda cosine: self.slope * (cosine - usual) + np.interp(cosine, _GRID, lift)

    def _usual_cosine(self, outcomes: Outcomes) -> float:
        mean, runs = outcomes.usual_cosine()
        return (mean * runs + self.usual_cosine * self.usual_strength) / (runs + self.usual_strength)

    def _kernel(self, task: Vector, evidence: Evidence) -> Floats:
        cosines = np.asarray(evidence.states @ task, dtype=np.float64)
        return np.asarray(np.exp((cosines - 1.0) / self.bandwidth))

    def _std(self, weight: float) -> float:
        return float(np.sqrt(self.noise / weight))
