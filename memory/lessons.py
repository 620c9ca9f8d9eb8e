"""What one run teaches KernelQ, read from the ledger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, bindparam, func, select

from memento.memory import credit
from memento.memory.components import components, directions
from memento.memory.database import among
from memento.memory.ledger import Ledger
from memento.memory.rewards import counting_rewards
from memento.memory.schema import retrievals, rewards, runs

Vector = NDArray[np.float32]
Floats = NDArray[np.float64]

USUAL_COSINE = 0.15
"""Of unrelated tasks under MiniLM, for runs that did not say theirs."""
PARTS = 24
REGRESSORS = 1 + PARTS + 3


@dataclass(frozen=True, eq=False)
class Lesson:
    """One run: the direction of its task, shape (48,), its regressors, shape (28,), its counting reward (None
    while unknown) and that reward's weight, each shown case's share of the credit, which cases it used, and
    how that is known. Where its planner said so, `doubted` is the same run read as if that were not known.
    """

    number: int
    run_id: str
    revision: int
    direction: Vector
    regressors: Floats
    reward: float | None
    weight: float
    shares: Mapping[str, float] = field(default_factory=dict)
    use_is: str | None = None
    used: Mapping[str, bool | None] = field(default_factory=dict)
    doubted: Self | None = None

    @property
    def key(self) -> tuple[int, str]:
        """Its place in run order."""
        return self.number, self.run_id


def seen(task: Vector) -> tuple[Vector, Floats]:
    """A task's direction, shape (48,), and what speaks of it in the regressors, shape (25,)."""
    # One by one: in a batch the last bits of a row depend on how many there are.
    parts = components(task[None, :])
    return directions(parts)[0].astype(np.float32), np.concatenate([[1.0], parts[0, :PARTS]])


def read_last(ledger: Ledger, namespace: str) -> int:
    """The number of the newest learning run of a namespace, 0 where there is none."""
    with ledger.home.reader.connect() as connection:
        return connection.execute(_LAST, {"namespace": namespace}).scalar() or 0


def read_after(ledger: Ledger, namespace: str, number: int) -> list[Lesson]:
    """The learning runs of numbers above this one."""
    with ledger.home.reader.connect() as connection:
        return _lessons(
            connection, connection.execute(_AFTER, {"namespace": namespace, "number": number}).all()
        )


def read_changed(ledger: Ledger, namespace: str, revision: int) -> list[Lesson]:
    """The learning runs that changed after this revision."""
    with ledger.home.reader.connect() as connection:
        asked = {"namespace": namespace, "revision": revision}
        return _lessons(connection, connection.execute(_CHANGED, asked).all())


def count_rewarded(ledger: Ledger, namespace: str) -> int:
    """How many learning runs of a namespace have a reward."""
    with ledger.home.reader.connect() as connection:
        return int(connection.execute(_REWARDED, {"namespace": namespace}).scalar_one())


def _lessons(connection: Connection, rows: Sequence[Row[Any]]) -> list[Lesson]:
    ids = [row.run_id for row in rows]
    said = counting_rewards(connection, ids)
    slots: dict[str, list[Row[Any]]] = {}
    for slot in connection.execute(_SHOWN, {"run_ids": ids}):
        slots.setdefault(slot.run_id, []).append(slot)
    return [_lesson(row, slots.get(row.run_id, ()), *said.get(row.run_id, (None, 0.0))) for row in rows]


def _lesson(row: Row[Any], slots: Sequence[Row[Any]], reward: float | None, weight: float) -> Lesson:
    direction, task = seen(np.frombuffer(row.vector, dtype=np.float32))
    usual = USUAL_COSINE if row.usual_cosine is None else row.usual_cosine
    used = {slot.case_id: slot.used for slot in slots}

    def read(*, doubted: bool) -> Lesson:
        shares = credit.shares(used, doubted=doubted)
        shown = np.zeros(3)
        for slot in slots:
            shown += shares[slot.case_id] * np.asarray([1.0, slot.similarity - usual, slot.doubt or 0.0])
        regressors = np.concatenate([task, shown])
        key = row.number, row.run_id, row.revision
        return Lesson(*key, direction, regressors, reward, weight, shares, row.use_is, used)

    lesson = read(doubted=False)
    return replace(lesson, doubted=read(doubted=True)) if row.use_is == credit.SAID else lesson


_NAMESPACE = runs.c.namespace == bindparam("namespace")
_COLUMNS = [runs.c[name] for name in ("run_id", "number", "revision", "vector", "usual_cosine", "use_is")]
_LAST = select(func.max(runs.c.number)).where(_NAMESPACE, runs.c.learn)
_LEARNED = select(*_COLUMNS).where(_NAMESPACE, runs.c.learn)
_AFTER = _LEARNED.where(runs.c.number > bindparam("number"))
_CHANGED = _LEARNED.where(runs.c.revision > bindparam("revision"))
_SHOWN = (
    select(*(retrievals.c[name] for name in ("run_id", "case_id", "similarity", "used", "doubt")))
    .where(among(retrievals.c.run_id, "run_ids"))
    .order_by(retrievals.c.rank)
)
_HAS_REWARD = select(rewards.c.id).where(rewards.c.run_id == runs.c.run_id).exists()
_REWARDED = select(func.count()).select_from(runs).where(_NAMESPACE, runs.c.learn, _HAS_REWARD)
