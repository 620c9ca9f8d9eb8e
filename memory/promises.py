"""How far slates of a kind keep what the model promises of them.

The model is right about single cases on average, but it promises too much of a slate that was chosen for
being the best (the optimiser's curse), and may see too little in what the nearest cases do together. So what
came of the slates of each kind is regressed on what was promised:

    r − b(s) = shift + slope · promised + ε,   Var ε = .21 / weight of the reward

with a normal prior on (shift, slope): exact (Rasmussen and Williams 2006, eq. 2.8). For the nearest cases the
prior trusts the direct evidence (the shift) more than the promise.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from memento.memory.advantage_terms import NOISE

Floats = NDArray[np.float64]

KINDS = ("similarity", "learned", "explored")
SIMILARITY = KINDS.index("similarity")
_PRIOR_MEAN = {"similarity": (0.04, 0.3), "learned": (-0.02, 1.0), "explored": (-0.09, 0.6)}
_PRIOR_STD = {"similarity": (0.1, 0.15), "learned": (0.08, 0.4), "explored": (0.1, 0.4)}
_FADES_IN = 300  # runs


class Account(NamedTuple):
    """One shown slate, in units of reward: the place of its kind in KINDS; what was promised of it beyond
    b(s); what came (not a number while that is unknown), and its weight; what it was to gain on the better of
    nothing and the nearest cases; the number of its run; and, of an explored slate that was paid for, what
    the best known was worth beyond the better of nothing and the nearest.
    """

    kind: int
    promised: float
    came: float
    weight: float
    gained: float
    number: int
    forgone: float = 0.0


KIND, CAME, WEIGHT, NUMBER = (Account._fields.index(name) for name in ("kind", "came", "weight", "number"))
"""Where these are in an account."""


def faded(accounts: Floats, number: int) -> Floats:
    """The accounts as they count at a run number: the longer ago, the less, but for the nearest cases. What
    is learned today is another slate than what was learned then; the nearest cases are what they were.
    """
    ages = np.maximum(number - accounts[:, NUMBER], 0.0)
    weights = np.where(accounts[:, KIND] == SIMILARITY, 1.0, np.exp(-ages / _FADES_IN))
    found = accounts.copy()
    found[:, WEIGHT] *= weights
    return found


def doubt_of_help(shown: NDArray[np.bool_], rewards: Floats, weights: Floats) -> float:
    """How likely it is that runs with cases end no better than runs without, by their mean rewards alone;
    each mean with one more run at the mean of all. Arrays have shape (runs,).
    """
    usual = float(np.average(rewards, weights=weights)) if len(rewards) else 0.0
    counts = np.asarray([weights[shown].sum(), weights[~shown].sum()]) + 1.0
    sums = np.asarray([(weights * rewards)[shown].sum(), (weights * rewards)[~shown].sum()]) + usual
    gained = float(np.subtract(*(sums / counts)))
    return float(ndtr(-gained / np.sqrt((NOISE / counts).sum())))


@dataclass(frozen=True)
class Kept:
    """The posterior of (shift, slope): mean, shape (2,), and covariance, shape (2, 2)."""

    mean: Floats
    covariance: Floats

    def worth(self, promised: Floats | float, hope: float = 0.0) -> Floats:
        """What is expected of such promises, of the same shape; so many standard deviations more."""
        expected = np.asarray(self.mean[0] + self.mean[1] * promised)
        (shift, both), (_, slope) = self.covariance.tolist()
        variance = shift + (2.0 * both + slope * np.asarray(promised)) * promised
        return np.asarray(expected + hope * np.sqrt(np.maximum(variance, 0.0)))

    def drawn(self, promised: Floats, scale: float, rng: np.random.Generator) -> Floats:
        """The same, each under a draw of shift and slope of so many standard deviations; shape (draws,)."""
        noise = rng.standard_normal((len(promised), 2)) @ np.linalg.cholesky(self.covariance).T
        shift, slope = (self.mean + scale * noise).T
        return np.asarray(shift + slope * promised)


def kept(kind: str, accounts: Floats) -> Kept:
    """What these accounts, shape (slates, 7), teach of a kind of slate."""
    precision = np.diag(1.0 / np.square(_PRIOR_STD[kind]))
    target = precision @ np.asarray(_PRIOR_MEAN[kind])
    known = accounts[(accounts[:, KIND] == KINDS.index(kind)) & np.isfinite(accounts[:, CAME])]
    rows = np.column_stack([np.ones(len(known)), known[:, 1]])
    weighed = rows * (known[:, WEIGHT] / NOISE)[:, None]
    precision = precision + weighed.T @ rows
    covariance = np.linalg.inv(precision)
    return Kept(covariance @ (target + weighed.T @ known[:, CAME]), covariance)


def cost_of_exploring(accounts: Floats, known: Kept, hope: float = 0.0) -> float:
    """What the explored slates cost, in units of reward: how far they fall behind the best of nothing, the
    nearest cases and, where they were paid for, the best known, by what is `known` of exploring now, and so
    many of its standard deviations in favour of it.
    """
    _, promised, _, _, gained, _, forgone = accounts[accounts[:, KIND] == KINDS.index("explored")].T
    return float(np.maximum(0.0, promised - gained + forgone - known.worth(promised, hope)).sum())


def credible_gain(accounts: Floats) -> float:
    """What the slates brought beyond the better of nothing and the nearest cases, in units of reward, less a
    standard deviation of the noise in it, or 0.
    """
    _, promised, came, weights, gained, _, _ = accounts[np.isfinite(accounts[:, CAME])].T
    return max(0.0, float(weights @ (came - promised + gained)) - float(np.sqrt(NOISE * weights.sum())))
