"""Whether Chroma has what the journal has."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from memento.memory import journal
from memento.memory.embeddings import unit
from memento.memory.hnsw_files import torn
from memento.memory.home import CHROMA, Home
from memento.memory.trial_opening import is_deadly

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

Vector = NDArray[np.float32]

_log = logging.getLogger("memento")
_PAGE = 5_000
_PROBES = 64
_SAME = 0.999
"""Cosine from which a vector that Chroma gives back is the one that it was given."""
_FOUND = 0.9
"""The share of some vectors that must be found by searching for them: the search is approximate."""


@dataclass(frozen=True)
class Difference:
    """What the journal's cases and a collection's ids do not share. `behind` counts the changes that the
    collection has not been told of.
    """

    namespace: str
    cases: int
    missing: Sequence[str]
    stray: Sequence[str]
    behind: int

    @property
    def held(self) -> int:
        """How many cases the collection has."""
        return self.cases - len(self.missing) + len(self.stray)

    @property
    def none(self) -> bool:
        return not (self.missing or self.stray or self.behind)

    def put_right(self, home: Home, collection: "Collection") -> int:
        """Remove the stray ones, mark the missing ones as to be put, and return how many are to be put."""
        if self.missing:
            with home.engine.begin() as connection:
                journal.set_behind(connection, self.namespace, self.missing)
        for start in range(0, len(self.stray), _PAGE):
            collection.delete(ids=list(self.stray[start : start + _PAGE]))
        return len(self.missing) + self.behind


def compare(home: Home, namespace: str, collection: "Collection") -> Difference:
    """The ids in the journal and in the collection.

    Raises:
        chromadb.errors.ChromaError: the collection cannot be read, or its search has lost cases.
    """
    held = set(collection.get(include=[])["ids"])
    with home.reader.connect() as connection:
        wanted = journal.live_ids(connection, namespace)
        behind = journal.count_behind(connection, namespace)
    _probe(collection, len(held))
    return Difference(namespace, len(wanted), sorted(wanted - held), sorted(held - wanted), behind)


def _probe(collection: "Collection", count: int) -> None:
    """Search once: Chroma opens its index only then, and where the files are gone, it finds little."""
    from chromadb.errors import InternalError

    if count:
        some = cast("Any", collection.get(limit=1, include=["embeddings"])["embeddings"])
        found = collection.query(query_embeddings=some, n_results=min(count, _PROBES), include=[])["ids"][0]
        if len(found) < min(count, _PROBES):
            raise InternalError(f"a search finds {len(found)} of {count} cases")


def unopenable(home: Home) -> str:
    """Why the embedded Chroma must not be opened; empty where it may be."""
    why = torn(home.path / CHROMA)
    if not why and home.chroma_mark.left == "opening":
        _log.warning("the last process ended while it opened %s: it is tried first", home.path / CHROMA)
        why = "a process that opens it dies" if is_deadly(home.path / CHROMA) else ""
    return why


def broken(home: Home) -> str:
    """What is wrong with the embedded Chroma, its vectors read whole; empty where nothing is.

    Raises:
        chromadb.errors.ChromaError: it cannot be read.
    """
    for collection in home.chroma.list_collections():
        namespace = str((collection.metadata or {}).get("namespace", ""))
        with home.reader.connect() as connection:
            settled = journal.settled_ids(connection, namespace)
        for start in range(0, len(settled), _PAGE):
            wrong = _differing(home, namespace, collection, settled[start : start + _PAGE])
            if wrong:
                return f"{wrong} of its vectors are not those of the journal"
        newest = settled[:_PROBES]
        if newest and _found(home, namespace, collection, newest) < _FOUND:
            return "a search does not find what is there"
    return ""


def _differing(home: Home, namespace: str, collection: "Collection", ids: list[str]) -> int:
    given = collection.get(ids=ids, include=["embeddings"])
    held = dict(zip(given["ids"], cast("Any", given["embeddings"]), strict=True))
    with home.reader.connect() as connection:
        own = journal.read_vectors(connection, namespace, ids)
    there = [case_id for case_id in ids if case_id in held and case_id in own]
    if not there:
        return 0
    ours = unit(np.stack([own[case_id][0] for case_id in there]))
    theirs = unit(np.asarray([held[case_id] for case_id in there], dtype=np.float32))
    nowhere = (ours == 0).all(axis=1) & (theirs == 0).all(axis=1)
    return int((~nowhere & (np.einsum("ij,ij->i", ours, theirs) < _SAME)).sum())


def _found(home: Home, namespace: str, collection: "Collection", ids: list[str]) -> float:
    """The share of some cases that a search for their own vector finds, or one as near."""
    with home.reader.connect() as connection:
        own = journal.read_vectors(connection, namespace, ids)
    asked = cast("Any", [vector for vector, _ in own.values()])
    given = collection.query(query_embeddings=asked, n_results=1, include=["distances"])
    nearest = [found[0] if found else np.inf for found in given["distances"] or []]
    return float(np.mean(np.asarray(nearest) <= 1.0 - _SAME))
