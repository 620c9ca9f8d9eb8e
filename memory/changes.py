"""The audit of the case bank: who changed which case and when, what was before, and what is since.

Cases that runs add are no changes: the ledger's runs tell of those. Nor are rewards, which are append-only.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from memento.memory.case import utc_now
from memento.memory.schema import changes

Action = Literal[
    "add",
    "import",
    "edit",
    "note",
    "pin",
    "unpin",
    "quarantine",
    "restore",
    "retire",
    "delete",
    "purge",
    "undo",
]

HARM_CONTROL = "harm control"
"""The `by` of verdicts on what harms (memory/quarantine.py). Undoing leaves those alone."""
_FINAL = ("undo", "purge")


@dataclass(frozen=True, kw_only=True)
class Change:
    """One case's part in a change; what was done at once shares a number. `before` and `after` hold the
    fields of the case that changed, None where there was no case. What is after an addition is the case.
    """

    case_id: str
    action: Action
    by: str
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    number: int = 0
    at: str = field(default_factory=utc_now)
    undone: bool = False


@dataclass(frozen=True, kw_only=True)
class Undoing:
    """A change with what undoing it needs: the case's old vector where that changed, and of a deleted case
    what `kept` says.
    """

    change: Change
    kept: dict[str, Any] | None
    vector: bytes | None


def record(
    connection: Connection,
    namespace: str,
    made: Sequence[Change],
    *,
    kept: dict[str, Any] | None = None,
    vector: bytes | None = None,
    number: int | None = None,
) -> int:
    """Write what was done at once, and return its number; one given is that of a change that goes on."""
    if number is None:
        newest = select(func.max(changes.c.number)).where(changes.c.namespace == namespace)
        number = (connection.execute(newest).scalar() or 0) + 1
    rows = [
        {**asdict(change), "number": number, "namespace": namespace, "kept": kept, "vector": vector}
        for change in made
    ]
    if rows:
        connection.execute(insert(changes), rows)
    return number


def to_undo(connection: Connection, namespace: str) -> list[Undoing]:
    """The last change that a person made and that is not undone yet, its last part first."""
    theirs = (
        changes.c.namespace == namespace,
        changes.c.by != HARM_CONTROL,
        changes.c.action.not_in(_FINAL),
        ~changes.c.undone,
    )
    newest = select(func.max(changes.c.number)).where(*theirs).scalar_subquery()
    query = select(changes).where(*theirs, changes.c.number == newest).order_by(changes.c.id.desc())
    return [
        Undoing(change=_change(row), kept=row["kept"], vector=row["vector"])
        for row in connection.execute(query).mappings()
    ]


def set_undone(connection: Connection, namespace: str, number: int) -> None:
    """Note that a change is undone; what undoing a deletion needed is kept no longer."""
    this = (changes.c.namespace == namespace, changes.c.number == number)
    connection.execute(update(changes).where(*this).values(undone=True, kept=None, vector=None))


def read_changes(
    connection: Connection, namespace: str, case_id: str | None = None, limit: int | None = None
) -> list[Change]:
    """The changes of a namespace, or of one case in it, newest first."""
    query = select(changes).where(changes.c.namespace == namespace).order_by(changes.c.id.desc())
    if case_id is not None:
        query = query.where(changes.c.case_id == case_id)
    return [_change(row) for row in connection.execute(query.limit(limit)).mappings()]


def forget(connection: Connection, namespace: str, case_id: str) -> int:
    """Remove all that the audit has of a case, and return how much that was."""
    this = (changes.c.namespace == namespace, changes.c.case_id == case_id)
    return connection.execute(delete(changes).where(*this)).rowcount


_FIELDS = ("case_id", "action", "by", "before", "after", "number", "at", "undone")


def _change(row: RowMapping) -> Change:
    return Change(**{name: row[name] for name in _FIELDS})
