"""Does memory help? What showing cases does to success, from logged runs.

Four answers, from the one that assumes least to the one that assumes most:

- floor: runs in which the floor withheld the cases, against the others. Randomised, few.
- SNIPS: all runs without cases, each counted 1/P, P its probability of having none (Swaminathan and Joachims
  2015, "The self-normalized estimator for counterfactual learning").
- doubly robust: the same, on what a model of the reward without cases left unexplained (Dudík, Langford and
  Li 2011, "Doubly robust policy evaluation and learning"): right where either P or the model is.
- model: what a model says that the shown cases added in the newest runs. No better than the model.

All but the last hold for what was decided (to show or not), never for cases that were used.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from memento.memory.errors import UsageError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
EffectName = Literal["floor", "SNIPS", "doubly robust", "model"]

LEAST = 20.0
"""The fewest runs, effectively, on either side of a comparison: with fewer a normal interval is no guide."""
WIDEST = 25.0
"""The greatest half-width, in points, that is still an answer: a good case lifts success by about 30 points,
and a wider interval tells that from no effect in hardly any log."""

_Z = 1.959963984540054
_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class Runs:
    """Logged runs that have a reward; arrays have shape (runs,), in run order.

    `reward` is in [0, 1]; `showed` whether cases were shown; `floored` whether the floor withheld them.
    `floor` is the probability of that, 0 or 1 where nothing was drawn, and `chance` the probability before
    the draw of showing nothing, over all arms: floor + (1 − floor) · P(the learned arm shows nothing), in
    (0, 1]. Where it was 0 nothing is known of doing without: leave such runs out. `weight` is how much a
    run counts, 1 where it is not given.

    `baseline` is, where there is a model, the reward that it expected without cases before the run was seen.

    Raises:
        UsageError: arrays of different lengths, or a value out of range.
    """

    reward: Floats
    showed: Bools
    chance: Floats
    floor: Floats
    floored: Bools
    weight: Floats | None = None
    baseline: Floats | None = None

    def __post_init__(self) -> None:
        size = np.shape(self.reward)
        for name in ("showed", "floored"):
            values = np.asarray(getattr(self, name))
            _require(values.shape == size and values.dtype == np.bool_, f"{name} holds one truth value a run")
            object.__setattr__(self, name, values)
        for name in ("reward", "chance", "floor", "weight", "baseline"):
            if getattr(self, name) is not None:
                values = np.asarray(getattr(self, name), dtype=np.float64)
                correct = len(size) == 1 and values.shape == size and bool(np.isfinite(values).all())
                _require(correct, f"{name} holds one finite number a run")
                object.__setattr__(self, name, values)
        self._check_ranges()

    def _check_ranges(self) -> None:
        _require(_within(self.reward), "a reward is a number from 0 to 1: leave out runs that have none yet")
        _require(_within(self.floor), "the floor's probability is a number from 0 to 1")
        possible = _within(self.chance) and bool((self.chance > 0).all())
        _require(possible, "the chance of showing nothing is above 0: leave out runs that had to show cases")
        consistent = bool((self.chance >= self.floor - _ROUNDING).all())
        _require(consistent, "the chance of showing nothing is at least the floor's: add it over all arms")
        _require(not (self.floored & self.showed).any(), "a run on the floor shows no cases: check `floored`")
        drawn = not (self.floored & (self.floor == 0)).any()
        _require(drawn, "a run on the floor needs the floor's probability: check `floor`")
        _require(self.weight is None or bool((self.weight > 0).all()), "a run's weight is a positive number")


class Modelled(NamedTuple):
    """What a model says that the shown cases added, the mean over some runs that showed any, and its standard
    deviation, in units of reward; and the effective number of these runs.
    """

    added: float
    std: float
    effective: float


@dataclass(frozen=True, kw_only=True)
class Effect:
    """The effect of memory on success, in points (100 is from certain failure to certain success).

    `points` is the estimate, `low` and `high` its 95 % interval, `effective` the effective number of runs
    without cases (for the model, of runs with them). Where too little is `known`, `why` says so in words, and
    the interval is all that an effect can be.
    """

    name: EffectName
    effective: float
    points: float = 0.0
    low: float = -100.0
    high: float = 100.0
    known: bool = False
    why: str = ""


def effects(runs: Runs, modelled: Modelled | None = None) -> list[Effect]:
    """Every estimate that the runs allow: floor, SNIPS, and those of the models that are given.

    They are not of quite the same thing: SNIPS and doubly robust of the policy as it ran, its floor among it;
    floor of what the policy did off the floor (greater by 3 in 100); model of the runs that showed cases.
    """
    found = [floor_effect(runs), snips_effect(runs)]
    if runs.baseline is not None:
        found.append(doubly_robust_effect(runs))
    if modelled is not None:
        found.append(model_effect(modelled))
    return found


def describe(effect: Effect) -> str:
    """One line to read."""
    if not effect.known:
        return f"{effect.name}: not known yet ({effect.why})"
    where = "where cases are shown, " if effect.name == "model" else ""
    size = size_in_words(effect.name, effect.effective)
    return (
        f"{effect.name}: {where}memory is worth {effect.points:+.1f} points of success "
        f"(95 % interval {effect.low:+.1f} to {effect.high:+.1f}; {size})"
    )


def size_in_words(name: str, effective: float) -> str:
    """How many runs an estimate of that name rests on."""
    if name == "model":
        return f"the newest {effective:.0f} runs with cases"
    return f"{effective:.0f} effective runs without cases"


def floor_effect(runs: Runs) -> Effect:
    """Mean reward off the floor less that on it, over the runs for which the floor was drawn.

    The interval is Newcombe's (1998, method 10), from the Wilson intervals of both means. Made for shares of
    successes, it is no narrower than needed for rewards in [0, 1], and needs no variation on the floor.
    """
    drawn = (runs.floor > 0) & (runs.floor < 1)
    on, off = drawn & runs.floored, drawn & ~runs.floored
    weight = _weights(runs)
    without, others = weight[on] / runs.floor[on], weight[off] / (1.0 - runs.floor[off])
    size = effective_number(without)
    few = min(size, effective_number(others))
    if few < LEAST:
        return Effect(name="floor", effective=size, why=_too_few(few, "on one side of the floor"))
    if _same(runs.reward[drawn]):
        return Effect(name="floor", effective=size, why=_ALIKE)
    a, b = _mean(runs.reward[off], others), _mean(runs.reward[on], without)
    (a_low, a_high), (b_low, b_high) = _wilson(a, effective_number(others)), _wilson(b, size)
    low = a - b - np.hypot(a - a_low, b_high - b)
    high = a - b + np.hypot(a_high - a, b - b_low)
    return _effect("floor", a - b, (low, high), size)


def snips_effect(runs: Runs) -> Effect:
    """V(policy) − V(none), with V(policy) = mean r and V(none) = Σ r 1[empty]/P / Σ 1[empty]/P.

    The interval is of the difference: the squares of r_i − V(policy) − (1[empty]/P)_i (r_i − V(none)) / mean
    of 1[empty]/P, the linear part of both terms together (Owen 2013, "Monte Carlo theory", section 9.2).
    """
    weight, inverse = _weights(runs), _inverse(runs)
    size = effective_number(inverse)
    why = _too_little(runs)
    if why:
        return Effect(name="SNIPS", effective=size, why=why)
    policy, none = _mean(runs.reward, weight), _mean(runs.reward, inverse)
    influence = weight * (runs.reward - policy) / weight.sum()
    influence -= inverse * (runs.reward - none) / inverse.sum()
    return _effect("SNIPS", policy - none, _interval(policy - none, influence, runs), size)


def doubly_robust_effect(runs: Runs) -> Effect:
    """Mean r − mean (b + 1[empty]/P (r − b)), which is the mean of (r − b)(1 − 1[empty]/P).

    The interval is that of this mean, since each term is its own influence.

    Raises:
        UsageError: the runs have no baseline.
    """
    if runs.baseline is None:
        raise UsageError("a doubly robust estimate needs `baseline`: give the reward expected without cases")
    weight = _weights(runs)
    size = effective_number(_inverse(runs))
    why = _too_little(runs)
    if why:
        return Effect(name="doubly robust", effective=size, why=why)
    terms = (runs.reward - runs.baseline) * (1.0 - ~runs.showed / runs.chance)
    value = _mean(terms, weight)
    influence = weight * (terms - value) / weight.sum()
    return _effect("doubly robust", value, _interval(value, influence, runs), size)


def model_effect(modelled: Modelled) -> Effect:
    """What the model says, ± 1.96 of its standard deviation."""
    value, std, size = modelled
    if size < LEAST:
        return Effect(name="model", effective=size, why=_too_few(size, "with cases"))
    return _effect("model", value, (value - _Z * std, value + _Z * std), size)


_ALIKE = "all rewards are the same"
_ALIKE_WITHOUT = "all rewards without cases are the same"


def _effect(name: EffectName, value: float, interval: tuple[float, float], size: float) -> Effect:
    """In points, where the interval is narrow enough to be an answer."""
    points, low, high = (float(np.clip(100.0 * part, -100.0, 100.0)) for part in (value, *interval))
    half = 50.0 * (interval[1] - interval[0])
    if half > WIDEST:
        why = f"the interval is ±{half:.0f} points, more than {WIDEST:.0f}"
        return Effect(name=name, effective=size, why=why)
    return Effect(name=name, effective=size, points=points, low=low, high=high, known=True)


def _too_little(runs: Runs) -> str:
    """Why the runs without cases cannot stand for doing without; "" where they can.

    The runs that count are those in which cases could have been shown. A run that was nearly certain to have
    none is worth no more than its odds, (1 − P)/P: else many of those would hide that hardly any run shows
    how the others do without. Rewards that are all the same have no spread to judge an error by.
    """
    if not runs.showed.any():
        return "no cases were shown"
    few = effective_number(_odds(runs))
    if few < LEAST:
        return _too_few(few, "without cases where cases were likely")
    return _ALIKE_WITHOUT if _same(runs.reward[~runs.showed]) else ""


def _too_few(size: float, where: str) -> str:
    return f"{size:.1f} effective runs {where}, fewer than {LEAST:.0f}"


def _interval(value: float, influence: Floats, runs: Runs) -> tuple[float, float]:
    """`value` ± Student's t times the root of the summed squares: the runs that matter may be few."""
    size = effective_number(_odds(runs))
    half = _student(size - 1.0) * float(np.sqrt(influence @ influence * size / (size - 1.0)))
    return value - half, value + half


def _student(freedom: float) -> float:
    """The .975 quantile of Student's t, to .001 from 10 degrees on (Abramowitz and Stegun, 26.7.5)."""
    z = _Z
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return float(z + first / freedom + second / freedom**2)


def _wilson(mean: float, size: float) -> tuple[float, float]:
    """Wilson's 95 % interval for a share of `size` observations (1927)."""
    shrink = 1.0 + _Z**2 / size
    centre = (mean + _Z**2 / (2 * size)) / shrink
    half = _Z / shrink * float(np.sqrt(max(mean * (1 - mean), 0.0) / size + _Z**2 / (4 * size**2)))
    return min(centre - half, mean), max(centre + half, mean)


def _weights(runs: Runs) -> Floats:
    """Scaled to a maximum of 1, which changes no estimate."""
    if runs.weight is None or not runs.weight.size:
        return np.ones(len(runs.reward))
    return np.asarray(runs.weight / runs.weight.max())


def _inverse(runs: Runs) -> Floats:
    """1[empty]/P, times the run's weight."""
    return np.asarray(_weights(runs) * ~runs.showed / runs.chance)


def _odds(runs: Runs) -> Floats:
    """1[empty] (1 − P)/P, times the run's weight."""
    return np.asarray(_inverse(runs) * (1.0 - runs.chance))


def effective_number(weights: Floats) -> float:
    """(Σ w)² / Σ w² (Kish 1965): how many equal runs say as much."""
    squares = float(weights @ weights)
    return float(weights.sum()) ** 2 / squares if squares > 0 else 0.0


def _mean(values: Floats, weights: Floats) -> float:
    return float(values @ weights / weights.sum())


def _same(values: Floats) -> bool:
    return bool(np.ptp(values) <= _ROUNDING)


def _within(values: Floats) -> bool:
    return bool(((values >= 0) & (values <= 1)).all())


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise UsageError(message)
