"""How Chroma is reached: embedded in this process, or on a server."""

from pathlib import Path
from typing import TYPE_CHECKING

from memento.memory.errors import UsageError

if TYPE_CHECKING:
    from chromadb.api import ClientAPI


def embedded(folder: Path) -> "ClientAPI":
    """Chroma on a folder, which no other client may have open.

    Raises:
        chromadb.errors.ChromaError: its files cannot be read.
    """
    import chromadb
    from chromadb.api.shared_system_client import SharedSystemClient
    from chromadb.config import Settings

    try:
        return chromadb.PersistentClient(path=str(folder), settings=Settings(anonymized_telemetry=False))
    except BaseException:
        # What could not start would be handed out again at the next try.
        SharedSystemClient._identifier_to_system.pop(str(folder), None)  # noqa: SLF001 - nothing public does it
        raise


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
