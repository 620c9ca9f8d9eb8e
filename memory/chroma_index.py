"""The cases in Chroma, one collection a namespace, kept equal to the journal, from which they can be filled
anew at any time: a collection that cannot be read costs time, never a case.
"""

import hashlib
import logging
import warnings
from contextlib import nullcontext
from datetime import UTC, datetime
from shutil import disk_usage
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from memento.memory import chroma_client, journal
from memento.memory.case import Case
from memento.memory.chroma_rows import put
from memento.memory.database import what_happened
from memento.memory.errors import MementoError, UsageError
from memento.memory.hnsw_files import wipe_unused
from memento.memory.home import CHROMA, Home
from memento.memory.index_check import broken, compare, unopenable
from memento.memory.progress import progress_bar

if TYPE_CHECKING:
    from collections.abc import Callable

    from chromadb.api import ClientAPI
    from chromadb.api.collection_configuration import CreateHNSWConfiguration, UpdateHNSWConfiguration
    from chromadb.api.models.Collection import Collection

Vector = NDArray[np.float32]
T = TypeVar("T")

_BATCH = 500
_WORTH_A_BAR = 2_000
_MOST_MISSED = 2_000
"""Cases that a search may have missed and that are then looked at one by one."""
_ROOM = 16_000_000
"""Bytes that the disk must have left for Chroma to be given anything."""
# Of 100,000 cases Chroma's own (100, 16 and 100) misses every tenth of the nearest 64: `make bench-bank`.
_GRAPH: "CreateHNSWConfiguration" = {"ef_construction": 400, "max_neighbors": 32}
# With each change that is not yet in the index's files the next one takes longer: 14 ms become 26 with 700.
_CHANGEABLE: "UpdateHNSWConfiguration" = {"ef_search": 400, "sync_threshold": 250}
_log = logging.getLogger("memento")


class ChromaIndex:
    """The collections of one home, embedded in this process, or with `url` on a Chroma server."""

    def __init__(self, home: Home, url: str | None) -> None:
        self._home = home
        self._url = url
        self._server: ClientAPI | None = None
        self._collections: dict[str, Collection] = {}
        self._wiped: set[str] = set()
        self._folders = home.chroma_folders

    def nearest(self, vector: Vector, n: int, namespace: str) -> list[str]:
        """The ids of the `n` nearest cases, or of all where there are fewer, whatever their status."""
        if n < 1:
            return []
        query = cast("Any", [vector])
        found = self._with(
            namespace,
            lambda held: held.query(query_embeddings=query, n_results=n, include=[])["ids"][0],
        )
        return found if len(found) >= n else self._and_all_others(found, namespace)

    def follow(self, namespace: str) -> None:
        """Bring Chroma up to the journal: what was added, changed or deleted there and not yet here."""
        with self._home.bank_lock:
            self._with(namespace, lambda held: self._bring_up(namespace, held))

    def fill_anew(self, why: str) -> None:
        """Put the embedded Chroma aside, so that it is filled from the journal at its next use.

        Raises:
            UsageError: it is on a server.
        """
        with self._home.bank_lock:
            if self._url is not None:
                raise UsageError(f"the collection on {self._url} is not kept by this home: {why}")
            aside = self._home.put_chroma_aside(f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}")
            kept = f"; the broken one is kept as {aside.name}" if aside else ""
            _log.warning(
                "the case bank in %s is filled anew from the journal: %s%s", self._home.path, why, kept
            )

    def _and_all_others(self, found: list[str], namespace: str) -> list[str]:
        """These cases and all others: walking its graph, Chroma does not always reach the last ones. Where
        many are missing, Chroma has yet to be told of them, and a choice would wait for each to be read.
        """
        with self._home.reader.connect() as connection:
            others = journal.live_ids(connection, namespace).difference(found)
        return [*found, *sorted(others)] if len(others) <= _MOST_MISSED else found

    def _with(self, namespace: str, work: "Callable[[Collection], T]") -> T:
        """Do something with a collection; where it turns out to be unreadable, once more with a new one."""
        folders = self._home.chroma_folders
        try:
            return work(self._collection(namespace))
        except BaseException as error:
            why = chroma_failed(error)
            if why is None and folders == self._home.chroma_folders:
                raise
            self._check_curable(error)
        with self._home.bank_lock:
            if folders == self._home.chroma_folders:  # else another thread was here first
                self.fill_anew(str(why))
        try:
            return work(self._collection(namespace))
        except BaseException as error:
            why = chroma_failed(error)
            if why is None:
                raise
            raise MementoError(f"the case bank in {self._home.path} cannot be filled: {why}") from error

    def _check_curable(self, error: BaseException) -> None:
        """Raise a MementoError where filling the bank anew would not help."""
        if self._url is not None:
            raise MementoError(f"Chroma on {self._url} could not do it: {_first_line(error)}") from error
        folder = self._home.path / CHROMA
        held = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        if disk_usage(self._home.path).free < held:
            raise MementoError(f"the disk of {self._home.path} is full: free some space") from error
        said = what_happened(error, folder / "chroma.sqlite3") if held else None
        if said is not None and "damaged" not in said:
            raise MementoError(said) from error

    def _collection(self, namespace: str) -> "Collection":
        """The namespace's collection, made equal to the journal at its first use."""
        with self._home.bank_lock:
            client = self._client()
            if self._folders != self._home.chroma_folders:
                self._collections, self._wiped = {}, set()
                self._folders = self._home.chroma_folders
            collection = self._collections.get(namespace)
            if collection is None:
                with nullcontext() if self._url else self._home.chroma_mark.opening():
                    collection = _made(client, namespace)
                    found = compare(self._home, namespace, collection)
                    expected = found.put_right(self._home, collection)
                self._bring_up(namespace, collection, expected, searched=found.held > 0)
                self._collections[namespace] = collection
            return collection

    def _bring_up(
        self, namespace: str, collection: "Collection", expected: int = 0, *, searched: bool = False
    ) -> None:
        put = _push(self._home, namespace, collection, expected)
        # Chroma makes or reads a collection's index at the first change or search in a process.
        if (put or searched) and self._url is None and namespace not in self._wiped:
            wipe_unused(self._home.path / CHROMA)
            self._wiped.add(namespace)

    def _client(self) -> "ClientAPI":
        if self._url is not None:
            self._server = self._server or chroma_client.remote(self._url)
            return self._server
        if not self._home.chroma_is_open:
            self._home.claim()
            self._look_before_opening()
        return self._home.chroma

    def _look_before_opening(self) -> None:
        """Fill a Chroma anew that cannot be opened; read one whole that the last process did not close."""
        mark = self._home.chroma_mark
        why = unopenable(self._home)
        if not why and mark.left != "closed":
            try:
                with mark.opening():
                    why = broken(self._home)
            except BaseException as error:
                why = chroma_failed(error) or ""
                if not why:
                    raise
        if why:
            self.fill_anew(why)
        mark.settled()


def collection_name(namespace: str) -> str:
    return "cases-" + hashlib.sha256(namespace.encode()).hexdigest()[:32]


def _made(client: "ClientAPI", namespace: str) -> "Collection":
    """The namespace's collection, searched and kept as new ones are, however old it is."""
    collection = client.get_or_create_collection(
        collection_name(namespace),
        # Without this a text call would try to download a model.
        embedding_function=None,
        configuration={"hnsw": {"space": "cosine", **_GRAPH, **_CHANGEABLE}},
        metadata={"namespace": namespace},
    )
    own = collection.configuration_json.get("hnsw") or {}
    if any(own.get(name) != value for name, value in _CHANGEABLE.items()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of having no embedding function
            collection.modify(configuration={"hnsw": _CHANGEABLE})
    return collection


def _push(home: Home, namespace: str, collection: "Collection", expected: int = 0) -> int:
    """Put what the journal has and Chroma has not, and return how much that was; with a progress bar where
    much is expected.
    """
    pushed = 0
    with progress_bar("filling the case bank", expected if expected >= _WORTH_A_BAR else None) as bar:
        while True:
            with home.reader.connect() as connection:
                rows = journal.behind(connection, namespace, _BATCH)
            if not rows:
                return pushed
            kept = [(row, Case.from_dict(row.body)) for row in rows if row.body]
            gone = [row.id for row in rows if not row.body]
            if disk_usage(home.path).free < _ROOM:
                # Chroma itself would wait for room for ever.
                raise MementoError(f"the disk of {home.path} is full: free some space")
            if kept:
                put(collection, kept)
            if gone:
                collection.delete(ids=gone)
            with home.engine.begin() as connection:
                journal.settle(connection, namespace, rows)
            bar.more(len(rows))
            pushed += len(rows)
            if len(rows) < _BATCH:
                return pushed  # what changed meanwhile is brought by who changed it


def chroma_failed(error: BaseException) -> str | None:
    """Why Chroma could not do its work; None for any other error. What its Rust part panics with is no
    Exception.
    """
    kinds = {f"{kind.__module__}.{kind.__name__}" for kind in type(error).__mro__}
    if kinds & {"chromadb.errors.ChromaError", "pyo3_runtime.PanicException"}:
        return f"it cannot be read ({_first_line(error)})"
    return None


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
