"""What the ledger's newest runs teach: a fold over them in run order.

What is learned is a function of the ledger and of the number of the run that asks, however and whenever the
rewards arrived. The runs are taken in blocks: all up to the last multiple of 64 at once, those since then one
after another, so that the same runs give the same figures to the last bit.
"""

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memento.memory.advantage import Posterior
from memento.memory.advantage_fit import fitted
from memento.memory.advantage_terms import Hyper
from memento.memory.credit import citations_follow_success
from memento.memory.earlier import EARLIER, Earlier, earlier_of
from memento.memory.hubs import hubs_among
from memento.memory.ledger import Ledger
from memento.memory.promises import (
    KINDS,
    Kept,
    cost_of_exploring,
    credible_gain,
    doubt_of_help,
    faded,
    kept,
    table,
)
from memento.memory.runs import Run, code, read_runs
from memento.memory.trials import NO_MARKS, Marks, trials_of

Floats = NDArray[np.float64]

WINDOW = 512
"""How many of the newest runs are remembered by the model: what helped long ago may help no more, and the
cost of a choice stays what it is."""
_BLOCK = 64
_EARLY = (8, 16, 24, 32, 48)
_FITTED_AT = (8, 16, 32, 48, 64, 96, 128, 192, 256, 384, 512)
_FITTED_EVERY = 256
_FITTED_ON = 448


@dataclass(frozen=True)
class State:
    """All that was learned before run `number` from those after run `start`. `kept` says how far each kind of
    slate kept what was promised; `spent` what exploring cost, and `gained` what the shown slates brought
    beyond the better of nothing and the nearest cases, as far as that is beyond chance; `doubt` how likely
    it is that cases do not help; `marks` is what is known of each case besides.
    """

    number: int
    start: int
    posterior: Posterior
    outcomes: int
    kept: dict[str, Kept]
    spent: float
    gained: float
    doubt: float
    names: dict[int, str]
    marks: Marks


class _Block(NamedTuple):
    """The runs that are taken at once: which they are, how many of them are in the window, what they teach,
    whether citations are doubted, what is known of each case besides, and what is left of the runs before.
    """

    signature: tuple[int, ...]
    settled: int
    posterior: Posterior
    guarded: bool
    marks: Marks
    earlier: Earlier


class Fold:
    """The state of one namespace at any next run. It keeps what it read; `at` brings it up to date."""

    def __init__(self, ledger: Ledger, namespace: str) -> None:
        self._ledger = ledger
        self._namespace = namespace
        self._lock = threading.Lock()
        self._purges = 0
        self._forget()

    def _forget(self) -> None:
        self._rows: dict[tuple[int, str], Run] = {}
        self._names: dict[int, str] = {}
        self._revision = self._newest = 0
        self._since: int | None = None
        self._block: _Block | None = None
        self._last: tuple[tuple[int, ...], Posterior] | None = None
        self._state: tuple[tuple[int, ...], State] | None = None

    def at(self, number: int) -> State:
        """What the runs before this one teach."""
        with self._lock:
            start, block = window(number)
            self._refresh(max(0, start - EARLIER))
            signature = (start, block, self._revision, min(number - 1, self._newest))
            if self._state is None or self._state[0] != signature:
                self._state = signature, self._learned(number, start, block)
            return replace(self._state[1], number=number)

    def _learned(self, number: int, start: int, block: int) -> State:
        rows = [self._rows[key] for key in sorted(self._rows) if key[0] < number]
        taught = [row for row in rows if row.reward is not None]
        first = sum(row.number <= start for row in taught)
        base = self._settled(
            taught[:first], [row for row in taught[first:] if row.number <= block], (start, block)
        )
        posterior = self._posterior(taught[first:], base)
        trials = posterior.trials
        accounts = _accounts([row for row in rows if row.number > start], posterior)
        promises = np.vstack([base.earlier.accounts(posterior), faded(accounts, block)])
        known = {kind: kept(kind, promises) for kind in KINDS}
        doubt = doubt_of_help(trials.sizes > 0, trials.rewards, trials.weights)
        return State(
            number=number,
            start=start,
            posterior=posterior,
            outcomes=len(taught),
            kept=known,
            spent=cost_of_exploring(accounts, known["explored"], 1.0 - doubt),
            gained=credible_gain(accounts),
            doubt=doubt,
            names=self._names,
            marks=base.marks,
        )

    def _refresh(self, since: int) -> None:
        purges = self._ledger.purges()
        if purges != self._purges:
            self._forget()
            self._purges = purges
        if self._since is None or since < self._since:
            self._rows, self._revision, self._since = {}, 0, since
        for row in read_runs(self._ledger, self._namespace, self._since, self._revision):
            self._revision = max(self._revision, row.revision)
            self._newest = max(self._newest, row.number)
            self._rows[row.number, row.run_id] = row
            self._names.update((code(slot.case_id), slot.case_id) for slot in row.slots)
        if since > self._since:
            self._since = since
            self._rows = {key: row for key, row in self._rows.items() if key[0] > since}

    def _posterior(self, taught: list[Run], base: _Block) -> Posterior:
        signature = (*base.signature[:2], *(row.revision for row in taught))
        if self._last is not None and self._last[0] == signature:
            return self._last[1]
        posterior, done = base.posterior, base.settled
        if self._last is not None and self._last[0] == signature[: len(self._last[0])]:
            posterior, done = self._last[1], len(self._last[0]) - 2
        for row in taught[done:]:
            posterior = posterior.followed_by(trials_of([row], base.marks, guarded=base.guarded))
        self._last = signature, posterior
        return posterior

    def _settled(self, before: list[Run], settled: list[Run], place: tuple[int, int]) -> _Block:
        signature = (*place, *(row.revision for row in (*before, *settled)))
        if self._block is None or self._block.signature != signature:
            guarded = citations_follow_success(
                (row.use_is, row.reward, [slot.used for slot in row.slots]) for row in settled
            )
            earlier = earlier_of(before, trials_of(before, NO_MARKS, guarded=guarded))
            marks = Marks(hubs_among(row.nearest for row in settled), earlier.records)
            fitting = [row for row in settled if row.number <= fitted_at(place[1])][-_FITTED_ON:]
            hyper = fitted(trials_of(fitting, marks, guarded=guarded)) if fitting else Hyper()
            trials = trials_of(settled, marks, guarded=guarded)
            if earlier.without is not None:
                trials = earlier.without.followed_by(trials)
            self._block = _Block(signature, len(settled), Posterior(trials, hyper), guarded, marks, earlier)
            self._last = None
        return self._block


def _accounts(rows: Sequence[Run], posterior: Posterior) -> Floats:
    """Of the shown slates among the window's runs, those with a reward being the posterior's last trials."""
    taught = [row.run_id for row in rows if row.reward is not None]
    newest = posterior.baselines()[len(posterior.trials) - len(taught) :].tolist()
    without = dict(zip(taught, newest, strict=True))
    shown = [row for row in rows if row.account is not None]
    return table(
        (row.account for row in shown if row.account), (without.get(row.run_id, math.nan) for row in shown)
    )


def window(number: int) -> tuple[int, int]:
    """The run after which the window of this run begins, and the run up to which it is taken at once."""
    before = number - 1
    block = before // _BLOCK * _BLOCK
    if before < _BLOCK:
        block = max((early for early in _EARLY if early <= before), default=0)
    return max(0, block - WINDOW), block


def fitted_at(block: int) -> int:
    """The run up to which the hyperparameters are fitted."""
    if block >= _FITTED_AT[-1]:
        return block // _FITTED_EVERY * _FITTED_EVERY
    return max((at for at in _FITTED_AT if at <= block), default=0)
