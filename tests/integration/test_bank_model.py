"""The case bank against a plain dict: whatever is done to it, in whatever order, it is what the dict is."""

from __future__ import annotations

import copy
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from memento.memory import Case, CaseBank, Home
from memento.memory.errors import UsageError
from memento.memory.exchange import export_lines, write_file
from memento.memory.importing import import_file
from tests.conftest import WordEncoder
from tests.memory_tools import DIMENSIONS

Vector = Any
Row = tuple[Case, Vector]
Rows = dict[str, Row]


def direction(place: int) -> Vector:
    vector = np.zeros(DIMENSIONS, dtype=np.float32)
    vector[place] = 1.0
    vector[place + 1] = 0.5
    return vector / np.linalg.norm(vector)


SPACE, OTHER = "mine", "theirs"
IDS = st.sampled_from([f"case-{number}" for number in range(4)])
PLACES = st.integers(0, 3)
TEXTS = st.sampled_from(["one", "zwei größer", "three\n\u2028lines", "vier 🙂"])
VECTORS = st.integers(0, 5).map(direction)
STATUSES = st.sampled_from(["active", "quarantined", "retired"])
SETTINGS = settings(
    max_examples=5,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


def differ(one: Rows, other: Rows) -> bool:
    return list(one) != list(other) or any(one[key] is not other[key] for key in one)


class NoEncoder(WordEncoder):
    """Every vector is given."""

    def embed(self, texts: Any) -> Any:
        raise AssertionError(texts)


class Bank(RuleBasedStateMachine):
    """`rows` is the model, in the order of the bank, and `past` what it was before each change that can be
    undone.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.home = Path(self.folder.name) / "home"
        self.keeper = Home.open(self.home)
        self.bank = self.opened()
        self.rows: Rows = {}
        self.past: list[Rows] = []
        self.exported: Rows | None = None

    def opened(self) -> CaseBank:
        return CaseBank(self.home, NoEncoder(), SPACE)

    def teardown(self) -> None:
        self.bank.close()
        self.keeper.close()
        self.folder.cleanup()

    @initialize(vector=VECTORS)
    def a_case_that_is_nobodys_business(self, vector: Vector) -> None:
        self.bank.add(Case(id="case-0", task="theirs", namespace=OTHER), vector)

    @rule(new=st.lists(st.tuples(IDS, TEXTS, VECTORS, STATUSES), min_size=1, max_size=3))
    def add(self, new: list[tuple[str, str, Vector, Any]]) -> None:
        cases = [Case(id=i, task=task, status=status, namespace=SPACE) for i, task, _, status in new]
        assert self.bank.add_many(cases, [vector for _, _, vector, _ in new]) == [case.id for case in cases]
        after = dict(self.rows)
        for case, (_, _, vector, _) in zip(cases, new, strict=True):
            after.setdefault(case.id, (case, vector))
        self.became(after)

    @precondition(lambda self: self.rows)
    @rule(place=PLACES, task=TEXTS, vector=VECTORS)
    def edit_what_it_asks(self, place: int, task: str, vector: Vector) -> None:
        case_id = self.one(place)
        self.bank.edit(case_id, task=task, vector=vector)
        self.changed(case_id, {"task": task}, vector)

    @precondition(lambda self: self.rows)
    @rule(place=PLACES, answer=TEXTS, outcome=st.sampled_from([("success", 1.0), ("failure", 0.0)]))
    def edit_how_it_ended(self, place: int, answer: str, outcome: tuple[str, float]) -> None:
        case_id = self.one(place)
        fields = {"answer": answer, "outcome": outcome[0], "reward": outcome[1]}
        self.bank.edit(case_id, **fields)
        self.changed(case_id, fields)

    @precondition(lambda self: self.rows)
    @rule(place=PLACES, note=TEXTS, pinned=st.booleans())
    def note_and_pin(self, place: int, note: str, pinned: bool) -> None:
        case_id = self.one(place)
        self.bank.note(case_id, note)
        self.changed(case_id, {"note": note})
        self.bank.pin(case_id, pinned=pinned)
        self.changed(case_id, {"pinned": pinned})

    @precondition(lambda self: self.rows)
    @rule(place=PLACES, status=STATUSES)
    def set_status(self, place: int, status: Any) -> None:
        case_id = self.one(place)
        self.bank.set_status(case_id, status)
        self.changed(case_id, {"status": status})

    @precondition(lambda self: self.rows)
    @rule(place=PLACES)
    def delete(self, place: int) -> None:
        case_id = self.one(place)
        self.bank.delete(case_id)
        self.became({key: row for key, row in self.rows.items() if key != case_id})

    @precondition(lambda self: self.rows)
    @rule(place=PLACES)
    def purge(self, place: int) -> None:
        case_id = self.one(place)
        self.bank.purge(case_id)
        states = [{key: row for key, row in of.items() if key != case_id} for of in (*self.past, self.rows)]
        # What was done to nothing but this case was never done.
        self.past = [before for before, after in pairwise(states) if differ(before, after)]
        self.rows = states[-1]

    @precondition(lambda self: self.past)
    @rule(times=st.integers(1, 4))
    def undo(self, times: int) -> None:
        for _ in range(times):
            undone = self.bank.undo()
            assert bool(undone) == bool(self.past)
            self.rows = self.past.pop() if self.past else self.rows

    @rule()
    def export(self) -> None:
        lines = export_lines(self.bank.ledger, SPACE, vectors=True)
        assert write_file(self.file, lines) == len(self.rows)
        self.exported = dict(self.rows)

    @precondition(lambda self: self.exported is not None)
    @rule()
    def import_again(self) -> None:
        assert self.exported is not None
        told = import_file(self.bank, self.file)
        fresh = {key: row for key, row in self.exported.items() if key not in self.rows}
        assert (told.read, told.added) == (len(self.exported), len(fresh))
        self.became({**self.rows, **fresh})

    @rule()
    def reopen_the_bank(self) -> None:
        for wrong in (self.bank.delete, self.bank.pin, self.bank.edit):
            with pytest.raises(UsageError):
                wrong("absent")
        self.bank.close()
        self.bank = self.opened()

    @rule()
    def reopen_the_home(self) -> None:
        self.bank.close()
        self.keeper.close()
        self.keeper = Home.open(self.home)
        self.bank = self.opened()

    @invariant()
    def the_bank_is_what_the_dict_is(self) -> None:
        assert self.bank.all() == [case for case, _ in self.rows.values()]
        assert self.bank.count() == len(self.rows)
        kept = self.bank.vectors(list(self.rows))
        assert all(np.array_equal(kept[key][0], vector) for key, (_, vector) in self.rows.items())
        assert self.bank.get("absent") is None

    @invariant()
    def a_search_finds_the_active_ones_by_their_vectors(self) -> None:
        asked = direction(2)
        active = {
            key: float(vector @ asked) for key, (case, vector) in self.rows.items() if case.status == "active"
        }
        found = self.bank.search(asked, 20)
        assert {candidate.case_id for candidate in found} == set(active)
        assert all(abs(candidate.similarity - active[candidate.case_id]) < 1e-4 for candidate in found)
        assert [c.similarity for c in found] == sorted((c.similarity for c in found), reverse=True)

    @invariant()
    def the_other_namespace_is_as_it_was(self) -> None:
        assert [(case.id, case.task) for case in self.bank.all(OTHER)] == [("case-0", "theirs")]

    @property
    def file(self) -> Path:
        return Path(self.folder.name) / "cases.jsonl"

    def one(self, place: int) -> str:
        """The id of one of the cases that are there."""
        return list(self.rows)[place % len(self.rows)]

    def changed(self, case_id: str, fields: dict[str, Any], vector: Vector | None = None) -> None:
        """Do to the dict what was done to the bank."""
        case, before = self.rows[case_id]
        after = Case.from_dict({**case.to_dict(), **fields})
        if vector is not None or after != case:
            self.became({**self.rows, case_id: (after, before if vector is None else vector)})

    def became(self, after: Rows) -> None:
        if differ(after, self.rows):
            self.past.append(copy.copy(self.rows))
        self.rows = after


TestBank = Bank.TestCase
TestBank.settings = SETTINGS
