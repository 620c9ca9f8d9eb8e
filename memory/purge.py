"""Purging a case: nothing that it said stays in any file of the home.

In the ledger everything about it goes in one transaction, which also says that the files are to be cleaned:
that is finished at the next opening of the bank if it was cut short. Then the ledger's file is written anew
without its free pages, and Chroma, which keeps what it is told in logs and indexes of its own, is filled anew
from the journal. Copies of either that older versions, restores and repairs left in the home go too.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, String, delete, func, insert, or_, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from memento.memory import changes, journal
from memento.memory.case import Case
from memento.memory.changes import Change
from memento.memory.curation import no_such_case
from memento.memory.database import among, what_happened
from memento.memory.errors import MementoError
from memento.memory.home import CHROMA, LEDGER, Home
from memento.memory.ledger import PURGES
from memento.memory.schema import cases, facts, retrievals, rewards, runs

_PENDING = "purging"
"""The fact that says that the home's files are still to be cleaned."""
_ONE_MORE = (
    upsert(facts)
    .values(name=PURGES, value="1")
    .on_conflict_do_update(
        index_elements=[facts.c.name], set_={"value": (facts.c.value.cast(Integer) + 1).cast(String)}
    )
)
_WAIT_FOR_READERS = 2_000
"""Milliseconds."""
_NOT_YET = (
    "what was purged is gone from every result, but not yet all of its traces from the files: opening the "
    "case bank again removes them"
)


@dataclass(frozen=True)
class Purged:
    """What went beside the case: its runs, with all others that had its task, and the places in which other
    runs were shown it. `same_task` are other cases with its task, which were left.
    """

    runs: list[str]
    shown: int
    same_task: list[str]


def forget(connection: Connection, namespace: str, case_id: str, by: str) -> Purged:
    """Remove all that the ledger has of a case, be it there or deleted before.

    Runs that showed it among others keep their own words, and teach nothing from now on: what they were shown
    is no longer known.

    Raises:
        UsageError: nothing is known of such a case.
    """
    told = changes.read_changes(connection, namespace, case_id)
    row = journal.remove(connection, namespace, case_id)
    if row is None and not told:
        raise no_such_case(namespace, case_id)
    now = None if row is None else row["body"]
    said = [now, *(side for change in told for side in (change.before, change.after))]
    tasks = sorted({body["task"] for body in said if body and "task" in body})
    others = _others_with(connection, namespace, tasks)
    gone = _remove_runs(connection, namespace, case_id, tasks, others)
    shown = _remove_from_other_runs(connection, namespace, case_id)
    _remove_from_children(connection, namespace, case_id)
    _empty(connection, namespace, case_id)
    changes.forget(connection, namespace, case_id)
    changes.record(connection, namespace, [Change(case_id="", action="purge", by=by)])
    connection.execute(insert(facts).prefix_with("OR REPLACE").values(name=_PENDING, value="1"))
    connection.execute(_ONE_MORE)
    return Purged(gone, shown, others)


def is_pending(connection: Connection) -> bool:
    """Whether a purge was cut short before the files were clean."""
    return connection.execute(select(facts.c.value).where(facts.c.name == _PENDING)).first() is not None


def clean_files(home: Home, *, embedded: bool) -> None:
    """Write the ledger anew without free pages, and remove an embedded Chroma and all copies and models that
    are in the home. A case bank must be filled from the journal after it.

    Raises:
        MementoError: it cannot be done yet: another process is reading the ledger, or the disk is full.
    """
    if embedded:
        home.put_chroma_aside(f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}")
    for stale in _copies(home.path):
        if stale.is_dir():
            rmtree(stale)
        else:
            stale.unlink()
    if embedded:
        with home.engine.begin() as connection:
            # They waited for Chroma to let go of them.
            connection.execute(delete(cases).where(cases.c.deleted))
    _write_anew(home)
    with home.engine.begin() as connection:
        connection.execute(delete(facts).where(facts.c.name == _PENDING))


def _copies(folder: Path) -> list[Path]:
    """Chroma folders that were put aside, copies of the ledger that migrations and restores left, and what
    was learned from it, which is learned again.
    """
    live = {LEDGER, f"{LEDGER}-wal", f"{LEDGER}-shm"}
    ledgers = [path for path in folder.glob("*ledger*.sqlite3*") if path.name not in live]
    return [*folder.glob(f"{CHROMA}.*-*"), *ledgers, *folder.glob("neural")]


def _write_anew(home: Home) -> None:
    raw = home.engine.raw_connection()
    try:
        connection: Any = raw.driver_connection
        connection.execute("VACUUM")
        connection.execute(f"PRAGMA busy_timeout={_WAIT_FOR_READERS}")
        (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:
        why = what_happened(error, home.path / LEDGER) or str(error)
        raise MementoError(f"{_NOT_YET}: {why}") from None
    finally:
        raw.invalidate()  # its patience is not that of the others
    if busy:
        raise MementoError(f"{_NOT_YET}: another process is reading {home.path}")


def _others_with(connection: Connection, namespace: str, tasks: Sequence[str]) -> list[str]:
    query = select(cases.c.id).where(
        cases.c.namespace == namespace, ~cases.c.deleted, cases.c.body["task"].as_string().in_(tasks)
    )
    return sorted(connection.execute(query).scalars())


def _remove_runs(
    connection: Connection, namespace: str, case_id: str, tasks: Sequence[str], others: Sequence[str]
) -> list[str]:
    """The runs that made or repeated the case, and those with its task that no other case stands for."""
    nobodys = runs.c.task.in_(tasks) & or_(runs.c.case_id.is_(None), runs.c.case_id.not_in(others))
    theirs = (runs.c.namespace == namespace, or_(runs.c.case_id == case_id, nobodys))
    ids = list(connection.execute(select(runs.c.run_id).where(*theirs)).scalars())
    for table in (rewards, retrievals, runs):
        connection.execute(delete(table).where(among(table.c.run_id, ids)))
    return ids


def _remove_from_other_runs(connection: Connection, namespace: str, case_id: str) -> int:
    """Take the case out of what the namespace's runs, and those over it, considered and were shown."""
    here = or_(runs.c.namespace == namespace, runs.c.shared == namespace)
    had = select(retrievals.c.run_id).where(retrievals.c.case_id == case_id)
    showing = list(connection.execute(select(runs.c.run_id).where(here, runs.c.run_id.in_(had))).scalars())
    newest = select(func.max(runs.c.revision)).scalar_subquery()
    slots = delete(retrievals).where(retrievals.c.case_id == case_id, among(retrievals.c.run_id, showing))
    connection.execute(slots)
    dumb = update(runs).where(among(runs.c.run_id, showing))
    connection.execute(dumb.values(learn=False, revision=newest + 1))
    considered = select(runs.c.run_id, runs.c.candidates).where(here, _mentions(runs.c.candidates, case_id))
    for run_id, candidates in connection.execute(considered).all():
        left = [candidate for candidate in candidates if candidate[0] != case_id]
        connection.execute(update(runs).where(runs.c.run_id == run_id).values(candidates=left))
    return len(showing)


def _empty(connection: Connection, namespace: str, case_id: str) -> None:
    """Leave nothing of the row that says that Chroma must let go of the case, but its id."""
    this = update(cases).where(cases.c.namespace == namespace, cases.c.id == case_id)
    of_its_size = func.zeroblob(func.length(cases.c.vector))
    connection.execute(this.values(vector=of_its_size, tools=[], form="", source_run=None))


def _remove_from_children(connection: Connection, namespace: str, case_id: str) -> None:
    about = (cases.c.namespace == namespace, ~cases.c.deleted, _mentions(cases.c.body, case_id))
    for body in connection.execute(select(cases.c.body).where(*about)).scalars().all():
        if case_id in body["parents"]:
            left = [parent for parent in body["parents"] if parent != case_id]
            child = Case.from_dict({**body, "parents": left})
            journal.rewrite(connection, namespace, child.id, child)


def _mentions(column: Any, case_id: str) -> ColumnElement[bool]:
    found: ColumnElement[bool] = column.cast(String).contains(case_id, autoescape=True)
    return found
