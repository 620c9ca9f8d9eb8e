"""Namespaces are walls; one that is shared lies under the others, and is only read from there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from memento.memory import Case, CaseBank, build_policy
from memento.memory.browse import count, list_cases
from memento.memory.errors import UsageError
from tests.conftest import WordEncoder
from tests.memory_tools import axis, demonstration, run_case

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def layered(home: Path) -> Iterator[CaseBank]:
    """Ann's bank over the team's, in which there are two cases and one that is quarantined."""
    with CaseBank(home, WordEncoder(), "team") as team:
        team.add_many([Case(id="t1", task="one"), Case(id="t2", task="two")], [axis(0), axis(1)])
        team.add(Case(id="t3", task="three", status="quarantined"), axis(2))
    with CaseBank(home, WordEncoder(), "ann", shared="team") as bank:
        bank.add(Case(id="a1", task="her own"), axis(3, 1.0, towards=0))
        yield bank


def found(bank: CaseBank, vector: Any, n: int = 10, **options: Any) -> list[str]:
    return [candidate.case_id for candidate in bank.search(vector, n, **options)]


@pytest.mark.parametrize("name", ["../x", "..", "a/../../b", "..\\x", "x/..", "./x", " .. /x"])
def test_a_way_up_the_folders_is_no_namespace(home: Path, name: str) -> None:
    with pytest.raises(UsageError, match="not a path"):
        CaseBank(home, WordEncoder(), name)
    assert not home.exists()
    with CaseBank(home, WordEncoder()) as bank:
        with pytest.raises(UsageError, match="not a path"):
            bank.add(Case(task="a", namespace=name), axis(0))
        with pytest.raises(UsageError, match="not a path"):
            build_policy("similarity", bank=bank).select(axis(0), namespace=name)
        assert bank.ledger.runs() == []
    assert sorted(entry.name for entry in home.parent.iterdir()) == [home.name]


def test_nothing_of_one_namespace_shows_in_another(quick_bank: CaseBank) -> None:
    mine, other = quick_bank.namespace, f"{quick_bank.namespace}-other"
    for space in (mine, other):
        quick_bank.add(Case(id="same", task="a task", namespace=space), axis(0))
    policy = build_policy("kernel", bank=quick_bank, k=1)
    policy.record(policy.select(axis(0), explore=False), reward=1.0)
    quick_bank.edit("same", answer="mine")
    quick_bank.set_status("same", "quarantined")
    theirs = quick_bank.get("same", other)
    assert (theirs or run_case("r")).answer == ""
    assert found(quick_bank, axis(0), namespace=other) == ["same"]
    assert policy.select(axis(0), namespace=other).number == 1
    assert [row.shown for row in list_cases(quick_bank.ledger, mine).rows] == [1]
    assert [row.shown for row in list_cases(quick_bank.ledger, other).rows] == [0]
    assert (count(quick_bank.ledger, mine).shown, count(quick_bank.ledger, other).shown) == (1, 0)
    assert [change.action for change in quick_bank.changes(namespace=other)] == ["add"]
    quick_bank.delete("same")
    assert (quick_bank.count(), quick_bank.count(other)) == (0, 1)


def test_cases_of_the_shared_namespace_are_found_beside_ones_own(layered: CaseBank) -> None:
    assert found(layered, axis(0)) == ["t1", "a1", "t2"]
    assert found(layered, axis(0), 1) == ["t1"]
    assert found(layered, axis(0), exclude={"t1"}) == ["a1", "t2"]
    assert found(layered, axis(0), namespace="bob") == ["t1", "t2"]
    assert found(layered, axis(0), namespace="team") == ["t1", "t2"]
    assert [layered.get(case_id) is not None for case_id in ("a1", "t1", "t3", "absent")] == [
        True,
        True,
        True,
        False,
    ]
    assert (layered.count(), [case.id for case in layered.all()]) == (1, ["a1"])
    assert [case_id for case_id, _, status in layered.withheld(axis(2), 9)] == ["t3"]
    assert {c.case_id for c in layered.search(axis(0), 1, also=["a1", "t3"])} == {"a1", "t1"}


def test_ones_own_case_of_the_same_id_stands_over_the_shared_one(layered: CaseBank) -> None:
    layered.add(Case(id="t1", task="mine", status="quarantined"), axis(0))
    assert found(layered, axis(0)) == ["a1", "t2"]
    layered.set_status("t1", "active")
    assert found(layered, axis(0)) == ["t1", "a1", "t2"]
    assert (layered.get("t1") or run_case("r")).task == "mine"


@pytest.mark.parametrize(
    "write",
    [
        lambda bank: bank.add(Case(task="x", namespace="team"), axis(0)),
        lambda bank: bank.edit("t1", namespace="team", answer="x"),
        lambda bank: bank.note("t1", "x", namespace="team"),
        lambda bank: bank.pin("t1", namespace="team"),
        lambda bank: bank.set_status("t1", "quarantined", "team"),
        lambda bank: bank.delete("t1", "team"),
        lambda bank: bank.undo("team"),
        lambda bank: build_policy("similarity", bank=bank).select(axis(0), namespace="team"),
        lambda bank: bank.edit("t1", answer="x"),
        lambda bank: bank.delete("t1"),
    ],
    ids=[
        "add",
        "edit",
        "note",
        "pin",
        "status",
        "delete",
        "undo",
        "run",
        "edit from within",
        "delete from within",
    ],
)
def test_the_shared_namespace_is_not_written_from_the_private_side(layered: CaseBank, write: Any) -> None:
    before = layered.all("team")
    with pytest.raises(UsageError, match=r"only read here|no case 't1' in namespace 'ann'"):
        write(layered)
    assert layered.all("team") == before
    assert [change.action for change in layered.changes(namespace="team")] == ["add"] * 3


def test_a_shared_namespace_under_itself_is_refused(home: Path) -> None:
    with pytest.raises(UsageError, match="only read"):
        CaseBank(home, WordEncoder(), "team", shared="team")
    assert not home.exists()


@pytest.mark.parametrize("name", ["auto", "kernel", "similarity"])
def test_what_comes_of_a_shared_case_stays_private(layered: CaseBank, name: str) -> None:
    policy = build_policy(name, bank=layered, k=1)
    for _ in range(12):
        policy.record(policy.select(axis(1), exclude={"a1", "t1"}), reward=0.0)
    shown = [
        run for run in layered.ledger.runs("ann") if (layered.ledger.run(run["run_id"]) or {})["retrieved"]
    ]
    assert shown
    assert {run["shared"] for run in shown} == {"team"}
    assert layered.ledger.runs("team") == []
    assert layered.all("team")[1].status == "active"
    assert policy.select(axis(1), namespace="bob").number == 1


def test_a_shared_case_is_learned_from_as_ones_own_is(layered: CaseBank) -> None:
    policy = build_policy("similarity", bank=layered, k=1)
    selection = policy.select(axis(1))
    policy.record(selection, reward=1.0)
    with layered.home.reader.connect() as connection:
        row = connection.exec_driver_sql("SELECT case_id, direction, doubt FROM retrievals").one()
    assert row.case_id == "t2"
    assert row.direction is not None
    assert row.doubt is not None


def test_a_case_like_a_shared_one_is_ones_own(layered: CaseBank) -> None:
    case = layered.get("t1")
    assert case is not None
    layered.add(replace(demonstration("one"), namespace="ann"), axis(0))
    assert (layered.count(), layered.count("team")) == (2, 3)
