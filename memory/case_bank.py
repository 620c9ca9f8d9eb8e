"""The persistent case bank, on Chroma: one collection a namespace, kept equal to the ledger's journal."""

import logging
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Collection as SetOf
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from memento.memory import journal, purge
from memento.memory.case import Case, Outcome, Status, doubt_of
from memento.memory.centre import CentredEncoder
from memento.memory.changes import Action
from memento.memory.chroma_index import ChromaIndex
from memento.memory.curation import Curation, record_added
from memento.memory.embeddings import Encoder, Vectors, cosines, load_encoder, unit
from memento.memory.errors import MementoError, UsageError
from memento.memory.home import Home
from memento.memory.ledger import Ledger
from memento.memory.namespace import checked_namespace
from memento.memory.purge import Purged

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

Vector = NDArray[np.float32]
T = TypeVar("T")

_log = logging.getLogger("memento")

_MORE = 4
"""How many times as many cases a search asks for where too many of those found may not be shown."""


class Candidate(NamedTuple):
    """A case that a search found. `similarity` is the cosine of the two tasks, `vector` has unit length, and
    `form` is a hash of how it called its tools (memory/form.py).
    """

    case_id: str
    similarity: float
    vector: Vector
    outcome: Outcome
    tools: tuple[str, ...]
    form: str = ""
    probation: bool = False

    @property
    def doubt(self) -> float:
        return doubt_of(self.outcome, probation=self.probation)


class CaseBank(Curation):
    """The cases of one home, by namespace. One process at a time may have it open, others only to read.

    `home` is a path or a Home. `embedding` is None for the default encoder (loaded at the first text that
    needs it), a LangChain "provider:model", or an object with `embed` or `embed_documents`. `shared` is a
    namespace that lies under every other: its cases are found too, and are only read. `by` is who the audit
    says it was that corrected a case. With `read_only` the cases are listed and read from the journal, beside
    whatever process has the home open; a search and a change are refused.

    Raises:
        HomeInUseError: another process has the home's bank open.
        UsageError: the home cannot be used, or was made with another embedding.
    """

    def __init__(
        self,
        home: str | Path | Home,
        embedding: "str | Encoder | Embeddings | None" = None,
        namespace: str = "default",
        *,
        chroma_url: str | None = None,
        shared: str | None = None,
        by: str = "python",
        read_only: bool = False,
    ) -> None:
        encoder = load_encoder(embedding)
        self.shared = None if shared is None else checked_namespace(shared)
        self.namespace = checked_namespace(namespace)
        self.read_only = read_only
        self._not_shared(namespace)
        self.by = by
        self.ledger = Ledger(home, read_only=read_only)
        self.home = self.ledger.home
        self.encoder = CentredEncoder(encoder, self.ledger, read_only=read_only)
        self._index = ChromaIndex(self.home, chroma_url)
        self._embedded = chroma_url is None
        self._known_dimensions: int | None = None
        self._withheld: dict[str, int] = {}
        if read_only:
            return
        try:
            if chroma_url is None:
                self.home.claim()
            self._check_encoder()
            self._finish_purging()
        except BaseException:
            self.ledger.close()
            raise

    def close(self) -> None:
        self.ledger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- writing

    def purge(
        self,
        case_id: str,
        namespace: str | None = None,
        *,
        and_of_run: Callable[[str], object] = lambda _: None,
    ) -> Purged:
        """Remove a case, be it there or deleted before, with its runs and all that the home's files have of
        it: nothing brings it back. `and_of_run` is told the id of each of those runs, to remove what else
        there is of it. It takes as long as filling Chroma anew from the journal does.

        Raises:
            UsageError: nothing is known of such a case.
            MementoError: the case is gone, but its traces in the files go only at the next opening.
        """
        space = self.writable(namespace)
        with self.home.at_work():
            with self.home.engine.begin() as connection:
                gone = purge.forget(connection, space, case_id, self.by)
                for run_id in gone.runs:
                    and_of_run(run_id)
            if not self._embedded:
                self.sync(space)
            self._clean_files()
            self.sync(space)
        return gone

    def add(self, case: Case, vector: Vector | None = None) -> str:
        """Keep a case, and return its id. Its vector is that of its task unless one is given."""
        return self.add_many([case], None if vector is None else [vector])[0]

    def add_many(self, cases: Iterable[Case], vectors: Sequence[Vector] | Vectors | None = None) -> list[str]:
        """Keep cases, all of them or none, and return their ids. A given vector is stored as it is.

        A case whose id is there already is left as it is. A case without a namespace gets the bank's.

        Raises:
            UsageError: the vectors are not as many as the cases, or not of the home's dimensions.
        """
        return self._add(cases, vectors, "add")[0]

    def take_in(
        self, cases: Iterable[Case], vectors: Sequence[Vector] | Vectors, number: int | None
    ) -> int | None:
        """Keep cases from elsewhere as one more part of the change of this number, or of a new one, and
        return its number: all of its parts are undone at once.
        """
        return self._add(cases, vectors, "import", number)[1]

    def _add(
        self,
        cases: Iterable[Case],
        vectors: Sequence[Vector] | Vectors | None,
        action: Action,
        number: int | None = None,
    ) -> tuple[list[str], int | None]:
        placed = [self._placed(case) for case in cases]
        if not placed:
            return [], number
        rows = self.embed([case.task for case in placed]) if vectors is None else vectors
        if len(rows) != len(placed):
            raise UsageError(f"{len(placed)} cases need as many vectors, not {len(rows)}")
        checked = [self.checked_vector(row) for row in rows]
        with self.home.at_work():
            with self.home.engine.begin() as connection:
                for fresh in _not_there(connection, placed):
                    number = record_added(connection, fresh, action, self.by, number)
                ids = [
                    journal.add_case(connection, case, row, merge_repetitions=False)
                    for case, row in zip(placed, checked, strict=True)
                ]
            for namespace in {case.namespace for case in placed}:
                self.sync(namespace)
        return ids, number

    def sync(self, namespace: str | None = None) -> None:
        """Bring Chroma up to the journal: what was added, changed or deleted there and not yet here."""
        self._check_owned()
        space = namespace or self.namespace
        with self.home.at_work():
            try:
                self._index.follow(space)
            except MementoError as error:
                _log.warning("the case bank follows the journal later: %s", error)

    # -- reading

    def get(self, case_id: str, namespace: str | None = None) -> Case | None:
        """The case, or None when there is no such case."""
        return self.get_many([case_id], namespace).get(case_id)

    def get_many(self, case_ids: Sequence[str], namespace: str | None = None) -> dict[str, Case]:
        """Those of the cases that are there, by id."""
        return self._read(journal.read_some, case_ids, namespace)

    def vectors(
        self, case_ids: Sequence[str], namespace: str | None = None
    ) -> dict[str, tuple[Vector, Outcome]]:
        """Vector and outcome of those of the cases that are there, whatever their status, by id."""
        return self._read(journal.read_vectors, case_ids, namespace)

    def outcomes(self, case_ids: Sequence[str], namespace: str | None = None) -> dict[str, Outcome]:
        """The outcome of those of the cases that are there, whatever their status, by id."""
        return self._read(journal.read_outcomes, case_ids, namespace)

    def all(self, namespace: str | None = None, status: Status | None = None) -> list[Case]:
        """The cases in the order in which they came, of one status or of any."""
        with self.home.reader.connect() as connection:
            return journal.read_all(connection, namespace or self.namespace, status)

    def count(self, namespace: str | None = None, status: Status | None = None) -> int:
        with self.home.reader.connect() as connection:
            return journal.count(connection, namespace or self.namespace, status)

    def search(
        self,
        vector: Vector,
        n: int,
        namespace: str | None = None,
        exclude: SetOf[str] = (),
        also: SetOf[str] = (),
    ) -> list[Candidate]:
        """The `n` nearest active cases, and those of `also` that are active, nearest first, without those in
        `exclude`.
        """
        self._check_owned()
        task = unit(self.checked_vector(vector))
        found = {
            candidate.case_id: candidate
            for space in self._layers(namespace)
            for candidate in self._search(task, n, space, namespace, exclude, also)
        }
        ranked = sorted(found.values(), key=lambda found: (-found.similarity, found.case_id))
        return ranked[:n] + [candidate for candidate in ranked[n:] if candidate.case_id in also]

    def candidates(
        self, task: Vector, case_ids: Sequence[str], namespace: str | None = None
    ) -> list[Candidate]:
        """Those of the cases that are there and active, in this order; `task` has unit length."""
        looks = self._read(journal.read_looks, case_ids, namespace)
        found = [(i, looks[i]) for i in case_ids if i in looks and looks[i].status == "active"]
        if not found:
            return []
        vectors = unit(journal.vectors_of([look for _, look in found]))
        return [
            Candidate(case_id, cosine, own, look.outcome, look.tools, look.form, look.probation)
            for (case_id, look), own, cosine in zip(
                found, vectors, cosines(vectors, task).tolist(), strict=True
            )
        ]

    def withheld(
        self, vector: Vector, n: int, namespace: str | None = None
    ) -> list[tuple[str, float, Status]]:
        """(case id, cosine, status) of those among the `n` nearest cases that may not be shown."""
        self._check_owned()
        task = unit(self.checked_vector(vector))
        near = [
            case_id for space in self._layers(namespace) for case_id in self._index.nearest(task, n, space)
        ]
        looks = self._read(journal.read_looks, near, namespace)
        if not looks:
            return []
        found = cosines(unit(journal.vectors_of(list(looks.values()))), task)
        similarity = dict(zip(looks, found.tolist(), strict=True))
        nearest = sorted(similarity, key=lambda case_id: (-similarity[case_id], case_id))[:n]
        return [(i, similarity[i], looks[i].status) for i in nearest if looks[i].status != "active"]

    def embed(self, texts: Sequence[str]) -> Vectors:
        """The encoder's vectors, shape (texts, dimensions)."""
        return self.encoder.embed(texts)

    def checked_vector(self, vector: Vector) -> Vector:
        """The vector as float32.

        Raises:
            UsageError: it is not finite, or not of the home's dimensions.
        """
        row = np.asarray(vector, dtype=np.float32)
        if row.ndim != 1 or not row.size or not np.isfinite(row).all():
            raise UsageError("a vector is one row of finite numbers")
        dimensions = self._dimensions()
        if dimensions is not None and row.size != dimensions:
            raise UsageError(f"this home's vectors have {dimensions} dimensions, not {row.size}")
        return row

    # -- inside

    def _layers(self, namespace: str | None) -> list[str]:
        """The namespaces whose cases are found, the one that is asked for first."""
        space = namespace or self.namespace
        shared = self.shared_under(space)
        return [space] if shared is None else [space, shared]

    def _read(
        self,
        read: Callable[[Connection, str, Sequence[str]], dict[str, T]],
        case_ids: Sequence[str],
        namespace: str | None,
    ) -> dict[str, T]:
        """What `read` finds of some cases. One that is in both layers is what it is in the upper one."""
        found: dict[str, T] = {}
        with self.home.reader.connect() as connection:
            for space in reversed(self._layers(namespace)):
                found |= read(connection, space, case_ids)
        return found

    def _search(
        self,
        task: Vector,
        n: int,
        layer: str,
        namespace: str | None,
        exclude: SetOf[str],
        also: SetOf[str],
    ) -> list[Candidate]:
        """At least the `n` nearest active cases of one layer, if there are so many, and those of `also`."""
        spare = self._withheld.get(layer, 0)
        wanted = n + len(exclude) + spare
        while True:
            ids = self._index.nearest(task, wanted, layer)
            read = {case_id: None for case_id in (*ids, *also) if case_id not in exclude}
            found = self.candidates(task, list(read), namespace)
            near = set(ids).intersection(candidate.case_id for candidate in found)
            if len(near) >= n or len(ids) < wanted:
                # The next search asks for so many more, if as many are in its way.
                withheld = [i for i in ids[: n + len(exclude) + spare] if i not in near and i not in exclude]
                self._withheld[layer] = min(n, max(len(withheld), spare // 2))
                return found
            # A filter on status would cost Chroma hundreds of milliseconds in a large bank.
            wanted *= _MORE

    def _placed(self, case: Case) -> Case:
        space = self.writable(case.namespace or None)
        return case if case.namespace == space else replace(case, namespace=space)

    def writable(self, namespace: str | None) -> str:
        """The namespace that a run or a change is for, or the bank's own.

        Raises:
            UsageError: it is no name, or the shared namespace, which is only read here; or all is.
        """
        self._check_owned()
        return self._not_shared(namespace)

    def _not_shared(self, namespace: str | None) -> str:
        space = self.namespace if namespace is None else checked_namespace(namespace)
        if space == self.shared:
            raise UsageError(
                f"the shared namespace {space!r} is only read here: open it as a namespace of its own"
            )
        return space

    def _check_owned(self) -> None:
        if self.read_only:
            raise UsageError("this case bank is only read: open it without read_only to search or change it")

    def shared_under(self, namespace: str) -> str | None:
        """The namespace whose cases are found beside those of this one."""
        return None if namespace == self.shared else self.shared

    def _finish_purging(self) -> None:
        """Do what a purge that was cut short has left."""
        with self.home.reader.connect() as connection:
            pending = purge.is_pending(connection)
        if pending:
            try:
                self._clean_files()
            except MementoError as error:
                _log.warning("%s", error)

    def _clean_files(self) -> None:
        with self.home.bank_lock:
            purge.clean_files(self.home, embedded=self._embedded)

    def _check_encoder(self) -> None:
        made_with = self.ledger.fact("embedding", self.encoder.name)
        if made_with != self.encoder.name:
            raise UsageError(
                f"{self.home.path} was made with the embedding {made_with!r}, not {self.encoder.name!r}: "
                "set MEMENTO_EMBEDDING to that, or use another home with --home DIR"
            )

    def _dimensions(self) -> int | None:
        if self._known_dimensions is None:
            with self.home.reader.connect() as connection:
                self._known_dimensions = journal.known_dimensions(connection)
        return self._known_dimensions


def _not_there(connection: Connection, cases: Sequence[Case]) -> Iterable[list[Case]]:
    """Those of the cases that the journal has not got yet, by namespace, each once."""
    for namespace in {case.namespace for case in cases}:
        named = {case.id: case for case in cases if case.namespace == namespace}
        known = journal.known_ids(connection, namespace, list(named))
        yield [case for case_id, case in named.items() if case_id not in known]
