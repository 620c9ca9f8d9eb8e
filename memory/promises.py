"""How far slates of a kind keep what the model promises of them.

The model is right about single cases on average, but it promises too much of a slate that was chosen for
being the best (the optimiser's curse), and may see too little in what the nearest cases do together. So what
came of the slates of each kind is regressed on what was promised:

    r − b(s) = shift + slope · promised + ε,   Var ε = .21 / weight of the reward

with a normal prior on (shift, slope): exact (Rasmussen and Williams 2006, eq. 2.8). For the nearest cases the
prior trusts the direct evidence (the shift) more than the promise.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memento.memory.advantage import NOISE

Floats = NDArray[np.float64]

KINDS = ("similarity", "learned", "explored")
_PRIOR_MEAN = {"similarity": (0.04, 0.3), "learned": (-0.02, 1.0), "explored": (-0.03, 1.0)}
_PRIOR_STD = {"similarity": (0.1, 0.15), "learned": (0.08, 0.4), "explored": (0.1, 0.4)}


@dataclass(frozen=True)
class Outcome:
    """What was promised of one slate beyond showing nothing, and what came, in units of reward."""

    promised: float
    came: float
    weight: float


@dataclass(frozen=True)
class Kept:
    """The posterior of (shift, slope): mean, shape (2,), and covariance, shape (2, 2)."""

    mean: Floats
    covariance: Floats

    def worth(self, promised: Floats) -> Floats:
        """What is expected of such promises, of the same shape."""
        return np.asarray(self.mean[0] + self.mean[1] * promised)

    def drawn(self, promised: Floats, scale: float, rng: np.random.Generator) -> Floats:
        """The same, each under a draw of shift and slope of so many standard deviations; shape (draws,)."""
        noise = rng.standard_normal((len(promised), 2)) @ np.linalg.cholesky(self.covariance).T
        shift, slope = (self.mean + scale * noise).T
        return np.asarray(shift + slope * promised)


def kept(kind: str, outcomes: Sequence[Outcome]) -> Kept:
    """What these outcomes teach of a kind of slate."""
    precision = np.diag(1.0 / np.square(_PRIOR_STD[kind]))
    target = precision @ np.asarray(_PRIOR_MEAN[kind])
    if outcomes:
        rows = np.asarray([(1.0, outcome.promised) for outcome in outcomes])
        weights = np.asarray([outcome.weight for outcome in outcomes]) / NOISE
        precision = precision + (rows * weights[:, None]).T @ rows
        target = target + rows.T @ (weights * [outcome.came for outcome in outcomes])
    covariance = np.linalg.inv(precision)
    return Kept(np.asarray(covariance @ target), np.asarray(covariance, np.float64))
