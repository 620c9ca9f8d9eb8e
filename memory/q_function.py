"""Q(s, c): the reward to expect on task s when case c is shown. One interface, one class a way of learning."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from memento.memory.case_bank import Candidate
from memento.memory.outcomes import Evidence, Outcomes, Slots

Vector = NDArray[np.float32]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class QValues:
    """Q and its standard deviation for each candidate and for the void case (nothing shown), and how many
    credited outcomes bear on each candidate. Arrays have shape (candidates,); Q is in units of reward."""

    q: Floats
    std: Floats
    void: float
    void_std: float
    outcomes: Floats


class QFunction(Protocol):
    """What the policy needs of a way of learning. It reads the outcomes and keeps nothing of its own."""

    name: str

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
    """Episodic, after the paper's eq. 9: Q(s,c) = Σ k(s,s_i) r_i / Σ k(s,s_i) over the outcomes of c.

    k(s,s_i) = exp((cos(s,s_i) − 1)/bandwidth), each outcome weighted by the case's credit in it. With few
    outcomes near s the estimate is shrunk to the case's own mean, and that to the prior

        b(s) + lift + .6·(cos(s,c) − usual cosine) − (a penalty where the case itself did not succeed)

    b(s) is the same kernel mean over the runs without cases, and is also the void case's Q; `lift` is what
    shown cases of about the same similarity have been worth on the whole. Appending an outcome is the whole update.
    """

    bandwidth: float = 0.1
    slope: float = 0.6
    failure_penalty: float = 0.4
    unknown_penalty: float = 0.1
    near_strength: float = 2.0
    mean_strength: float = 5.0
    lift_strength: float = 5.0
    lift_width: float = 0.1
    usual_cosine: float = 0.15  # of unrelated tasks under MiniLM, until this home has its own
    usual_strength: float = 10.0
    noise: float = 0.21  # the variance of a reward around its mean
    name: str = "kernel"

    def evaluate(self, task: Vector, candidates: Sequence[Candidate], outcomes: Outcomes) -> QValues:
        without = outcomes.of(None)
        void, void_weight = self._baseline(task, without)
        usual = self._usual_cosine(outcomes)
        slots, baseline = outcomes.slots(), self._mean(without)
        rows = [
            self._one(task, c, outcomes.of(c.case_id), void + self._lift(c.similarity, slots, baseline, usual), usual)
            for c in candidates
        ]
        q, std, counts = (np.asarray(column, dtype=np.float64) for column in zip(*rows, strict=True))
        return QValues(q, std, void, self._std(void_weight), counts)

    def _one(
        self, task: Vector, candidate: Candidate, evidence: Evidence, level: float, usual: float
    ) -> tuple[float, float, float]:
        prior = level + self.slope * (candidate.similarity - usual) - self._penalty(candidate)
        if not evidence.rewards.size:
            return prior, self._std(self.near_strength), 0.0
        mean = (float(evidence.weights @ evidence.rewards) + self.mean_strength * prior) / (
            float(evidence.weights.sum()) + self.mean_strength
        )
        near = self._kernel(task, evidence) * evidence.weights
        total = float(near.sum()) + self.near_strength
        q = (float(near @ evidence.rewards) + self.near_strength * mean) / total
        return q, self._std(total), float(evidence.weights.sum())

    def _penalty(self, candidate: Candidate) -> float:
        penalties = {"failure": self.failure_penalty, "unknown": self.unknown_penalty, "success": 0.0}
        return penalties[candidate.outcome]

    def _baseline(self, task: Vector, without: Evidence) -> tuple[float, float]:
        """b(s) and the weight behind it."""
        mean = self._mean(without)
        if not without.rewards.size:
            return mean, self.mean_strength
        near = self._kernel(task, without) * without.weights
        total = float(near.sum()) + self.mean_strength
        return (float(near @ without.rewards) + self.mean_strength * mean) / total, total

    def _mean(self, without: Evidence) -> float:
        """What happens without cases on the whole, shrunk to one half."""
        strength = 2.0
        return (float(without.weights @ without.rewards) + strength * 0.5) / (
            float(without.weights.sum()) + strength
        )

    def _lift(self, cosine: float, slots: Slots, baseline: float, usual: float) -> float:
        """What shown cases of about this similarity have been worth beyond what it lets one expect."""
        alike = slots.weights * np.exp(-0.5 * ((slots.similarities - cosine) / self.lift_width) ** 2)
        # A case that was shown and not used made no difference.
        worth = np.where(slots.credited, slots.rewards - baseline, 0.0)
        residuals = worth - self.slope * (slots.similarities - usual)
        lift = float(alike @ residuals) / (float(alike.sum()) + self.lift_strength)
        return float(np.clip(lift, -0.5, 0.5))

    def _usual_cosine(self, outcomes: Outcomes) -> float:
        mean, runs = outcomes.usual_cosine()
        return (mean * runs + self.usual_cosine * self.usual_strength) / (runs + self.usual_strength)

    def _kernel(self, task: Vector, evidence: Evidence) -> Floats:
        cosines = np.asarray(evidence.states @ task, dtype=np.float64)
        return np.asarray(np.exp((cosines - 1.0) / self.bandwidth))

    def _std(self, weight: float) -> float:
        return float(np.sqrt(self.noise / weight))
