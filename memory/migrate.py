"""From an empty file or an older version's tables to the tables of memory/schema.py."""

import sqlite3
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from sqlalchemy import Connection, Engine, bindparam, inspect, select, text, update
from sqlalchemy.exc import DatabaseError

from memento.memory.case import Case
from memento.memory.database import among, copy_database, what_happened
from memento.memory.errors import MementoError, UsageError
from memento.memory.form import hash_of
from memento.memory.progress import progress_bar
from memento.memory.schema import SCHEMA_VERSION, cases, metadata, retrievals

_DROPPED_INDEXES = ("cases_by_status", "cases_behind")
"""Of older versions: they would still be kept up to date, and mislead SQLite."""
_DROPPED_COLUMNS = (("runs", "spent"),)
"""What older versions wrote for themselves and nothing reads."""
_PART = 1000
_WORTH_A_BAR = 5000


def bring_up_to_date(engine: Engine, path: Path) -> None:
    """Make the tables that are missing, in one transaction; an older version's ledger is copied first, to
    ledger.schema-N.sqlite3 beside it.

    Raises:
        UsageError: the file is no ledger, or a newer version wrote it.
        MementoError: it is damaged, or its disk is full.
    """
    try:
        found = _version_of(engine)
        if found not in {None, SCHEMA_VERSION}:
            _check_older(found, path)
            _keep_copy(path, path.with_name(f"ledger.schema-{found}.sqlite3"))
        if found != SCHEMA_VERSION:
            with engine.begin() as connection:
                _check_older(_version(connection) or 0, path)
                _add_what_is_missing(connection)
    except DatabaseError as error:
        raise UsageError(f"{path} cannot be read as a ledger: {error.orig}") from None


def check_version(engine: Engine, path: Path) -> None:
    """Whether a ledger that is only read can be.

    Raises:
        UsageError: another version wrote it, or the file is no ledger.
    """
    try:
        found = _version_of(engine) or 0
    except DatabaseError as error:
        raise UsageError(f"{path} cannot be read as a ledger: {error.orig}") from None
    _check_older(found, path)
    if found != SCHEMA_VERSION:
        raise UsageError(f"{path.parent} is of an older version, which only opening it for writing changes")


def _version_of(engine: Engine) -> int | None:
    with engine.execution_options(reads=True).connect() as connection:
        return _version(connection)


def _version(connection: Connection) -> int | None:
    """The version of the tables that are there, None where there are none."""
    tables = inspect(connection).get_table_names()
    if tables and "facts" not in tables:
        raise UsageError(f"{connection.engine.url.database} is no ledger: it has other tables")
    if not tables:
        return None
    said = connection.execute(text("SELECT value FROM facts WHERE name = 'schema'")).scalar()
    return None if said is None else int(said) if said.isdecimal() else SCHEMA_VERSION + 1


def _check_older(found: int, path: Path) -> None:
    if found > SCHEMA_VERSION:
        raise UsageError(
            f"{path.parent} was written by a newer version of Memento: install that, or use another home "
            "with --home DIR"
        )


def _keep_copy(path: Path, copy: Path) -> None:
    try:
        copy_database(path, copy)
    except (OSError, sqlite3.Error) as error:
        said = what_happened(error, copy) or str(error)
        raise MementoError(f"{path} is of an older version and cannot be copied first: {said}") from None


def _add_what_is_missing(connection: Connection) -> None:
    """Tables, columns (empty in old rows) and indexes; what is of no use any more goes."""
    metadata.create_all(connection)
    for name in _DROPPED_INDEXES:
        connection.exec_driver_sql(f"DROP INDEX IF EXISTS {name}")
    for owner, name in _DROPPED_COLUMNS:
        if name in _columns(connection, owner):
            connection.exec_driver_sql(f"ALTER TABLE {owner} DROP COLUMN {name}")
    for table in metadata.sorted_tables:
        there = _columns(connection, table.name)
        for column in table.columns:
            if column.name not in there:
                kind = column.type.compile(connection.dialect)
                connection.exec_driver_sql(f'ALTER TABLE {table.name} ADD COLUMN "{column.name}" {kind}')
        for index in table.indexes:
            index.create(connection, checkfirst=True)
    _fill_in_forms(connection)
    connection.execute(
        text("INSERT OR REPLACE INTO facts VALUES ('schema', :version)"), {"version": str(SCHEMA_VERSION)}
    )


def _fill_in_forms(connection: Connection) -> None:
    """The form of what cases did, which older versions did not note, there and where they were shown."""
    unknown = select(cases.c.namespace, cases.c.id).where(cases.c.form.is_(None)).order_by(cases.c.namespace)
    keys = connection.execute(unknown).all()
    with progress_bar("updating an older home", len(keys) if len(keys) >= _WORTH_A_BAR else None) as bar:
        for namespace, found in groupby(keys, key=itemgetter(0)):
            ids = [case_id for _, case_id in found]
            for start in range(0, len(ids), _PART):
                part = ids[start : start + _PART]
                _note_forms(connection, namespace, part)
                bar.more(len(part))


def _note_forms(connection: Connection, namespace: str, ids: Sequence[str]) -> None:
    these = (cases.c.namespace == namespace, among(cases.c.id, ids))
    forms = [
        {"of": namespace, "case": case_id, "how": hash_of(Case.from_dict(body).form) if body else ""}
        for case_id, body in connection.execute(select(cases.c.id, cases.c.body).where(*these))
    ]
    this = (cases.c.namespace == bindparam("of"), cases.c.id == bindparam("case"))
    connection.execute(update(cases).where(*this).values(form=bindparam("how")), forms)
    shown = update(retrievals).where(retrievals.c.case_id == bindparam("case")).values(form=bindparam("how"))
    connection.execute(shown, [{"case": row["case"], "how": row["how"]} for row in forms])


def _columns(connection: Connection, table: str) -> set[str]:
    return {row[1] for row in connection.exec_driver_sql(f"PRAGMA table_info({table})")}
