"""How Chroma is reached: embedded in this process, or on a server."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from memento.memory.errors import UsageError

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

DATABASE = "chroma.sqlite3"


def embedded(folder: Path) -> "ClientAPI":
    """Chroma on a folder, which no other client may have open.

    Raises:
        chromadb.errors.ChromaError: its files cannot be read.
    """
    import chromadb
    from chromadb.api.shared_system_client import SharedSystemClient
    from chromadb.config import Settings

    _write_ahead(folder / DATABASE)
    try:
        return chromadb.PersistentClient(path=str(folder), settings=Settings(anonymized_telemetry=False))
    except BaseException:
        # What could not start would be handed out again at the next try.
        SharedSystemClient._identifier_to_system.pop(str(folder), None)  # noqa: SLF001 - nothing public does it
        raise


def _write_ahead(database: Path) -> None:
    """Have SQLite write changes to a log first, which is as safe: Chroma takes half as long for each then.

    The file remembers it. It is told by a connection that is closed before Chroma opens the file: Chroma has
    an SQLite of its own, and two in one process do not see each other's locks.
    """
    with suppress(OSError, sqlite3.Error):  # Chroma itself says what is wrong with its files
        database.parent.mkdir(parents=True, exist_ok=True)
        if not database.exists() or _rolls_back(database):
            with closing(sqlite3.connect(database)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")


def _rolls_back(database: Path) -> bool:
    """Whether the file says that its changes are not written ahead (SQLite's file format, section 1.3.3)."""
    with database.open("rb") as file:
        file.seek(18)
        return file.read(1) == b"\x01"


def remote(url: str) -> "ClientAPI":
    """Chroma on a server.

    Raises:
        UsageError: the address is none, or nobody answers there.
    """
    from urllib.parse import urlsplit

    import chromadb

    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UsageError(f"the Chroma address {url!r} is no http(s) URL")
    secure = parts.scheme == "https"
    try:
        return chromadb.HttpClient(
            host=parts.hostname, port=parts.port or (443 if secure else 8000), ssl=secure
        )
    except ValueError as error:
        raise UsageError(f"no Chroma server answers at {url}: {error}") from None
