"""Searching the cases by what they mean and by the words in them, whatever their status.

Like memory/browse.py it reads the ledger alone, beside whatever process owns the bank. It goes through every
case, exactly, which a person waits for and an agent's choice would not (that is `CaseBank.search`).
"""

import math
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from heapq import nlargest
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, or_

from memento.memory import browse, journal
from memento.memory.browse import Listed
from memento.memory.case_filter import Filter
from memento.memory.embeddings import unit
from memento.memory.ledger import Ledger
from memento.memory.schema import cases

Vector = NDArray[np.float32]

_ROWS = 4096
_NEAR = 1000
"""So many of the nearest count as found by meaning."""
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
    wanted = wanted or Filter()
    with ledger.home.reader.connect() as connection:
        among = None
        if wanted.text:
            among = {case.id for case in browse.read(connection, namespace, wanted)}
        cosines = {} if vector is None else _cosines(connection, namespace, wanted, vector, among)
        matches = _matches(connection, namespace, wanted, browse.words_of(words), among)
        total = browse.count_wanted(connection, namespace, wanted) if among is None else len(among)
        near = nlargest(max(n, _NEAR), cosines, key=lambda case_id: (cosines[case_id], case_id))
        best = _best(_fused(near, _best(_by_words(matches, total))))[:n]
        found = journal.read_some(connection, namespace, best)
        became = browse.what_became(connection, namespace, best)
    return [
        Found(
            Listed(found[case_id], *became.get(case_id, (0, None))),
            cosines.get(case_id),
            len(matches.get(case_id, ())),
        )
        for case_id in best
    ]


def _cosines(
    connection: Connection, namespace: str, wanted: Filter, vector: Vector, among: Collection[str] | None
) -> dict[str, float]:
    """The cosines of the cases' tasks to a vector."""
    query = browse.query_for(namespace, wanted).order_by(None).with_only_columns(cases.c.id, cases.c.vector)
    target = unit(np.asarray(vector, np.float32))
    found: dict[str, float] = {}
    for part in connection.execute(query).partitions(_ROWS):
        rows = [row for row in part if among is None or row.id in among]
        matrix = np.frombuffer(b"".join(row.vector for row in rows), np.float32).reshape(-1, target.size)
        found.update(zip((row.id for row in rows), (unit(matrix) @ target).tolist(), strict=True))
    return found


def _matches(
    connection: Connection, namespace: str, wanted: Filter, words: list[str], among: Collection[str] | None
) -> dict[str, set[str]]:
    """The words that cases have, of those that have any."""
    if not words:
        return {}
    query = browse.query_for(namespace, wanted).where(or_(*(browse.may_have(word) for word in words)))
    found: dict[str, set[str]] = {}
    for body in connection.execute(query.order_by(None)).scalars():
        if among is None or body["id"] in among:
            said = browse.said_by(body)
            found[body["id"]] = {word for word in words if browse.has_word(said, word)}
    return {case_id: has for case_id, has in found.items() if has}


def _by_words(matches: dict[str, set[str]], total: int) -> dict[str, float]:
    """What the words that cases have are worth: a word that few of them have, more."""
    having = Counter(word for found in matches.values() for word in found)
    worth = {word: math.log(1.0 + total / count) for word, count in having.items()}
    return {case_id: sum(worth[word] for word in found) for case_id, found in matches.items()}


def _fused(*rankings: list[str]) -> dict[str, float]:
    """What each id is worth by its places in some rankings."""
    scores: dict[str, float] = {}
    for ranking in rankings:
        for rank, case_id in enumerate(ranking):
            scores[case_id] = scores.get(case_id, 0.0) + 1.0 / (_RANK + rank)
    return scores


def _best(scores: dict[str, float]) -> list[str]:
    return sorted(scores, key=lambda case_id: (-scores[case_id], case_id))
