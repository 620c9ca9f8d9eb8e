"""Why which case: what would be shown, what it is made of, and what speaks against the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from memento.memory import CaseBank, build_policy
from memento.memory.why import TERMS, explain, explain_run
from tests.memory_tools import axis, demonstration

if TYPE_CHECKING:
    from memento.memory.why import Explanation, Reason

TASK = axis(0)


def fill(bank: CaseBank, *, telling: bool = True) -> list[str]:
    """Three cases that each did something else, or do not tell what they did, the nearest first."""
    cases = [demonstration(f"task {n}", *([f"tool{n}"] if telling else [])) for n in range(3)]
    return bank.add_many(cases, [axis(0, lean, 10 + number) for number, lean in enumerate((0.8, 1.0, 2.0))])


def of(found: Explanation, case_id: str) -> Reason:
    (reason,) = [reason for reason in found.candidates if reason.case_id == case_id]
    return reason


@pytest.mark.parametrize("name", ["auto", "kernel", "similarity"])
def test_the_chances_sum_to_one_and_q_has_an_interval(quick_bank: CaseBank, name: str) -> None:
    ids = fill(quick_bank)
    found = explain(build_policy(name, bank=quick_bank, k=2), TASK)
    assert sum(found.chances.values()) == pytest.approx(1)
    assert {reason.case_id for reason in found.candidates} == set(ids)
    assert all(reason.low <= reason.q <= reason.high for reason in found.candidates)
    assert all(0 <= reason.chance <= 1 for reason in found.candidates)
    assert found.candidates[0].chance == max(reason.chance for reason in found.candidates)


def test_q_is_what_is_expected_without_cases_and_what_its_terms_add(quick_bank: CaseBank) -> None:
    fill(quick_bank)
    policy = build_policy("auto", bank=quick_bank, k=2)
    for number in range(20):
        policy.record(policy.select(TASK), reward=float(number % 3 > 0))
    found = explain(policy, TASK)
    assert found.outcomes == 20
    for reason in found.candidates:
        assert set(reason.made_of) == set(TERMS)
        assert found.without + sum(reason.made_of.values()) == pytest.approx(reason.q)


def test_what_succeeded_is_said_to_come_from_outcomes(quick_bank: CaseBank) -> None:
    near, other, _ = fill(quick_bank)
    policy = build_policy("auto", bank=quick_bank, k=1)
    for _ in range(40):
        selection = policy.select(TASK)
        shown = [slot.case_id for slot in selection.cases]
        policy.record(selection, reward=float(shown == [near]))
    found = explain(policy, TASK)
    assert of(found, near).made_of["outcomes"] > of(found, other).made_of["outcomes"]
    assert of(found, near).outcomes > 5
    assert found.candidates[0].case_id == near
    assert of(found, near).chance > 0.5


def test_explaining_uses_up_no_run_and_writes_nothing(quick_bank: CaseBank) -> None:
    fill(quick_bank)
    policy = build_policy("auto", bank=quick_bank, k=1)
    for _ in range(3):
        explain(policy, TASK)
    assert policy.select(TASK).number == 1
    assert quick_bank.ledger.runs(quick_bank.namespace) == []


def test_a_past_run_is_explained_by_the_runs_before_it_alone(quick_bank: CaseBank) -> None:
    # What is deleted has no vote any more on what cases like it did.
    near, other, _ = fill(quick_bank, telling=False)
    policy = build_policy("auto", bank=quick_bank, k=1)

    def runs(count: int, good: str) -> None:
        for _ in range(count):
            selection = policy.select(TASK)
            shown = [slot.case_id for slot in selection.cases]
            policy.record(selection, reward=float(shown == [good]))

    runs(20, near)
    then = explain(policy, TASK)
    selection = policy.select(TASK)
    policy.record(selection, reward=0.0)
    runs(30, other)
    quick_bank.delete(other)
    row = quick_bank.ledger.run(selection.run_id)
    assert row is not None
    found = explain_run(policy, row)
    assert found is not None
    assert (found.outcomes, found.without) == (20, pytest.approx(then.without))
    assert of(found, near).q == pytest.approx(of(then, near).q)
    assert of(found, near).made_of == pytest.approx(of(then, near).made_of)
    assert [(case_id, status) for case_id, _, status in found.withheld] == [(other, "deleted")]


def test_what_may_not_be_shown_is_told_apart(quick_bank: CaseBank) -> None:
    near, other, far = fill(quick_bank)
    quick_bank.set_status(near, "quarantined")
    found = explain(build_policy("auto", bank=quick_bank), TASK)
    assert [(case_id, status) for case_id, _, status in found.withheld] == [(near, "quarantined")]
    assert {reason.case_id for reason in found.candidates} == {other, far}


def test_a_near_duplicate_says_of_which(quick_bank: CaseBank) -> None:
    cases = [demonstration(f"copy {number}", "same") for number in range(2)]
    one, same = quick_bank.add_many(cases, [axis(0, 0.5, 3), axis(0, 0.501, 3)])
    found = explain(build_policy("auto", bank=quick_bank, k=2), TASK)
    said = {reason.case_id: reason.against for reason in found.candidates}
    assert f"near-duplicate of {one}" in said[same] or f"near-duplicate of {same}" in said[one]


@pytest.mark.parametrize("name", ["auto", "kernel", "none"])
def test_where_there_is_no_case_nothing_is_shown(quick_bank: CaseBank, name: str) -> None:
    found = explain(build_policy(name, bank=quick_bank), np.ones(TASK.size, np.float32))
    assert (found.candidates, found.chances) == ([], {"nothing": 1.0})
