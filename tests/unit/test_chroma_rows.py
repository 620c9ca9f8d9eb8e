"""What Chroma is told of a case that changes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from memento.memory import journal
from tests.memory_tools import axis, demonstration, open_bank

if TYPE_CHECKING:
    from pathlib import Path

ADDED, TOLD, PUT, DELETED = range(4)


def told(home: Path) -> list[tuple[int, bool]]:
    """Chroma's log of changes, once it is closed: what each was, and whether it came with a vector."""
    with closing(sqlite3.connect(home / "chroma" / "chroma.sqlite3")) as log:
        rows = log.execute("SELECT operation, vector IS NOT NULL FROM embeddings_queue ORDER BY seq_id")
        return [(operation, bool(vector)) for operation, vector in rows]


def test_a_vector_is_given_once_however_often_its_case_changes(tmp_path: Path) -> None:
    with open_bank(tmp_path) as bank:
        kept = bank.add(demonstration("a task"), axis(0))
        bank.pin(kept)
        bank.set_status(kept, "quarantined")
        bank.set_status(kept, "active")
        bank.note(kept, "a note")
        assert [found.case_id for found in bank.search(axis(0), 1)] == [kept]
    assert told(tmp_path) == [(PUT, True), *[(TOLD, False)] * 4]


def test_a_changed_vector_comes_as_a_new_one(tmp_path: Path) -> None:
    with open_bank(tmp_path) as bank:
        kept = bank.add(demonstration("a task"), axis(0))
        other = bank.add(demonstration("another task"), axis(2))
        [vector] = bank.embed(["a task, put otherwise"])
        bank.edit(kept, task="a task, put otherwise")
        [found] = bank.search(vector, 1)
        assert (found.case_id, round(found.similarity, 5)) == (kept, 1.0)
        assert {found.case_id for found in bank.search(axis(2), 2)} == {kept, other}
    assert told(tmp_path) == [(PUT, True), (PUT, True), (DELETED, False), (PUT, True)]


def test_what_chroma_has_but_the_journal_does_not_know_of_is_not_given_again(tmp_path: Path) -> None:
    vectors = [*np.eye(64, dtype=np.float32)[:20], np.zeros(64, np.float32)]
    cases = [demonstration(f"task {n}") for n in range(len(vectors))]
    with open_bank(tmp_path) as bank:
        ids = bank.add_many(cases, vectors)
        with bank.home.engine.begin() as connection:
            journal.set_behind(connection, bank.namespace, ids)
    with open_bank(tmp_path) as bank:
        assert len(bank.search(vectors[0], 30)) == len(vectors)
    assert sum(vector for _, vector in told(tmp_path)) == len(vectors)
