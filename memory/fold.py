"""What the ledger's newest runs teach: a fold over them in run order.

What is learned is a function of the ledger and of the number of the run that asks, however and whenever the
rewards arrived. The runs are taken in blocks: all up to the last multiple of 64 at once, those since then one
after another, so that the same runs give the same figures to the last bit.
"""

import threading
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from memento.memory.accounts import accounts_of
from memento.memory.advantage import Posterior
from memento.memory.advantage_fit import fitted
from memento.memory.advantage_terms import Hyper
from memento.memory.block import Known, known_of
from memento.memory.earlier import EARLIER
from memento.memory.ledger import Ledger
from memento.memory.promises import (
    KINDS,
    Kept,
    cost_of_exploring,
    credible_gain,
    doubt_of_help,
    faded,
    kept,
)
from memento.memory.runs import Run, code, read_runs
from memento.memory.trials import Marks

WINDOW = 1024
"""How many of the newest runs are remembered by the model: what helped long ago may help no more, and the
cost of a choice stays what it is."""
_BLOCK = 64
_EARLY = (8, 16, 24, 32, 48)
_FITTED_AT = (8, 16, 32, 48, 64, 96, 128, 192, 256, 384, 512)
_FITTED_EVERY = 256


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
    """The runs that are taken at once: up to which they are, what is known of them, and what they teach."""

    end: int
    known: Known
    posterior: Posterior


class _Fit(NamedTuple):
    """The hyperparameters, by what was known at a run number."""

    known_at: int
    hyper: Hyper


class _Grown(NamedTuple):
    """A block's posterior after some runs more, by their revisions."""

    block: _Block
    revisions: tuple[int, ...]
    posterior: Posterior


class Fold:
    """The state of one namespace at any next run. It keeps what it read; `at` brings it up to date."""

    def __init__(self, ledger: Ledger, namespace: str) -> None:
        self._ledger = ledger
        self._namespace = namespace
        self._lock = threading.Lock()
        self._purges = 0
        self._forget()

    def _forget(self) -> None:
        self._rows: dict[int, dict[str, Run]] = {}
        self._names: dict[int, str] = {}
        self._revision = self._newest = 0
        self._since: int | None = None
        self._fit: _Fit | None = None
        self._block: _Block | None = None
        self._grown: _Grown | None = None
        self._state: tuple[tuple[int, ...], State] | None = None

    def at(self, number: int) -> State:
        """What the runs before this one teach."""
        with self._lock:
            end = block_end(number)
            self._refresh(max(0, window_start(end) - EARLIER - _FITTED_EVERY))
            signature = (end, self._revision, min(number - 1, self._newest))
            if self._state is None or self._state[0] != signature:
                self._state = signature, self._learned(number, self._settled(end))
            return replace(self._state[1], number=number)

    def _learned(self, number: int, block: _Block) -> State:
        newest, known = self._between(block.end, number), block.known
        taught = [row for row in newest if row.reward is not None]
        posterior = self._posterior(taught, block)
        trials = posterior.trials
        accounts = np.vstack([some.beyond(posterior) for some in (known.accounts, accounts_of(newest))])
        promises = np.vstack([known.earlier.nearest.beyond(posterior), faded(accounts, block.end)])
        keeps = {kind: kept(kind, promises) for kind in KINDS}
        doubt = doubt_of_help(trials.sizes > 0, trials.rewards, trials.weights)
        return State(
            number=number,
            start=window_start(block.end),
            posterior=posterior,
            outcomes=known.before + len(known.taught) + len(taught),
            kept=keeps,
            spent=cost_of_exploring(accounts, keeps["explored"], 1.0 - doubt),
            gained=credible_gain(accounts),
            doubt=doubt,
            names=self._names,
            marks=known.marks,
        )

    def _between(self, after: int, before: int) -> list[Run]:
        """The runs with such numbers, in run order."""
        found = (self._rows.get(number, {}) for number in range(after + 1, before))
        return [rows[run_id] for rows in found for run_id in sorted(rows)]

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
            self._rows.setdefault(row.number, {})[row.run_id] = row
            self._names.update((code(slot.case_id), slot.case_id) for slot in row.slots)
            if self._block is not None and row.number <= self._block.end:
                self._block = None
            if self._fit is not None and row.number <= self._fit.known_at:
                self._fit = None
        if since > self._since:
            self._since = since
            self._rows = {number: rows for number, rows in self._rows.items() if number > since}

    def _posterior(self, taught: list[Run], block: _Block) -> Posterior:
        revisions = tuple(row.revision for row in taught)
        posterior, done = block.posterior, 0
        last = self._grown
        if last is not None and last.block is block and last.revisions == revisions[: len(last.revisions)]:
            posterior, done = last.posterior, len(last.revisions)
        for row in taught[done:]:
            posterior = posterior.followed_by(block.known.trials([row]))
        self._grown = _Grown(block, revisions, posterior)
        return posterior

    def _settled(self, end: int) -> _Block:
        if self._block is None or self._block.end != end:
            known = self._known(end)
            posterior = Posterior(known.all_trials(), self._fitted(end, known))
            self._block = _Block(end, known, posterior)
        return self._block

    def _fitted(self, end: int, known: Known) -> Hyper:
        """The hyperparameters of a block up to run `end`. While runs are few they are found again in each, by
        what it knows of hubs.
        """
        at = fitted_at(end)
        known_at = end if end <= _FITTED_AT[-1] else at
        if self._fit is None or self._fit.known_at != known_at:
            then = known if known_at == end else self._known(known_at)
            trials = then.trials([row for row in then.taught if row.number <= at])
            self._fit = _Fit(known_at, fitted(trials))
        return self._fit.hyper

    def _known(self, end: int) -> Known:
        start = window_start(end)
        return known_of(self._between(max(0, start - EARLIER), start + 1), self._between(start, end + 1))


def block_end(number: int) -> int:
    """The run up to which the runs before this one are taken at once."""
    before = number - 1
    if before < _BLOCK:
        return max((early for early in _EARLY if early <= before), default=0)
    return before // _BLOCK * _BLOCK


def window_start(end: int) -> int:
    """The run after which the window begins, of a block up to run `end`."""
    return max(0, end - WINDOW)


def fitted_at(block: int) -> int:
    """The run up to which the hyperparameters are fitted."""
    if block >= _FITTED_AT[-1]:
        return block // _FITTED_EVERY * _FITTED_EVERY
    return max((at for at in _FITTED_AT if at <= block), default=0)
