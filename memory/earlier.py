"""What the runs before the window still say, in few numbers.

The model of advantage reads the newest runs one by one (memory/fold.py). Of those before them three things
are kept, or what took a home hundreds of runs to learn would be forgotten with them: how the runs ended that
showed nothing, since all else is measured against these; how the runs ended that showed a case; and how far
the nearest cases kept what was promised of them, which counts for less than that of newer runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from memento.memory.accounts import Accounts, accounts_of
from memento.memory.advantage_terms import NOISE, TASK_PARTS, Trials
from memento.memory.components import COMPONENTS
from memento.memory.runs import Run

EARLIER = 1024
"""So many runs before the window are kept in this way."""
_OWN_VARIANCE = 0.014
"""Of what cases of a bank with misleading ones add, beside what they add on average."""
_OF_PROMISES = 0.5
"""What earlier runs with the nearest cases count for how far these keep what is promised."""


@dataclass(frozen=True)
class Earlier:
    """`records` has, by a case's code, how much better its runs ended than others, as the posterior mean of
    its own effect, in units of reward; `without` is the runs that showed nothing as one trial, None where
    there are none; `nearest` the accounts of those that showed the nearest cases.
    """

    records: Mapping[int, float]
    without: Trials | None
    nearest: Accounts


def earlier_of(runs: Sequence[Run], trials: Trials) -> Earlier:
    """From runs that have a reward, and the same runs as trials."""
    return Earlier(records(trials), _as_one(trials), accounts_of(runs).of_nearest(_OF_PROMISES))


def records(trials: Trials) -> dict[int, float]:
    """By a case's code, Σ a (r − r̄) / (Σ a² + .21/τ²), where r̄ is how runs that showed cases end on average,
    and a the case's share: the posterior mean of an effect N(0, τ²) (Rasmussen and Williams 2006, eq. 2.25).
    """
    shown = trials.sizes > 0
    if not shown.any():
        return {}
    usual = float(np.average(trials.rewards[shown], weights=trials.weights[shown]))
    weights = trials.slot_shares * trials.weights[trials.slot_runs]
    codes, places = np.unique(trials.slots.codes, return_inverse=True)
    surplus = np.bincount(places, weights=weights * (trials.rewards - usual)[trials.slot_runs])
    precision = np.bincount(places, weights=weights * trials.slot_shares) + NOISE / _OWN_VARIANCE
    return dict(zip(codes.tolist(), (surplus / precision).tolist(), strict=True))


def _as_one(trials: Trials) -> Trials | None:
    """The runs that showed nothing as one, of their mean task and reward and of the weight of all."""
    nothing = trials.sizes == 0
    weights = trials.weights[nothing]
    if not weights.sum():
        return None
    return Trials(
        tasks=np.zeros((1, COMPONENTS), np.float32),
        parts=np.average(trials.parts[nothing], axis=0, weights=weights).reshape(1, TASK_PARTS),
        sizes=np.zeros(1, np.int64),
        rewards=np.asarray([np.average(trials.rewards[nothing], weights=weights)]),
        weights=np.asarray([weights.sum()]),
        slots=trials.slots.at([]),
        slot_runs=np.zeros(0, np.int64),
        slot_shares=np.zeros(0),
    )
