"""Searching the cases by what they mean and by the words in them, whatever their status.

Like memory/browse.py it reads the ledger alone. It compares with every case, exactly: 100,000 take about a
second, which a person waits for and an agent's choice would not (that is `CaseBank.search`).
"""

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from memento.memory import browse
from memento.memory.browse import Listed
from memento.memory.case_filter import Filter
from memento.memory.embeddings import unit
from memento.memory.ledger import Ledger
from memento.memory.schema import cases

Vector = NDArray[np.float32]

_ROWS = 4096
_RANK = 60
"""Of reciprocal rank fusion (Cormack et al. 2009): how little the first ranks differ."""


@dataclass(frozen=True)
class Found:
    """A case that a search found: the cosine of its task to what was searched, None where that was not
    compared, and how many of the words it has.
    """

    listed: Listed
    similarity: float | None
    words: int

    def to_dict(self) -> dict[str, Any]:
        return {**self.listed.to_dict(), "similarity": self.similarity, "words": self.words}


def find_cases(
    ledger: Ledger,
    namespace: str,
    *,
    words: str = "",
    vector: Vector | None = None,
    n: int = 10,
    wanted: Filter | None = None,
) -> list[Found]:
    """The `n` best cases for some words, for the vector of what is meant, or for both: then the ranks by
    meaning and by words are fused.
    """
    with ledger.home.reader.connect() as connection:
        among = {case.id: case for case in browse.read(connection, namespace, wanted or Filter())}
        cosines = {} if vector is None else _cosines(connection, namespace, vector, set(among))
        matches = {case_id: _matches(browse.said_by(case), words) for case_id, case in among.items()}
        best = _best(_fused(_best(cosines), _best(_by_words(matches))))[:n]
        became = browse.what_became(connection, namespace, best)
    return [
        Found(
            Listed(among[case_id], *became.get(case_id, (0, None))),
            cosines.get(case_id),
            len(matches[case_id]),
        )
        for case_id in best
    ]


def _cosines(connection: Connection, namespace: str, vector: Vector, among: set[str]) -> dict[str, float]:
    """The cosines of the cases' tasks to a vector."""
    query = select(cases.c.id, cases.c.vector).where(cases.c.namespace == namespace, ~cases.c.deleted)
    target = unit(np.asarray(vector, np.float32))
    found: dict[str, float] = {}
    for part in connection.execute(query).partitions(_ROWS):
        rows = [row for row in part if row.id in among]
        if rows:
            matrix = np.stack([np.frombuffer(row.vector, np.float32) for row in rows])
            close = unit(matrix) @ target
            found.update((row.id, float(cosine)) for row, cosine in zip(rows, close, strict=True))
    return found


def _matches(said: str, words: str) -> set[str]:
    return {word for word in browse.words_of(words) if browse.has_word(said, word)}


def _by_words(matches: dict[str, set[str]]) -> dict[str, float]:
    """What the words that each case has are worth: a word that few cases have, more. None has no score."""
    having = Counter(word for found in matches.values() for word in found)
    worth = {word: math.log(1.0 + len(matches) / count) for word, count in having.items()}
    return {case_id: sum(worth[word] for word in found) for case_id, found in matches.items() if found}


def _fused(*rankings: list[str]) -> dict[str, float]:
    """What each id is worth by its places in some rankings."""
    scores: dict[str, float] = {}
    for ranking in rankings:
        for rank, case_id in enumerate(ranking):
            scores[case_id] = scores.get(case_id, 0.0) + 1.0 / (_RANK + rank)
    return scores


def _best(scores: dict[str, float]) -> list[str]:
    return sorted(scores, key=lambda case_id: (-scores[case_id], case_id))
