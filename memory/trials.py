"""The ledger's newest runs as trials of the model of advantage: a fold over them in run order.

What is learned is a function of the ledger and of the number of the run that asks, however and whenever the
rewards arrived. The runs are taken in blocks: all up to the last multiple of 64 at once, those since then one
after another, so that the same runs give the same figures to the last bit.
"""

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import bindparam, select

from memento.memory import credit
from memento.memory.advantage import FEATURES, TASK_PARTS, Cases, Hyper, Posterior, Trials, fitted
from memento.memory.components import COMPONENTS, components, directions
from memento.memory.database import among
from memento.memory.hubs import NEAREST, Hubs, hubs_among
from memento.memory.ledger import Ledger
from memento.memory.promises import (
    KINDS,
    Account,
    Kept,
    cost_of_exploring,
    credible_gain,
    doubt_of_help,
    kept,
    table,
)
from memento.memory.rewards import counting_rewards
from memento.memory.schema import retrievals, runs

Vector = NDArray[np.float32]
Floats = NDArray[np.float64]

WINDOW = 512
"""How many of the newest runs are remembered by the model: what helped long ago may help no more, and the
cost of a choice stays what it is."""
_BLOCK = 64
_EARLY = (8, 16, 24, 32, 48)
_FITTED_AT = (8, 16, 32, 48, 64, 96, 128, 192, 256, 384, 512)
_FITTED_EVERY = 256
_FITTED_ON = 448
_GUARD_FROM = 2.0, 4.0
_GUARD_RATIO = 1.5


@dataclass(frozen=True)
class Slot:
    """One shown case, as it was when it was shown."""

    case_id: str
    similarity: float
    used: bool | None
    direction: bytes | None
    did: str
    doubt: float | None


@dataclass(frozen=True)
class Run:
    """What the fold reads of one run."""

    number: int
    run_id: str
    revision: int
    vector: Vector
    usual: float
    use_is: str | None
    slots: tuple[Slot, ...]
    reward: float | None
    weight: float
    account: Account | None
    nearest: tuple[int, ...]


@dataclass(frozen=True)
class State:
    """All that was learned before run `number` from those after run `start`. `kept` says how far each kind of
    slate kept what was promised; `spent` what exploring cost, and `gained` what the shown slates brought
    beyond the better of nothing and the nearest cases, as far as that is beyond chance; `doubt` how likely
    it is that cases do not help; `hubs` how often each case was among the nearest.
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
    hubs: Hubs


class _Block(NamedTuple):
    """The runs that are taken at once: which they are, what they teach, whether citations are doubted, and
    the hubs among their tasks' cases.
    """

    signature: tuple[int, ...]
    posterior: Posterior
    guarded: bool
    hubs: Hubs


class Fold:
    """The state of one namespace at any next run. It keeps what it read; `at` brings it up to date."""

    def __init__(self, ledger: Ledger, namespace: str) -> None:
        self._ledger = ledger
        self._namespace = namespace
        self._rows: dict[tuple[int, str], Run] = {}
        self._names: dict[int, str] = {}
        self._revision = 0
        self._since: int | None = None
        self._block: _Block | None = None
        self._last: tuple[tuple[int, ...], Posterior] | None = None
        self._state: tuple[tuple[int, ...], State] | None = None
        self._lock = threading.Lock()

    def at(self, number: int) -> State:
        """What the runs before this one teach."""
        with self._lock:
            start, block = window(number)
            self._refresh(start)
            rows = [self._rows[key] for key in sorted(self._rows) if start < key[0] < number]
            signature = (start, block, self._revision, len(rows))
            if self._state is None or self._state[0] != signature:
                self._state = signature, self._learned(rows, number, start, block)
            return replace(self._state[1], number=number)

    def _learned(self, rows: list[Run], number: int, start: int, block: int) -> State:
        taught = [row for row in rows if row.reward is not None]
        base = self._settled([row for row in taught if row.number <= block], start, block)
        posterior = self._posterior(taught, base)
        trials = posterior.trials
        accounts = _accounts(rows, posterior)
        known = {kind: kept(kind, accounts) for kind in KINDS}
        return State(
            number=number,
            start=start,
            posterior=posterior,
            outcomes=len(taught),
            kept=known,
            spent=cost_of_exploring(accounts, known["explored"]),
            gained=credible_gain(accounts),
            doubt=doubt_of_help(trials.sizes > 0, trials.rewards, trials.weights),
            names=self._names,
            hubs=base.hubs,
        )

    def _refresh(self, start: int) -> None:
        if self._since is None or start < self._since:
            self._rows, self._revision, self._since = {}, 0, start
        for row in read_runs(self._ledger, self._namespace, self._since, self._revision):
            self._revision = max(self._revision, row.revision)
            self._rows[row.number, row.run_id] = row
            self._names.update((code(slot.case_id), slot.case_id) for slot in row.slots)
        if start > self._since:
            self._since = start
            self._rows = {key: row for key, row in self._rows.items() if key[0] > start}

    def _posterior(self, taught: list[Run], base: _Block) -> Posterior:
        signature = (*base.signature[:2], *(row.revision for row in taught))
        if self._last is not None and self._last[0] == signature:
            return self._last[1]
        posterior, done = base.posterior, len(base.posterior.trials)
        if self._last is not None and self._last[0] == signature[: len(self._last[0])]:
            posterior, done = self._last[1], len(self._last[0]) - 2
        for row in taught[done:]:
            posterior = posterior.followed_by(trials_of([row], base.hubs, guarded=base.guarded))
        self._last = signature, posterior
        return posterior

    def _settled(self, settled: list[Run], start: int, block: int) -> _Block:
        signature = (start, block, *(row.revision for row in settled))
        if self._block is None or self._block.signature != signature:
            fitting = [row for row in settled if row.number <= fitted_at(block)][-_FITTED_ON:]
            guarded, hubs = citations_follow_success(settled), hubs_among(row.nearest for row in settled)
            hyper = fitted(trials_of(fitting, hubs, guarded=guarded)) if fitting else Hyper()
            trials = trials_of(settled, hubs, guarded=guarded)
            self._block = _Block(signature, Posterior(trials, hyper), guarded, hubs)
            self._last = None
        return self._block


def _accounts(rows: Sequence[Run], posterior: Posterior) -> Floats:
    """Of the shown slates."""
    taught = (row.run_id for row in rows if row.reward is not None)
    without = dict(zip(taught, posterior.baselines().tolist(), strict=True))
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


def citations_follow_success(rows: Sequence[Run]) -> bool:
    """Whether what the planner said it used depends so much on how the run ended, either way, that it must
    not decide who gets the credit. What was seen to be used may depend on it: it is why.
    """
    cited, shown = [0.0, 0.0], [0.0, 0.0]
    for row in rows:
        if row.use_is == "said" and row.reward is not None:
            ended = int(row.reward >= 0.5)  # noqa: PLR2004
            shown[ended] += sum(slot.used is not None for slot in row.slots)
            cited[ended] += sum(bool(slot.used) for slot in row.slots)
    rates = [(c + _GUARD_FROM[0]) / (s + _GUARD_FROM[1]) for c, s in zip(cited, shown, strict=True)]
    return max(rates) > _GUARD_RATIO * min(rates)


def trials_of(rows: Sequence[Run], hubs: Hubs, *, guarded: bool) -> Trials:
    """The runs, all with a reward, as trials."""
    dimensions = rows[0].vector.size if rows else COMPONENTS
    vectors = np.stack([row.vector for row in rows]) if rows else np.zeros((0, dimensions), np.float32)
    parts = components(vectors)
    tasks = directions(parts).astype(np.float32)
    slots, places, shares = [], [], []
    for place, row in enumerate(rows):
        said = row.use_is == "said" and guarded
        share = credit.shares({slot.case_id: None if said else slot.used for slot in row.slots})
        for slot in row.slots:
            slots.append((slot, row.usual, tasks[place]))
            places.append(place)
            shares.append(share[slot.case_id])
    return Trials(
        tasks=tasks,
        parts=parts[:, :TASK_PARTS],
        sizes=np.asarray([len(row.slots) for row in rows], np.int64),
        rewards=np.asarray([row.reward for row in rows], np.float64),
        weights=np.asarray([row.weight for row in rows], np.float64),
        slots=_cases(slots, hubs),
        slot_runs=np.asarray(places, np.int64),
        slot_shares=np.asarray(shares, np.float64),
    )


@lru_cache(maxsize=100_000)
def code(text: str) -> int:
    """A number for a case or for what it did, the same in every process; 0 for the empty text."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 1 if text else 0


def features(deviations: Floats, match: Floats, doubts: Floats, hubness: Floats) -> Floats:
    """φ, shape (cases, 5)."""
    return np.stack([np.ones(len(match)), deviations, match, doubts, hubness], axis=1)


def _cases(slots: Sequence[tuple[Slot, float, Vector]], hubs: Hubs) -> Cases:
    nowhere = np.zeros(COMPONENTS, np.float16)
    looks = [nowhere if s.direction is None else np.frombuffer(s.direction, np.float16) for s, _, _ in slots]
    directions = np.asarray(looks, np.float32).reshape(-1, COMPONENTS)
    tasks = np.asarray([task for _, _, task in slots], np.float32).reshape(-1, COMPONENTS)
    deviations = np.asarray([slot.similarity - usual for slot, usual, _ in slots], np.float64)
    doubts = np.asarray([slot.doubt or 0.0 for slot, _, _ in slots], np.float64)
    match = np.einsum("ij,ij->i", directions, tasks)
    codes = [code(slot.case_id) for slot, _, _ in slots]
    hubness = np.asarray([hubs.hubness(case) for case in codes], np.float64)
    return Cases(
        codes=np.asarray(codes, np.int64),
        did=np.asarray([code(slot.did) for slot, _, _ in slots], np.int64),
        directions=directions,
        features=features(deviations, match, doubts, hubness).reshape(-1, FEATURES),
    )


def read_runs(ledger: Ledger, namespace: str, since: int, revision: int) -> list[Run]:
    """The learning runs after number `since` that changed after `revision`."""
    asked = {"namespace": namespace, "since": since, "revision": revision}
    with ledger.home.reader.connect() as connection:
        found = connection.execute(_CHANGED, asked).all()
        if not found:
            return []
        ids = [row.run_id for row in found]
        rewards = counting_rewards(connection, ids)
        slots: dict[str, list[Slot]] = {}
        for run_id, *slot in connection.execute(_SHOWN, {"run_ids": ids}):
            slots.setdefault(run_id, []).append(Slot(*slot))
    return [_run(row, slots.get(row.run_id, ()), *rewards.get(row.run_id, (None, 0.0))) for row in found]


def _run(row: Any, slots: Sequence[Slot], reward: float | None, weight: float) -> Run:
    return Run(
        number=row.number,
        run_id=row.run_id,
        revision=row.revision,
        vector=np.frombuffer(row.vector, dtype=np.float32),
        usual=row.usual_cosine or 0.0,
        use_is=row.use_is,
        slots=tuple(slots),
        reward=reward,
        weight=weight,
        account=_account(row, reward, weight) if slots else None,
        nearest=_nearest(row.candidates),
    )


def _nearest(candidates: Sequence[tuple[str, float, float]]) -> tuple[int, ...]:
    """The codes of the nearest of the candidates (case id, cosine, Q)."""
    return tuple(code(case_id) for case_id, *_ in sorted(candidates, key=lambda one: -one[1])[:NEAREST])


def _account(row: Any, reward: float | None, weight: float) -> Account | None:
    kind = "explored" if row.explored else row.arm
    if kind not in KINDS or row.expected is None or row.without is None:
        return None
    return Account(
        kind=KINDS.index(kind),
        promised=row.expected - row.without,
        came=math.nan if reward is None else reward,
        weight=weight,
        spent=row.spent or 0.0,
        gained=row.gained or 0.0,
    )


_RUN_COLUMNS = (
    "run_id",
    "number",
    "revision",
    "vector",
    "arm",
    "explored",
    "expected",
    "without",
    "spent",
    "gained",
    "usual_cosine",
    "use_is",
    "candidates",
)
_SLOT_COLUMNS = ("run_id", "case_id", "similarity", "used", "direction", "did", "doubt")
_CHANGED = select(*(runs.c[name] for name in _RUN_COLUMNS)).where(
    runs.c.namespace == bindparam("namespace"),
    runs.c.revision > bindparam("revision"),
    runs.c.number + 0 > bindparam("since"),  # by revision, few are read; by number SQLite would read them all
    runs.c.learn,
)
_SHOWN = (
    select(*(retrievals.c[name] for name in _SLOT_COLUMNS))
    .where(among(retrievals.c.run_id, "run_ids"))
    .order_by(retrievals.c.rank)
)
