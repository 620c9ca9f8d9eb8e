"""How the ledger's database is opened, copied while in use, and what its errors say."""

import os
import sqlite3
from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, cast

from sqlalchemy import (
    JSON,
    URL,
    ColumnElement,
    Connection,
    Engine,
    Select,
    bindparam,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import ExceptionContext

from memento.memory.errors import MementoError, UsageError

_PAGES = 4096
_WAIT = 30.0


def open_engine(path: Path, *, read_only: bool = False) -> Engine:
    """The SQLite database at `path`, made empty if it is not there. With `read_only` nothing can be written.

    What its file system or its file makes impossible is raised as a MementoError that says so. A process
    that was forked from the one that opened it is refused: SQLite's locks do not reach across a fork.
    """
    engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": _WAIT})
    owner = os.getpid()

    # SQLite's driver begins transactions late, which lets two read-then-write transactions collide:
    # every transaction here begins as a writer, but for those that say that they only read.
    @event.listens_for(engine, "connect")
    def _on_connect(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None
        if read_only:
            connection.execute("PRAGMA query_only=ON")
            return
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Any) -> None:
        check_not_forked(owner, path.parent)
        reads = connection.get_execution_options().get("reads", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    @event.listens_for(engine, "handle_error")
    def _on_error(context: ExceptionContext) -> None:
        _raise_if_known(context.original_exception, path)

    return engine


def as_text(statement: Select[Any]) -> str:
    """A statement in SQLite's words, with its parameters as :name."""
    return str(statement.compile(dialect=sqlite.dialect(paramstyle="named")))


def quick_rows(
    connection: Connection, statement: str, parameters: Mapping[str, str | int]
) -> list[tuple[Any, ...]]:
    """All rows of a statement, with its values as SQLite has them. For what every choice asks: the layers of
    SQLAlchemy take longer than the answer.
    """
    if not connection.in_transaction():
        connection.begin()
    driver = cast("sqlite3.Connection", connection.connection.driver_connection)
    try:
        return driver.execute(statement, parameters).fetchall()
    except sqlite3.Error as error:
        _raise_if_known(error, Path(str(connection.engine.url.database)))
        raise


def among(column: ColumnElement[str], ids: str | Collection[str]) -> ColumnElement[bool]:
    """Whether a column is one of these ids, or of those that a parameter of this name has.

    They are one parameter, as JSON: SQLAlchemy would else write the statement anew for each number of them,
    which takes longer than its answer, and SQLite takes 32,766 parameters at most.
    """
    given = bindparam(ids, type_=JSON) if isinstance(ids, str) else bindparam(None, list(ids), JSON)
    return column.in_(select(func.json_each(given).table_valued("value").c.value))


def check_not_forked(owner: int, home: Path) -> None:
    """Refuse what a process opened, and one that was forked from it would use.

    Raises:
        UsageError: this is another process than `owner`.
    """
    if os.getpid() != owner:
        raise UsageError(
            f"{home} was opened by process {owner}, from which this one was forked: open it anew in this "
            "process, with a folder of its own while the other one runs"
        )


def _raise_if_known(error: BaseException, path: Path) -> None:
    said = what_happened(error, path)
    if said is not None:
        raise MementoError(said) from error


def what_happened(error: BaseException, path: Path) -> str | None:
    """One line on an error of the file or of its disk; None for any other."""
    text = str(error)
    if "disk is full" in text:
        return f"the disk of {path.parent} is full: what was being written is not kept; free some space"
    if "readonly database" in text or "unable to open" in text:
        return f"{path} cannot be written: check the permissions of its folder"
    if "database is locked" in text:
        return f"another process has kept {path} for {_WAIT:.0f} seconds: try again when it is done"
    if "malformed" in text or "not a database" in text or "disk I/O error" in text:
        return f"{path} is damaged ({text}): put a backup in its place with `memento backup restore FILE`"
    return None


def copy_database(source: Path, target: Path, progress: Callable[[int, int], None] | None = None) -> None:
    """Copy a database that may be in use, as it is at this moment, to a file that is not there yet.

    The copy is whole or not there. `progress` is told (pages done, pages in all).

    Raises:
        sqlite3.Error, OSError: the source cannot be read, or the target not written.
    """
    part = target.with_name(f".{target.name}.part")
    try:
        with closing(sqlite3.connect(source, timeout=_WAIT)) as held, closing(sqlite3.connect(part)) as copy:
            # A transaction that reads keeps the copy to one moment, however long it takes.
            held.isolation_level = None
            held.execute("BEGIN")
            held.execute("SELECT count(*) FROM sqlite_master").fetchone()
            told = None if progress is None else lambda _status, left, total: progress(total - left, total)
            held.backup(copy, pages=_PAGES, progress=told)
        _sync_to_disk(part)
        part.replace(target)
        _sync_to_disk(target.parent)
    finally:
        part.unlink(missing_ok=True)


def _sync_to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
