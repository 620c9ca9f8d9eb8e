"""What Chroma is given of a case."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from memento.memory.case import Case
from memento.memory.embeddings import unit
from memento.memory.journal import JournalRow

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

_Held = tuple[Sequence[float], str | None]
"""A vector and the task that it is of."""
_SAME = 1e-5
"""How far the numbers of a vector may be from those that Chroma gives back."""


def put(collection: "Collection", rows: Sequence[tuple[JournalRow, Case]]) -> None:
    """Add these cases to a collection, or bring what it has of them up to date.

    No vector takes the place of another. When it is opened, Chroma gives its index the newest changes on
    several threads, and to change a vector then can cut another off that is being added, so that no search
    finds it any more. So the same vector is not given twice, and another comes as a new one.
    """
    held = _held(collection, [row.id for row, _ in rows])
    known = [(row, case) for row, case in rows if row.id in held and _same(held[row.id], row, case)]
    if known:
        collection.update(ids=[row.id for row, _ in known], metadatas=[_metadata(case) for _, case in known])
    done = {row.id for row, _ in known}
    new = [(row, case) for row, case in rows if row.id not in done]
    moved = [row.id for row, _ in new if row.id in held]
    if moved:
        collection.delete(ids=moved)
    if new:
        collection.upsert(
            ids=[row.id for row, _ in new],
            embeddings=cast("Any", [row.vector for row, _ in new]),
            documents=[case.task for _, case in new],
            metadatas=[_metadata(case) for _, case in new],
        )


def _held(collection: "Collection", ids: list[str]) -> dict[str, _Held]:
    """What it has of those of the ids that it has."""
    found = collection.get(ids=ids, include=["embeddings", "documents"])
    both = zip(cast("Any", found["embeddings"]), found["documents"] or [], strict=True)
    return dict(zip(found["ids"], both, strict=True))


def _same(held: _Held, row: JournalRow, case: Case) -> bool:
    vector, task = held
    theirs = unit(np.asarray(vector, dtype=np.float32))
    return task == case.task and bool(np.allclose(theirs, unit(row.vector), rtol=0.0, atol=_SAME))


def _metadata(case: Case) -> dict[str, str | int | float | bool]:
    """All of a case but its task, as Chroma's flat metadata."""
    row: dict[str, Any] = {key: value for key, value in case.to_dict().items() if key not in {"id", "task"}}
    return {
        key: json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value
        for key, value in row.items()
        if value is not None
    }
