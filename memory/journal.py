"""The journal of cases: the part of the ledger that says what the case bank must hold."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Select,
    bindparam,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert

from memento.memory.case import Case, Outcome, Status, content_id, doubt_of
from memento.memory.database import among, as_text, quick_rows
from memento.memory.errors import UsageError
from memento.memory.form import hash_of, hash_of_tools
from memento.memory.redact import redact
from memento.memory.schema import cases, facts, runs

Vector = NDArray[np.float32]

_PART = 1000


@dataclass(frozen=True)
class JournalRow:
    """A case as the journal has it, with an empty body where it was deleted."""

    id: str
    body: dict[str, Any]
    vector: Vector


class Looks(NamedTuple):
    """What a choice needs of a case; `vector` is as it was given, as the bytes of float32."""

    status: Status
    vector: bytes
    outcome: Outcome
    tools: tuple[str, ...]
    form: str
    probation: bool


class CaseMarks(NamedTuple):
    """What a model learns a case by: `did` and `form` are hashes of the tools that it called and of how."""

    vector: Vector
    did: str
    form: str
    doubt: float


def add_case(connection: Connection, case: Case, vector: Vector, *, merge_repetitions: bool) -> str:
    """Write a case, without its credentials, and return its id, or the id of the case that it repeats.

    An id that is there already is left as it is.
    """
    keep_dimensions(connection, np.size(vector))
    case = Case.from_dict(redact(vars(case)))
    if merge_repetitions:
        repeated = [other for other in saying_the_same(connection, case) if other != case.id]
        if repeated:
            return repeated[0]
    newest = select(func.max(cases.c.order)).where(cases.c.namespace == case.namespace)
    row = {
        "namespace": case.namespace,
        "id": case.id,
        "body": case.to_dict(),
        "vector": np.asarray(vector, dtype=np.float32).tobytes(),
        **_columns_of(case),
        "probation": case.source_run is not None or case.untrusted,
        "source_run": case.source_run,
        "order": func.coalesce(newest.scalar_subquery(), 0) + 1,
        "in_bank": False,
        "deleted": False,
    }
    fresh = insert(cases).values(row)
    # An id that was deleted may come back; one that is there is not written over.
    connection.execute(
        fresh.on_conflict_do_update(
            index_elements=[cases.c.namespace, cases.c.id], set_=row, where=cases.c.deleted
        )
    )
    return case.id


def saying_the_same(connection: Connection, case: Case) -> list[str]:
    """The cases with the task, the tools and the outcome of this one, the oldest first."""
    same = _live(case.namespace).where(
        cases.c.signature == content_id(case.task, case.tools), cases.c.outcome == case.outcome
    )
    # They are few: asked for them in their order, SQLite would go through all cases in it.
    found = connection.execute(same.with_only_columns(cases.c.order, cases.c.id)).all()
    return [case_id for _, case_id in sorted(found)]


def keep_dimensions(connection: Connection, size: int) -> None:
    """The first vector that is written fixes the home's dimensions.

    Raises:
        UsageError: they are others.
    """
    fixed = known_dimensions(connection)
    if fixed is None:
        connection.execute(insert(facts).values(name="dimensions", value=str(size)))
    elif fixed != size:
        raise UsageError(f"this home's vectors have {fixed} dimensions, not {size}")


def known_dimensions(connection: Connection) -> int | None:
    """The dimensions of the home's vectors; None before the first is written."""
    value = connection.execute(_DIMENSIONS).scalar()
    return None if value is None else int(value)


def set_outcome(connection: Connection, run_id: str, reward: float, outcome: Outcome) -> None:
    """Give the case that a run made the reward that now counts for it. A copy in another namespace stays."""
    of_run = select(runs.c.namespace).where(runs.c.run_id == run_id).scalar_subquery()
    made = select(cases.c.namespace, cases.c.id, cases.c.body).where(
        cases.c.source_run == run_id, cases.c.namespace == of_run, ~cases.c.deleted
    )
    for namespace, case_id, body in connection.execute(made).all():
        case = replace(Case.from_dict(body), reward=reward, outcome=outcome)
        rewrite(connection, namespace, case_id, case)


def rewrite(
    connection: Connection, namespace: str, case_id: str, case: Case, vector: Vector | None = None
) -> None:
    """Replace what the journal has of a case; its vector stays unless one is given."""
    case = Case.from_dict(redact(case.to_dict()))
    values: dict[str, Any] = {"body": case.to_dict(), **_columns_of(case), "in_bank": False}
    if vector is not None:
        keep_dimensions(connection, np.size(vector))
        values["vector"] = np.asarray(vector, dtype=np.float32).tobytes()
    this = (cases.c.namespace == namespace, cases.c.id == case_id)
    connection.execute(update(cases).where(*this).values(values))


def _columns_of(case: Case) -> dict[str, Any]:
    """What of a case the journal can be asked for without reading it."""
    return {
        "status": case.status,
        "signature": content_id(case.task, case.tools),
        "outcome": case.outcome,
        "tools": case.tools,
        "form": hash_of(case.form),
    }


def trust_a_person(connection: Connection, namespace: str, case_id: str) -> None:
    """A person set the case's status. Their word stands: only what happens from now on speaks against it."""
    newest = select(func.coalesce(func.max(runs.c.number), 0)).where(runs.c.namespace == namespace)
    this = (cases.c.namespace == namespace, cases.c.id == case_id)
    connection.execute(update(cases).where(*this).values(**_TRUSTED, judged_after=newest.scalar_subquery()))


_TRUSTED = {
    "harmful": False,
    "probation": False,
    **{f"harm_{name}": 0 for name in ("outcomes", "weight", "square", "total")},
}


def remove(connection: Connection, namespace: str, case_id: str) -> dict[str, Any] | None:
    """Empty a case, mark it for removal from the bank, and return the row that it was, None when there is no
    such case.
    """
    row = read_row(connection, namespace, case_id)
    if row is not None:
        this = (cases.c.namespace == namespace, cases.c.id == case_id)
        gone = update(cases).where(*this).values(body={}, signature="", deleted=True, in_bank=False)
        connection.execute(gone)
    return row


def put_back(connection: Connection, row: dict[str, Any]) -> None:
    """Write the row of a case that was removed, maybe by an older version, whose rows tell no form."""
    form = hash_of(Case.from_dict(row["body"]).form)
    row = {**row, "form": form, "in_bank": False, "deleted": False}
    key = [cases.c.namespace, cases.c.id]
    connection.execute(insert(cases).values(row).on_conflict_do_update(index_elements=key, set_=row))


def read_row(connection: Connection, namespace: str, case_id: str) -> dict[str, Any] | None:
    """All that the journal has of a case, its vector as bytes."""
    row = connection.execute(_live(namespace).where(cases.c.id == case_id)).mappings().first()
    return None if row is None else dict(row)


def read_one(connection: Connection, namespace: str, case_id: str) -> Case | None:
    row = read_row(connection, namespace, case_id)
    return Case.from_dict(row["body"]) if row else None


def read_some(connection: Connection, namespace: str, ids: Sequence[str]) -> dict[str, Case]:
    """Those of the ids that are there."""
    rows = connection.execute(_live(namespace).where(among(cases.c.id, ids))).mappings()
    return {row["id"]: Case.from_dict(row["body"]) for row in rows}


def read_looks(connection: Connection, namespace: str, ids: Sequence[str]) -> dict[str, Looks]:
    """What a choice needs of those of the ids that are there."""
    asked = {"namespace": namespace, "ids": json.dumps(ids)}
    return {
        case_id: Looks(status, vector, outcome, _tools(tools), form or "", bool(new))
        for case_id, status, vector, outcome, new, tools, form in quick_rows(connection, _LOOKS, asked)
    }


def vectors_of(looks: Sequence[Looks]) -> NDArray[np.float32]:
    """Their vectors, shape (looks, dimensions), of at least one."""
    rows = np.frombuffer(b"".join(look.vector for look in looks), np.float32)
    return rows.reshape(len(looks), len(looks[0].vector) // rows.itemsize)


def read_vectors(
    connection: Connection, namespace: str, ids: Sequence[str]
) -> dict[str, tuple[Vector, Outcome]]:
    """Vector and outcome of those of the ids that are there, whatever their status."""
    query = _live(namespace).with_only_columns(cases.c.id, cases.c.vector, cases.c.outcome)
    return {
        case_id: (np.frombuffer(vector, dtype=np.float32), outcome)
        for case_id, vector, outcome in connection.execute(query.where(among(cases.c.id, ids))).all()
    }


def read_outcomes(connection: Connection, namespace: str, ids: Sequence[str]) -> dict[str, Outcome]:
    """The outcome of those of the ids that are there, whatever their status."""
    query = _live(namespace).with_only_columns(cases.c.id, cases.c.outcome)
    return {row.id: row.outcome for row in connection.execute(query.where(among(cases.c.id, ids)))}


def read_marks(connection: Connection, namespace: str, ids: Sequence[str]) -> dict[str, CaseMarks]:
    """Those of the cases that are there."""
    rows = connection.execute(_MARKS, {"namespace": namespace, "ids": ids}).all()
    return {
        case_id: CaseMarks(
            np.frombuffer(vector, dtype=np.float32),
            hash_of_tools(tuple(tools)),
            form or "",
            doubt_of(outcome, probation=bool(probation)),
        )
        for case_id, vector, tools, form, outcome, probation in rows
    }


def read_all(connection: Connection, namespace: str, status: Status | None = None) -> list[Case]:
    """The namespace's cases in the order in which they came."""
    query = _live(namespace).order_by(cases.c.order)
    if status is not None:
        query = query.where(cases.c.status == status)
    return [Case.from_dict(row["body"]) for row in connection.execute(query).mappings()]


def stream(connection: Connection, namespace: str) -> Iterable[tuple[Case, Vector]]:
    """The namespace's cases with their vectors, in the order in which they came, some at a time in memory."""
    query = _live(namespace).with_only_columns(cases.c.body, cases.c.vector).order_by(cases.c.order)
    for part in connection.execute(query).partitions(_PART):
        for body, vector in part:
            yield Case.from_dict(body), np.frombuffer(vector, dtype=np.float32)


def known_ids(connection: Connection, namespace: str, ids: Sequence[str]) -> set[str]:
    """Those of the ids that are there."""
    query = _live(namespace).with_only_columns(cases.c.id)
    return set(connection.execute(query.where(among(cases.c.id, ids))).scalars())


def count(connection: Connection, namespace: str, status: Status | None = None) -> int:
    query = _live(namespace).with_only_columns(func.count())
    if status is not None:
        query = query.where(cases.c.status == status)
    return int(connection.execute(query).scalar_one())


def live_ids(connection: Connection, namespace: str) -> set[str]:
    # All, less the deleted ones: both are in indexes, and SQLite would else read every case's vector.
    here = cases.c.namespace == namespace
    gone = (here, cases.c.status.in_(get_args(Status)), cases.c.deleted)
    return _ids_where(connection, here) - _ids_where(connection, *gone)


def _ids_where(connection: Connection, *conditions: ColumnElement[bool]) -> set[str]:
    # As one text: as 100,000 rows they take SQLAlchemy ten times as long.
    query = select(func.json_group_array(cases.c.id)).where(*conditions)
    return set(json.loads(connection.execute(query).scalar_one()))


def settled_ids(connection: Connection, namespace: str) -> list[str]:
    """The cases that the bank has as they are now, newest first."""
    query = _live(namespace).where(cases.c.in_bank).order_by(cases.c.order.desc())
    return list(connection.execute(query.with_only_columns(cases.c.id)).scalars().all())


def count_behind(connection: Connection, namespace: str) -> int:
    """How many changes the bank has not been told of."""
    query = select(func.count()).where(cases.c.namespace == namespace, ~cases.c.in_bank)
    return int(connection.execute(query).scalar_one())


def namespaces(connection: Connection) -> list[str]:
    """Those that have cases, or had some that the bank has not let go of yet."""
    return list(connection.execute(select(cases.c.namespace).distinct().order_by("namespace")).scalars())


def behind(connection: Connection, namespace: str, limit: int) -> list[JournalRow]:
    """Cases whose newest version the bank has not got, oldest first."""
    query = (
        select(cases)
        .where(cases.c.namespace == namespace, ~cases.c.in_bank)
        .order_by(cases.c.order)
        .limit(limit)
    )
    return [
        JournalRow(row["id"], row["body"], np.frombuffer(row["vector"], dtype=np.float32))
        for row in connection.execute(query).mappings()
    ]


def set_behind(connection: Connection, namespace: str, ids: Sequence[str]) -> None:
    these = (cases.c.namespace == namespace, among(cases.c.id, ids))
    connection.execute(update(cases).where(*these).values(in_bank=False))


def settle(connection: Connection, namespace: str, done: Sequence[JournalRow]) -> None:
    """Note that the bank has these rows now, unless one changed meanwhile; deleted ones end here."""
    these = (cases.c.namespace == namespace, among(cases.c.id, [row.id for row in done]))
    now = {
        case_id: (body, vector)
        for case_id, body, vector in connection.execute(
            select(cases.c.id, cases.c.body, cases.c.vector).where(*these)
        )
    }
    same = [row.id for row in done if now.get(row.id) == (row.body, row.vector.tobytes())]
    these = (cases.c.namespace == namespace, among(cases.c.id, same))
    if not all(row.body for row in done):
        connection.execute(delete(cases).where(*these, cases.c.deleted))
    connection.execute(update(cases).where(*these).values(in_bank=True))


@lru_cache(maxsize=10_000)
def _tools(text: str) -> tuple[str, ...]:
    """Those of a case, from the JSON that the column has."""
    return tuple(json.loads(text))


def _live(namespace: str | BindParameter[Any]) -> Select[Any]:
    return select(cases).where(cases.c.namespace == namespace, ~cases.c.deleted)


# What every choice asks is built once: to build it takes SQLAlchemy longer than SQLite takes to answer.
_DIMENSIONS = select(facts.c.value).where(facts.c.name == "dimensions")
_THESE = _live(bindparam("namespace")).where(among(cases.c.id, "ids"))
_LOOKS = as_text(
    _THESE.with_only_columns(
        *(cases.c[name] for name in ("id", "status", "vector", "outcome", "probation", "tools", "form"))
    )
)
_MARKS = _THESE.with_only_columns(
    cases.c.id, cases.c.vector, cases.c.tools, cases.c.form, cases.c.outcome, cases.c.probation
)
