"""Which cases `auto` considers."""

from __future__ import annotations

import numpy as np
import pytest

from memento.memory import CaseBank, build_policy
from tests.memory_tools import DIMENSIONS, axis, demonstration

NEAR, FAR = axis(0), axis(1)


def around(vector: np.ndarray, spread: list[float]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [vector + width * rng.standard_normal(DIMENSIONS) / np.sqrt(DIMENSIONS) for width in spread]


def add(bank: CaseBank, name: str, vectors: list[np.ndarray]) -> list[str]:
    cases = [demonstration(f"{name} {number}", f"{name}{number}") for number in range(len(vectors))]
    return bank.add_many(cases, [vector.astype(np.float32) for vector in vectors])


def teach(bank: CaseBank, task: np.ndarray) -> None:
    """Whatever is shown helps."""
    policy = build_policy("auto", bank=bank)
    for _ in range(40):
        selection = policy.select(task)
        policy.record(selection, reward=float(bool(selection.cases)))


def considered(bank: CaseBank, exclude: set[str]) -> list[str]:
    selection = build_policy("auto", bank=bank).select(NEAR, exclude=exclude)
    return [case_id for case_id, *_ in selection.candidates]


def test_cases_that_did_well_elsewhere_take_the_place_of_the_farthest_near_ones(quick_bank: CaseBank) -> None:
    proven = add(quick_bank, "proven", around(FAR, [0.1, 0.2, 0.3]))
    teach(quick_bank, FAR)
    near = add(quick_bank, "near", around(NEAR, [0.01 * number for number in range(1, 71)]))
    found = considered(quick_bank, set())
    assert len(found) == 64
    assert set(proven) <= set(found)
    assert found[:61] == [candidate.case_id for candidate in quick_bank.search(NEAR, 61)]
    assert set(found) <= {*proven, *near}
    assert proven[0] not in considered(quick_bank, {proven[0]})


def test_a_case_that_did_well_stays_however_far_among_the_near_ones_it_is(quick_bank: CaseBank) -> None:
    elsewhere = add(quick_bank, "proven", around(FAR, [0.1, 0.2, 0.3]))
    [last] = add(quick_bank, "near", [0.7 * NEAR + 0.714 * FAR])  # at the end of the nearest 64 to come
    teach(quick_bank, FAR)
    add(quick_bank, "other", around(NEAR, [0.5] * 63))
    nearest = [candidate.case_id for candidate in quick_bank.search(NEAR, 64)]
    assert nearest[-1] == last
    assert {last, *elsewhere} <= set(considered(quick_bank, set()))


@pytest.mark.parametrize("also", [[], ["absent"]])
def test_a_search_finds_the_nearest_and_what_is_asked_for_beside_them(
    quick_bank: CaseBank, also: list[str]
) -> None:
    near = add(quick_bank, "near", around(NEAR, [0.1, 0.2]))
    [far] = add(quick_bank, "far", [FAR])

    def found(more: list[str], exclude: set[str]) -> list[str]:
        return [c.case_id for c in quick_bank.search(NEAR, 1, exclude=exclude, also=[*also, *more])]

    assert found([far], set()) == [near[0], far]
    assert found([near[0]], set()) == near[:1]
    assert found([far], {near[0]}) == [near[1], far]
    assert found([far], {far}) == near[:1]
    quick_bank.set_status(far, "quarantined")
    assert found([far], set()) == near[:1]
