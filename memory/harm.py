"""Does a case harm? Bounds on what one case does to success that hold however often they are looked at.

A case is looked at after every one of its outcomes, so an interval for a fixed number of them would sooner or
later condemn any case. A confidence sequence holds at all times at once. This one is the two-sided normal
mixture (Robbins 1970; Howard, Ramdas, McAuliffe and Sekhon 2021, "Time-uniform, nonparametric, nonasymptotic
confidence sequences", eq. 14). For the outcomes i in which the case was *shown*, used or not,

    x_i = r_i − b_i      surplus: the reward less what was expected of that run without this case
    a_i                  weight: the case's share of what was shown, 1/m of m cases
    V   = ¼ Σ a_i²       since r is in [0, 1], a_i x_i has variance proxy a_i²/4
    Σ a_i x_i / Σ a_i  ±  √((V + ρ) log((V + ρ)/(α² ρ))) / Σ a_i

holds for the weighted mean of the surplus' conditional means, whatever these are, at all times together with
probability 1 − α. It asks that a_i and b_i were settled before r_i was known, and that b_i is right on
average: a b too high by 10 points harms every case by as much. Where a case in a slate adds its share
of what it adds alone, harm is found at the same V in slates of any size m: after m² times as many outcomes.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from memento.memory.errors import UsageError

Floats = NDArray[np.float64]
Vectors = NDArray[np.floating]

ALPHA = 0.02
"""Both bounds together fail with at most this probability, ever. The upper one alone, which condemns, with at
most α/(2Φ(√(2 log 1/α))), 1.003 %: where it fails, the mixture over negative effects alone is that great."""
RHO = 0.66
"""The mixture's scale, in units of V: that with the narrowest bounds after 27 outcomes of a case shown alone,
V = 27/4 (Howard et al., section 3.5: V/ρ + 1 = −W₋₁(−α²/e)), when a cost of 30 points begins to show."""
VARIANCE = 0.25
"""The variance proxy of a reward in [0, 1] (Hoeffding)."""

WIDTH = 0.25
"""Of the region's kernel, in cosine: the one that the model of the advantage has for tasks."""
PSEUDO_COUNT = 3.0
"""So many outcomes of no effect are added to a region's own."""
EVIDENCE = 4.0
"""The least weight of outcomes near a task that makes a region."""
MARGIN = 0.05
"""What the case must add there, shrunk, in units of reward. A case that costs 30 points everywhere passes for
helpful in 3 to 6 % of regions of 4 or 5 outcomes, and in under 1 % of regions of 10."""


@dataclass(frozen=True)
class Sums:
    """All that the bounds need to know of a case's outcomes: `weight` Σ a, `square` Σ a², `total` Σ a x.

    Added one by one or all at once, in any order and with any taken back, the sums are the same but for
    rounding (about 1e-13); to the last digit in the same order only.
    """

    weight: float = 0.0
    square: float = 0.0
    total: float = 0.0

    @classmethod
    def of(cls, surplus: Floats, weights: Floats) -> Self:
        """The sums of outcomes, both of shape (outcomes,).

        Raises:
            UsageError: a surplus is not from -1 to 1, or a weight not above 0 and at most 1.
        """
        x, a = _checked(surplus, weights)
        return cls(float(a.sum()), float(a @ a), float(a @ x))

    def add(self, surplus: float, weight: float = 1.0) -> Self:
        """With one more outcome.

        Raises:
            UsageError: as in `of`.
        """
        one = self.of(np.asarray([surplus]), np.asarray([weight]))
        return type(self)(self.weight + one.weight, self.square + one.square, self.total + one.total)

    def remove(self, surplus: float, weight: float = 1.0) -> Self:
        """Without one that was added, so that a corrected reward may take its place.

        Raises:
            UsageError: as in `of`, or it weighs more than all there is.
        """
        one = self.of(np.asarray([surplus]), np.asarray([weight]))
        left, square = self.weight - one.weight, self.square - one.square
        if min(left, square) < -_ROUNDING * max(1.0, self.weight):
            raise UsageError("there is no such outcome to take back: remove only what was added")
        if left <= _ROUNDING * self.weight:
            return type(self)()
        return type(self)(left, max(square, 0.0), self.total - one.total)

    def bounds(self, alpha: float = ALPHA) -> tuple[float, float]:
        """Lower and upper bound of the case's mean effect, in units of reward; -1 and 1 before any outcome.

        Raises:
            UsageError: alpha is not between 0 and 1.
        """
        off = float(radius(np.asarray(self.square), alpha))
        if self.weight <= 0:
            return -1.0, 1.0
        return max((self.total - off) / self.weight, -1.0), min((self.total + off) / self.weight, 1.0)


def radius(square: Floats, alpha: float = ALPHA) -> Floats:
    """How far Σ a (x − its mean) may ever be from 0, for each Σ a² in an array of any shape (eq. 14).

    Raises:
        UsageError: alpha is not between 0 and 1.
    """
    if not 0 < alpha < 1:
        raise UsageError(f"alpha is a probability between 0 and 1, not {alpha!r}")
    spread = VARIANCE * square + RHO
    return np.asarray(np.sqrt(spread * np.log(spread / (alpha**2 * RHO))))


def bounds(surplus: Floats, weights: Floats, alpha: float = ALPHA) -> tuple[float, float]:
    """Lower and upper bound, valid at any time, of the mean of `surplus` weighted by `weights`, both of
    shape (outcomes,).

    Raises:
        UsageError: a surplus is not from -1 to 1, a weight not above 0 and at most 1, or alpha not between 0
            and 1.
    """
    return Sums.of(surplus, weights).bounds(alpha)


def region(
    task: Vectors, states: Vectors, surplus: Floats, weights: Floats, width: float = WIDTH
) -> tuple[float, float]:
    """What the case does near a task, and the weight of the outcomes that say so.

    The region of a task is soft: an outcome belongs to it by k_i = exp((cos(task, state_i) − 1)/width), 1 at
    the task itself, 1/e at a cosine of 1 − width. What the case does there is the mean of its surplus, shrunk
    to 0: Σ k a x / (Σ k a + PSEUDO_COUNT); the evidence is Σ k a.

    `task` is a unit vector of shape (d,), `states` those of the outcomes' tasks, shape (outcomes, d).

    Raises:
        UsageError: the shapes do not fit, or as in `bounds`.
    """
    x, a = _checked(surplus, weights)
    place, places = np.asarray(task, dtype=np.float64), np.asarray(states)
    if place.ndim != 1 or places.shape != (len(x), len(place)):
        raise UsageError(f"give one state an outcome as long as the task, not {places.shape}")
    if not width > 0:
        raise UsageError(f"a region's width is a positive number, not {width!r}")
    near = np.exp((np.asarray(places @ place.astype(places.dtype), dtype=np.float64) - 1.0) / width) * a
    evidence = float(near.sum())
    return float(near @ x) / (evidence + PSEUDO_COUNT), evidence


def helps_near(
    task: Vectors, states: Vectors, surplus: Floats, weights: Floats, width: float = WIDTH
) -> bool:
    """Whether the task is in a region where the case helps: its shrunk mean near the task (`region`) is above
    MARGIN, on evidence of at least EVIDENCE: four outcomes of the case alone on this very task, sixteen in
    slates of four. That is a lenient reading and no bound: where it spares a case wrongly, what is shown from
    then on corrects it.

    Raises:
        UsageError: as in `region`.
    """
    effect, evidence = region(task, states, surplus, weights, width)
    return evidence >= EVIDENCE and effect > MARGIN


def is_harmful(
    task: Vectors,
    states: Vectors,
    surplus: Floats,
    weights: Floats,
    alpha: float = ALPHA,
    width: float = WIDTH,
) -> bool:
    """Whether to withhold the case from a task: its mean effect is below 0 beyond doubt (the upper bound is),
    and it does not help near the task.

    Raises:
        UsageError: as in `bounds` and `region`.
    """
    harmful = bounds(surplus, weights, alpha)[1] < 0
    return harmful and not helps_near(task, states, surplus, weights, width)


_ROUNDING = 1e-9


def _checked(surplus: Floats, weights: Floats) -> tuple[Floats, Floats]:
    x, a = np.asarray(surplus, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    if x.ndim != 1 or x.shape != a.shape:
        raise UsageError(f"give one surplus and one weight an outcome, not {x.shape} and {a.shape}")
    if not (np.abs(x) <= 1).all():
        raise UsageError("a surplus is a reward less an expected one, from -1 to 1: keep both in [0, 1]")
    if not ((a > 0) & (a <= 1)).all():
        raise UsageError("a weight is a share of what was shown: above 0 and at most 1")
    return x, a
