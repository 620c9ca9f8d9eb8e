"""Harm control: what is quarantined, restored and put on probation by what came of showing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from memento.memory import Case, CaseBank, RunRecord, Shown
from memento.memory.errors import UsageError
from tests.memory_tools import axis, demonstration, step

if TYPE_CHECKING:
    from collections.abc import Sequence

ELSEWHERE = axis(5)


def show(
    bank: CaseBank, case_ids: Sequence[str], reward: float | None, expected: float = 0.6, **about: Any
) -> str:
    """A run on an unrelated task that showed the cases where `expected` was expected without any."""
    number = bank.ledger.next_number(bank.namespace)
    run_id = f"{bank.namespace}-{number}"
    slots = [
        Shown(case_id=case_id, rank=rank, similarity=0.1, q=0.5, q_std=0.1, propensity=0.5)
        for rank, case_id in enumerate(case_ids)
    ]
    record = RunRecord(
        run_id=run_id,
        namespace=bank.namespace,
        number=number,
        vector=about.pop("vector", ELSEWHERE),
        arm="learned",
        without=expected,
        without_std=about.pop("std", 0.0),
        shown=slots,
    )
    bank.ledger.commit_run(record)
    if reward is not None:
        bank.ledger.feedback(run_id, reward)
    return run_id


def status(bank: CaseBank, case_id: str) -> str:
    case = bank.get(case_id)
    assert case is not None
    return case.status


def on_probation(bank: CaseBank, case_id: str) -> bool:
    return next(found.probation for found in bank.search(axis(0), 9) if found.case_id == case_id)


def add(bank: CaseBank, name: str) -> str:
    return bank.add(demonstration(name, name), axis(0, 0.1 * bank.count()))


def child_of(bank: CaseBank, name: str, *parents: str) -> str:
    about: dict[str, Any] = {"plan": ["x"], "trajectory": [step("x")], "answer": "y", "reward": 1.0}
    born = Case.from_run(name, namespace=bank.namespace, task=name, parents=list(parents), **about)
    return bank.add(born, axis(1))


def test_a_case_that_fails_again_and_again_is_quarantined_and_not_found(quick_bank: CaseBank) -> None:
    bad, good = add(quick_bank, "bad"), add(quick_bank, "good")
    for number in range(40):
        show(quick_bank, [bad], float(number % 4 == 0))
        show(quick_bank, [good], float(number % 4 > 0))
    assert (status(quick_bank, bad), status(quick_bank, good)) == ("quarantined", "active")
    assert [found.case_id for found in quick_bank.search(axis(0), 5)] == [good]


def test_a_few_failures_are_no_proof(quick_bank: CaseBank) -> None:
    case = add(quick_bank, "unlucky")
    for _ in range(6):
        show(quick_bank, [case], 0.0)
    assert status(quick_bank, case) == "active"


def test_where_success_without_cases_is_not_known_no_case_is_blamed(quick_bank: CaseBank) -> None:
    case = add(quick_bank, "on hard tasks")
    for _ in range(60):
        show(quick_bank, [case], 0.0, expected=0.5, std=0.3)
    assert status(quick_bank, case) == "active"


def test_a_case_that_helps_on_its_own_kind_of_task_stays(quick_bank: CaseBank) -> None:
    case = add(quick_bank, "a specialist")
    for _ in range(40):
        show(quick_bank, [case], 0.0)
    for _ in range(12):
        show(quick_bank, [case], 1.0, vector=axis(0))
    assert status(quick_bank, case) == "active"


def test_corrected_rewards_restore(quick_bank: CaseBank) -> None:
    case = add(quick_bank, "misjudged")
    runs = [show(quick_bank, [case], 0.0) for _ in range(40)]
    assert status(quick_bank, case) == "quarantined"
    for run_id in runs:
        quick_bank.ledger.feedback(run_id, 1.0)
    assert status(quick_bank, case) == "active"
    assert [found.case_id for found in quick_bank.search(axis(0), 5)] == [case]


def test_verdicts_are_in_the_audit_and_are_not_what_undo_takes_back(quick_bank: CaseBank) -> None:
    case = add(quick_bank, "bad")
    quick_bank.note(case, "looks bad")
    for _ in range(40):
        show(quick_bank, [case], 0.0)
    told = quick_bank.changes(case)[0]
    assert (told.by, told.action, told.after) == ("harm control", "quarantine", {"status": "quarantined"})
    assert [change.action for change in quick_bank.undo()] == ["note"]
    assert status(quick_bank, case) == "quarantined"


@pytest.mark.parametrize("seed", range(3))
def test_the_order_in_which_rewards_come_makes_no_difference(quick_bank: CaseBank, seed: int) -> None:
    rng = np.random.default_rng(seed)
    cases = [add(quick_bank, name) for name in "abc"]
    said = [(cases[number % 3], float(rng.random() < 0.3 * (number % 3))) for number in range(90)]
    at_once = [show(quick_bank, [case_id], reward) for case_id, reward in said]
    then = [status(quick_bank, case_id) for case_id in cases]
    for place in rng.permutation(90):
        quick_bank.ledger.feedback(at_once[place], 0.5)
    for place in rng.permutation(90):
        quick_bank.ledger.feedback(at_once[place], said[place][1])
    assert [status(quick_bank, case_id) for case_id in cases] == then
    assert then[0] == "quarantined"


def test_a_persons_word_stands(quick_bank: CaseBank) -> None:
    case = add(quick_bank, "defended")
    for _ in range(40):
        show(quick_bank, [case], 0.0)
    quick_bank.set_status(case, "active")
    show(quick_bank, [case], 0.0)
    assert status(quick_bank, case) == "active"
    quick_bank.set_status(case, "quarantined")
    for _ in range(40):
        show(quick_bank, [case], 1.0)
    assert status(quick_bank, case) == "quarantined"


def test_children_of_a_case_that_harms_go_back_on_probation(quick_bank: CaseBank) -> None:
    parent = add(quick_bank, "parent")
    child = child_of(quick_bank, "child", parent)
    assert on_probation(quick_bank, child)
    for _ in range(2):
        show(quick_bank, [child], 1.0)
    assert not on_probation(quick_bank, child)
    runs = [show(quick_bank, [parent], 0.0) for _ in range(40)]
    assert on_probation(quick_bank, child)
    for run_id in runs:
        quick_bank.ledger.feedback(run_id, 1.0)
    assert not on_probation(quick_bank, child)


@pytest.mark.parametrize("order", [[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0], [1.0, 0.0, 1.0, 0.0]])
def test_probation_does_not_depend_on_the_order_of_rewards(quick_bank: CaseBank, order: list[float]) -> None:
    child = child_of(quick_bank, "child")
    runs = [show(quick_bank, [child], None) for _ in order]
    for run_id, reward in zip(runs, order, strict=True):
        quick_bank.ledger.feedback(run_id, reward)
    assert on_probation(quick_bank, child)
    for run_id in runs:
        quick_bank.ledger.feedback(run_id, 1.0)
    assert not on_probation(quick_bank, child)


def test_a_corrected_reward_puts_a_case_back_on_probation(quick_bank: CaseBank) -> None:
    child = child_of(quick_bank, "child")
    runs = [show(quick_bank, [child], 1.0) for _ in range(2)]
    assert not on_probation(quick_bank, child)
    for run_id in runs:
        quick_bank.ledger.feedback(run_id, 0.0)
    assert on_probation(quick_bank, child)


def test_a_restored_parent_ends_only_the_probation_that_it_caused(quick_bank: CaseBank) -> None:
    parent, other = add(quick_bank, "parent"), add(quick_bank, "another parent")
    new, proven = child_of(quick_bank, "new", parent), child_of(quick_bank, "proven", parent)
    of_both = child_of(quick_bank, "of both", parent, other)
    for child in (proven, proven, of_both, of_both):
        show(quick_bank, [child], 1.0)
    failed = [show(quick_bank, [bad], 0.0) for bad in (parent, other) for _ in range(40)]
    assert all(on_probation(quick_bank, child) for child in (new, proven, of_both))
    for run_id in failed[:40]:
        quick_bank.ledger.feedback(run_id, 1.0)
    assert [on_probation(quick_bank, child) for child in (new, proven, of_both)] == [True, False, True]


def test_a_person_vouches_for_a_case_that_is_new(quick_bank: CaseBank) -> None:
    child = child_of(quick_bank, "child")
    quick_bank.set_status(child, "active")
    assert not on_probation(quick_bank, child)
    show(quick_bank, [child], 1.0)
    assert not on_probation(quick_bank, child)


def test_a_demonstration_is_not_on_probation(quick_bank: CaseBank) -> None:
    assert not on_probation(quick_bank, add(quick_bank, "shown by a person"))


def test_a_use_of_what_was_not_shown_is_refused_and_nothing_is_recorded(quick_bank: CaseBank) -> None:
    from memento.memory import build_policy

    add(quick_bank, "a")
    policy = build_policy("auto", bank=quick_bank)
    selection = policy.select(axis(0))
    with pytest.raises(UsageError, match="was not shown"):
        policy.record(selection, reward=1.0, used=["another"])
    assert quick_bank.ledger.run(selection.run_id) is None


def test_a_case_of_what_strangers_wrote_stays_longer_on_probation(quick_bank: CaseBank) -> None:
    about: dict[str, Any] = {"plan": ["x"], "trajectory": [step("x")], "answer": "y", "reward": 1.0}
    names = {"task": "child", "parents": [], "untrusted": True}
    born = Case.from_run("r1", namespace=quick_bank.namespace, **names, **about)
    child = quick_bank.add(born, axis(1))
    for _ in range(5):
        show(quick_bank, [child], 1.0)
        assert on_probation(quick_bank, child)
    show(quick_bank, [child], 1.0)
    assert not on_probation(quick_bank, child)


def test_a_demonstration_of_what_strangers_wrote_is_on_probation_too(quick_bank: CaseBank) -> None:
    shown = {"subtask": "x", "tool_calls": [{"name": "fetch", "result": "a page", "untrusted": True}]}
    case = Case.from_demonstration(task="look", trajectory=[shown])
    assert on_probation(quick_bank, quick_bank.add(case, axis(1)))
