"""The ledger's runs as the model of advantage reads them."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import String, bindparam, func, literal_column, select, type_coerce

from memento.memory.database import among, as_text, quick_rows
from memento.memory.hubs import NEAREST
from memento.memory.ledger import Ledger
from memento.memory.promises import KINDS, Account
from memento.memory.rewards import counting_rewards
from memento.memory.schema import retrievals, runs

Vector = NDArray[np.float32]


@dataclass(frozen=True)
class Slot:
    """One shown case, as it was when it was shown."""

    used: bool | None
    case_id: str
    similarity: float
    direction: bytes | None
    did: str
    form: str | None
    doubt: float | None
    dissent: float | None


@dataclass(frozen=True)
class Run:
    """What the fold reads of one run; `candidates` is JSON, of (case id, cosine, Q)."""

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
    candidates: str

    @cached_property
    def nearest(self) -> tuple[int, ...]:
        """The codes of the nearest of the candidates, which take longer to read than all else of a run."""
        found = sorted(json.loads(self.candidates), key=lambda one: -one[1])[:NEAREST]
        return tuple(code(case_id) for case_id, *_ in found)


class _Row(NamedTuple):
    """A run as the database has it."""

    run_id: str
    number: int
    revision: int
    vector: bytes
    arm: str
    explored: int | None
    expected: float | None
    without: float | None
    gained: float | None
    forgone: float | None
    usual_cosine: float | None
    use_is: str | None
    candidates: str


def read_runs(ledger: Ledger, namespace: str, since: int, revision: int) -> list[Run]:
    """The learning runs after number `since` that changed after `revision`."""
    asked: dict[str, str | int] = {"namespace": namespace, "since": since, "revision": revision}
    with ledger.home.reader.connect() as connection:
        newest = quick_rows(connection, _NEWEST, {"namespace": namespace})[0][0] or 0
        if newest <= revision:
            return []
        found = [_Row(*row) for row in quick_rows(connection, _CHANGED if revision else _SINCE, asked)]
        if not found:
            return []
        ids = [row.run_id for row in found]
        rewards = counting_rewards(connection, ids)
        slots: dict[str, list[Slot]] = {}
        for run_id, used, *slot in quick_rows(connection, _SHOWN, {"run_ids": json.dumps(ids)}):
            slots.setdefault(run_id, []).append(Slot(None if used is None else bool(used), *slot))
    return [_run(row, slots.get(row.run_id, ()), *rewards.get(row.run_id, (None, 0.0))) for row in found]


@lru_cache(maxsize=100_000)
def code(text: str) -> int:
    """A number for a case or for what it did, the same in every process; 0 for the empty text."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 1 if text else 0


def _run(row: _Row, slots: Sequence[Slot], reward: float | None, weight: float) -> Run:
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
        candidates=row.candidates,
    )


def _account(row: _Row, reward: float | None, weight: float) -> Account | None:
    kind = "explored" if row.explored else row.arm
    if kind not in KINDS or row.expected is None or row.without is None:
        return None
    return Account(
        kind=KINDS.index(kind),
        promised=row.expected - row.without,
        came=math.nan if reward is None else reward,
        weight=weight,
        gained=row.gained or 0.0,
        number=row.number,
        forgone=row.forgone or 0.0,
    )


_SLOT_COLUMNS = ("run_id", "used", "case_id", "similarity", "direction", "did", "form", "doubt", "dissent")
_CANDIDATES = type_coerce(runs.c.candidates, String).label("candidates")
_RUNS = select(*(runs.c[name] for name in _Row._fields[:-1]), _CANDIDATES).where(
    runs.c.namespace == bindparam("namespace"), runs.c.learn
)
_NEWEST = as_text(select(func.max(runs.c.revision)).where(runs.c.namespace == bindparam("namespace")))
_SINCE = as_text(_RUNS.where(runs.c.number > bindparam("since")))
# By revision few have changed; SQLite would look for them by number, among all since then.
_CHANGED = as_text(
    _RUNS.where(
        runs.c.revision > bindparam("revision"), runs.c.number + literal_column("0") > bindparam("since")
    )
)
_SHOWN = as_text(
    select(*(retrievals.c[name] for name in _SLOT_COLUMNS))
    .where(among(retrievals.c.run_id, "run_ids"))
    .order_by(retrievals.c.rank)
)
