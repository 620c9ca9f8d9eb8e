"""Backups. A backup is one file, the ledger as it was at one moment: the case bank is filled from it."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree

from memento.memory.database import copy_database, what_happened
from memento.memory.errors import HomeInUseError, MementoError, UsageError
from memento.memory.home import CHROMA, LEDGER, Home, usable_folder
from memento.memory.home_lock import HomeLock
from memento.memory.schema import SCHEMA_VERSION

Told = Callable[[int, int], None]
"""Is told how many of how many pages are copied."""


@dataclass(frozen=True)
class Backup:
    """What a backup holds, deleted cases apart."""

    file: Path
    schema: int
    runs: int
    cases: int
    bytes: int


def create(home: Path, file: Path, told: Told | None = None) -> Backup:
    """Copy the ledger of a home, which may be in use, to a file that is not there yet.

    Raises:
        UsageError: there is no home, or the file is there already.
        MementoError: the ledger is damaged, or the file cannot be written.
    """
    ledger = usable_folder(home, create=False) / LEDGER
    if file.exists():
        raise UsageError(f"{file} is there already: give the backup another name")
    try:
        copy_database(ledger, file, told)
    except (OSError, sqlite3.Error) as error:
        raise MementoError(f"{file} cannot be written: {_reason(error, ledger)}") from None
    return look(file)


def look(file: Path) -> Backup:
    """What a backup holds, after it was read whole.

    Raises:
        UsageError: it is no backup, is damaged, or was made by a newer version.
    """
    if not file.is_file():
        raise UsageError(f"there is no backup {file}")
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as held:
            (health,) = held.execute("PRAGMA quick_check(1)").fetchone()
            if health != "ok":
                raise UsageError(f"the backup {file} is damaged: {health}")
            (schema,) = held.execute("SELECT value FROM facts WHERE name = 'schema'").fetchone()
            (runs,) = held.execute("SELECT count(*) FROM runs").fetchone()
            (cases,) = held.execute("SELECT count(*) FROM cases WHERE NOT deleted").fetchone()
    except (sqlite3.Error, TypeError) as error:
        raise UsageError(f"{file} is no backup of a Memento home: {error}") from None
    if int(schema) > SCHEMA_VERSION:
        raise UsageError(f"the backup {file} was made by a newer version of Memento: install that")
    return Backup(file, int(schema), runs, cases, file.stat().st_size)


def restore(home: Path, file: Path, told: Told | None = None) -> tuple[Backup, Path | None]:
    """Put a backup in place of a home's ledger, or make a home of it. The case bank is filled at its next
    opening. Until the last step, a rename, the home is as it was.

    Returns:
        what the backup holds, and the file in which the ledger that was there before is kept.

    Raises:
        UsageError: it is no backup, or the folder cannot be used.
        HomeInUseError: a process has the home open.
        MementoError: the home cannot be written.
    """
    backup = look(file)
    folder = usable_folder(home, create=True)
    with HomeLock(folder).held():
        if Home.is_open(folder):
            raise HomeInUseError(f"{folder} is open in this process: close it first")
        ledger, incoming = folder / LEDGER, folder / f"{LEDGER}.restoring"
        incoming.unlink(missing_ok=True)
        try:
            copy_database(file, incoming, told)
            _tell_the_bank_nothing(incoming)
            kept = _set_aside(ledger)
            incoming.replace(ledger)
        except (OSError, sqlite3.Error) as error:
            incoming.unlink(missing_ok=True)
            raise MementoError(f"{folder} cannot be restored: {_reason(error, ledger)}") from None
        for derived in (CHROMA, "neural"):
            rmtree(folder / derived, ignore_errors=True)
    return backup, kept


def _tell_the_bank_nothing(ledger: Path) -> None:
    """Whatever a case bank holds, it has not got these cases yet."""
    with closing(sqlite3.connect(ledger)) as held, held:
        held.execute("UPDATE cases SET in_bank = 0")


def _set_aside(ledger: Path) -> Path | None:
    """Keep the ledger that is there under a second name, with all of it in the one file."""
    if not ledger.exists():
        return None
    try:
        with closing(sqlite3.connect(ledger, timeout=1)) as held:
            # Leaving this mode folds the log into the file. SQLite refuses while another process reads it.
            held.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise HomeInUseError(f"another process reads {ledger}: stop it, then restore") from None
    except sqlite3.DatabaseError:
        pass  # a damaged one is kept as it is
    kept = ledger.with_name(f"ledger.before-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}.sqlite3")
    kept.hardlink_to(ledger)
    for log in ("-wal", "-shm"):
        ledger.with_name(ledger.name + log).unlink(missing_ok=True)
    return kept


def _reason(error: Exception, path: Path) -> str:
    return what_happened(error, path) or getattr(error, "strerror", None) or str(error)
