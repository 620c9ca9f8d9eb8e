"""Correcting the bank: a change is one everywhere at once, the audit tells of it, and it can be undone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from memento.memory import Case, CaseBank
from memento.memory.errors import UsageError
from tests.conftest import WordEncoder
from tests.memory_tools import add_run, axis, demonstration, step

if TYPE_CHECKING:
    from pathlib import Path


def found(bank: CaseBank, vector: Any, n: int = 10) -> list[str]:
    return [candidate.case_id for candidate in bank.search(vector, n)]


def case_of(bank: CaseBank, case_id: str) -> Case:
    case = bank.get(case_id)
    assert case is not None
    return case


def test_an_edited_task_is_embedded_anew_and_found_by_what_it_says_now(quick_bank: CaseBank) -> None:
    case_id = quick_bank.add(demonstration("name the capital of France"))
    edited = quick_bank.edit(case_id, task="convert miles to kilometres", answer="1.6")
    assert edited == case_of(quick_bank, case_id)
    assert (edited.id, edited.task, edited.answer) == (case_id, "convert miles to kilometres", "1.6")
    [candidate] = quick_bank.search(quick_bank.embed(["convert miles to kilometres"])[0], 1)
    assert candidate.similarity == pytest.approx(1, abs=1e-5)


def test_an_edit_may_bring_its_vector_and_then_embeds_nothing(home: Path) -> None:
    class Silent(WordEncoder):
        def embed(self, texts: Any) -> Any:
            raise AssertionError(texts)

    with CaseBank(home, Silent()) as bank:
        case_id = bank.add(demonstration("a"), axis(0))
        bank.edit(case_id, task="b", vector=axis(3))
        assert bank.search(axis(3), 1)[0].similarity == pytest.approx(1)
        bank.edit(case_id, vector=axis(5))
        assert bank.search(axis(5), 1)[0].similarity == pytest.approx(1)
        bank.edit(case_id, task="b")
        with pytest.raises(UsageError, match="64 dimensions"):
            bank.edit(case_id, task="c", vector=np.ones(3))
        assert case_of(bank, case_id).task == "b"


def test_an_edit_changes_what_a_choice_reads_of_the_case(quick_bank: CaseBank) -> None:
    case_id = quick_bank.add(demonstration("a", "tool"), axis(0))
    quick_bank.edit(case_id, trajectory=[step("other", "third")], outcome="failure")
    [candidate] = quick_bank.search(axis(0), 1)
    assert (candidate.tools, candidate.outcome) == (("other", "third"), "failure")
    assert case_of(quick_bank, case_id).reward == 0.0
    assert quick_bank.edit(case_id, reward=0.8).outcome == "success"
    assert quick_bank.edit(case_id, outcome="unknown").reward is None


@pytest.mark.parametrize(
    "fields",
    [
        {"task": ""},
        {"task": 5},
        {"plan": "one step"},
        {"reward": 2},
        {"reward": "much"},
        {"outcome": "splendid"},
        {"outcome": ["success"]},
        {"trajectory": [5]},
        {"note": None},
        {"id": "other"},
        {"status": "active"},
        {"colour": "red"},
    ],
    ids=str,
)
def test_an_edit_that_cannot_be_meant_is_refused_and_nothing_changes(
    quick_bank: CaseBank, fields: dict[str, Any]
) -> None:
    case_id = quick_bank.add(demonstration("a"), axis(0))
    before = case_of(quick_bank, case_id)
    with pytest.raises(UsageError):
        quick_bank.edit(case_id, **fields)
    assert case_of(quick_bank, case_id) == before
    assert [change.action for change in quick_bank.changes()] == ["add"]


def test_what_looks_like_a_credential_does_not_come_in_by_an_edit(quick_bank: CaseBank) -> None:
    case_id = quick_bank.add(demonstration("a"), axis(0))
    quick_bank.edit(case_id, answer="use sk-proj-abcdefghijklmnop1234567890")
    quick_bank.note(case_id, "password=open-sesame-123")
    assert case_of(quick_bank, case_id).answer == "use [redacted]"
    assert "sesame" not in str(quick_bank.changes()) + str(case_of(quick_bank, case_id))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda bank: bank.edit("absent", answer="x"),
        lambda bank: bank.note("absent", "x"),
        lambda bank: bank.pin("absent"),
        lambda bank: bank.set_status("absent", "quarantined"),
        lambda bank: bank.delete("absent"),
    ],
    ids=["edit", "note", "pin", "quarantine", "delete"],
)
def test_an_id_that_is_not_there_is_named_and_nothing_is_written(quick_bank: CaseBank, wrong: Any) -> None:
    with pytest.raises(UsageError, match="'absent'"):
        wrong(quick_bank)
    assert quick_bank.changes() == []


def test_the_audit_says_who_did_what_and_what_was_before(home: Path) -> None:
    with CaseBank(home, WordEncoder(), by="ann") as bank:
        case_id = bank.add(demonstration("a"), axis(0))
        bank.edit(case_id, answer="better")
        bank.note(case_id, "checked")
        bank.pin(case_id)
        bank.set_status(case_id, "quarantined")
        bank.delete(case_id)
        told = bank.changes(case_id)
        gone = told[0]
    assert {change.by for change in told} == {"ann"}
    assert all(change.at > "2026" for change in told)
    assert [(change.action, change.before, change.after) for change in reversed(told[1:])] == [
        ("add", None, None),
        ("edit", {"answer": "done"}, {"answer": "better"}),
        ("note", {"note": ""}, {"note": "checked"}),
        ("pin", {"pinned": False}, {"pinned": True}),
        ("quarantine", {"status": "active"}, {"status": "quarantined"}),
    ]
    assert (gone.action, (gone.before or {})["answer"], gone.after) == ("delete", "better", None)


def test_what_changes_nothing_is_no_change(quick_bank: CaseBank) -> None:
    case_id = quick_bank.add(demonstration("a"), axis(0))
    quick_bank.add(demonstration("a"), axis(0))
    quick_bank.edit(case_id, answer="done")
    quick_bank.pin(case_id, pinned=False)
    quick_bank.set_status(case_id, "active")
    assert [change.action for change in quick_bank.changes()] == ["add"]


def test_undo_takes_back_one_change_after_another(quick_bank: CaseBank) -> None:
    case_id = quick_bank.add(demonstration("a"), axis(0))
    quick_bank.edit(case_id, task="b", vector=axis(1))
    quick_bank.set_status(case_id, "quarantined")
    quick_bank.delete(case_id)
    assert [change.action for change in quick_bank.undo()] == ["delete"]
    assert (case_of(quick_bank, case_id).task, found(quick_bank, axis(1))) == ("b", [])
    quick_bank.undo()
    assert found(quick_bank, axis(1)) == [case_id]
    quick_bank.undo()
    assert case_of(quick_bank, case_id).task == "a"
    assert quick_bank.search(axis(0), 1)[0].similarity == pytest.approx(1)
    quick_bank.undo()
    assert (quick_bank.get(case_id), found(quick_bank, axis(0))) == (None, [])
    assert quick_bank.undo() == []


def test_what_was_added_at_once_is_undone_at_once(quick_bank: CaseBank) -> None:
    first = quick_bank.add(demonstration("first"), axis(0))
    quick_bank.add_many([demonstration("a"), demonstration("b"), demonstration("first")], [axis(1)] * 3)
    assert len(quick_bank.undo()) == 2
    assert [case.id for case in quick_bank.all()] == [first]


def test_undoing_a_deletion_brings_back_place_runs_and_comments(quick_bank: CaseBank) -> None:
    space = quick_bank.namespace
    case = Case(task="a secret task", source_run=space, namespace=space)
    add_run(quick_bank.ledger, space, case, namespace=space, task="a secret task", answer="hush")
    quick_bank.sync()
    later = quick_bank.add(demonstration("later"), axis(1))
    quick_bank.ledger.feedback(space, 1.0, comment="well done")
    before, run = quick_bank.all(), quick_bank.ledger.run(space)
    quick_bank.delete(case.id)
    assert "secret" not in str(quick_bank.ledger.run(space))
    assert [case.id for case in quick_bank.all()] == [later]
    quick_bank.undo()
    assert (quick_bank.all(), quick_bank.ledger.run(space)) == (before, run)
    assert set(found(quick_bank, axis(0))) == {case.id, later}


def test_undo_keeps_what_a_run_taught_meanwhile(quick_bank: CaseBank) -> None:
    space = quick_bank.namespace
    case = Case(task="a task", source_run=space, namespace=space)
    add_run(quick_bank.ledger, space, case, namespace=space)
    quick_bank.note(case.id, "first")
    quick_bank.ledger.feedback(space, 1.0)
    quick_bank.undo()
    kept = case_of(quick_bank, case.id)
    assert (kept.note, kept.outcome, kept.reward) == ("", "success", 1.0)


def test_undo_stays_within_its_namespace_and_leaves_runs_alone(quick_bank: CaseBank) -> None:
    other = f"{quick_bank.namespace}-other"
    quick_bank.add(replace(demonstration("theirs"), namespace=other), axis(0))
    add_run(
        quick_bank.ledger,
        quick_bank.namespace,
        Case(task="of a run", source_run=quick_bank.namespace, namespace=quick_bank.namespace),
        namespace=quick_bank.namespace,
    )
    assert quick_bank.undo() == []
    assert (quick_bank.count(), quick_bank.count(other)) == (1, 1)
    assert len(quick_bank.undo(other)) == 1


def test_everything_that_was_corrected_is_there_after_reopening(home: Path) -> None:
    with CaseBank(home, WordEncoder()) as bank:
        case_id = bank.add(demonstration("a"), axis(0))
        bank.edit(case_id, task="b", vector=axis(2))
        bank.pin(case_id)
        before, told = bank.all(), bank.changes()
    with CaseBank(home, WordEncoder()) as bank:
        assert (bank.all(), bank.changes()) == (before, told)
        assert bank.search(axis(2), 1)[0].similarity == pytest.approx(1)
        bank.undo()
        assert not case_of(bank, case_id).pinned


def test_feedback_reaches_the_case_in_the_runs_own_namespace_only(quick_bank: CaseBank) -> None:
    space, other = quick_bank.namespace, f"{quick_bank.namespace}-other"
    case = Case(task="a task", source_run=space, namespace=space)
    add_run(quick_bank.ledger, space, case, namespace=space)
    quick_bank.add(replace(case, namespace=other), axis(0))
    quick_bank.ledger.feedback(space, 0.0)
    assert case_of(quick_bank, case.id).outcome == "failure"
    assert (quick_bank.get(case.id, other) or case).outcome == "unknown"
