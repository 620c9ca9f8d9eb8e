"""Which cases `auto` considers."""

from __future__ import annotations

import numpy as np
import pytest

from memento.memory import CaseBank, build_policy
from memento.memory.advantage_q import AdvantageQ
from tests.memory_tools import DIMENSIONS, axis, demonstration

NEAR, FAR = axis(0), axis(1)


def around(vector: np.ndarray, spread: list[float]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [vector + width * rng.standard_normal(DIMENSIONS) / np.sqrt(DIMENSIONS) for width in spread]


def add(bank: CaseBank, name: str, vectors: list[np.ndarray]) -> list[str]:
    cases = [demonstration(f"{name} {number}", f"{name}{number}") for number in range(len(vectors))]
    return bank.add_many(cases, [vector.astype(np.float32) for vector in vectors])


def teach(bank: CaseBank, like: np.ndarray) -> set[str]:
    """Runs in which cases helped more than expected, on a task only half like this one; those cases."""
    task = like + 1.5 * axis(2)
    for number in range(30):
        policy = build_policy("none" if number % 3 else "similarity", bank=bank, k=1 + number % 4)
        selection = policy.select(task)
        policy.record(selection, reward=1.0 if selection.cases else 0.4)
    policy = build_policy("auto", bank=bank)
    assert isinstance(policy.q_function, AdvantageQ)
    number = bank.ledger.last_number(bank.namespace) + 1
    return set(policy.q_function.before(bank.namespace, number, NEAR).promising(16))


def considered(bank: CaseBank, exclude: set[str]) -> list[str]:
    selection = build_policy("auto", bank=bank).select(NEAR, exclude=exclude)
    return [case_id for case_id, *_ in selection.candidates]


def test_cases_that_did_well_elsewhere_take_the_place_of_the_farthest_near_ones(quick_bank: CaseBank) -> None:
    far = add(quick_bank, "far", around(FAR, [0.1, 0.2, 0.3]))
    proven = teach(quick_bank, FAR)
    near = add(quick_bank, "near", around(NEAR, [0.01 * number for number in range(1, 71)]))
    found = considered(quick_bank, set())
    assert len(found) == 64
    assert proven
    assert proven <= set(far)
    assert set(found[-len(proven) :]) == proven
    nearest = quick_bank.search(NEAR, 64 - len(proven))
    assert found[: -len(proven)] == [candidate.case_id for candidate in nearest]
    assert set(found) <= {*proven, *near}
    left_out = min(proven)
    assert left_out not in considered(quick_bank, {left_out})


def test_a_case_that_did_well_stays_however_far_among_the_near_ones_it_is(quick_bank: CaseBank) -> None:
    add(quick_bank, "far", around(FAR, [0.1, 0.2, 0.3]))
    last_vector = 0.7 * NEAR + 0.714 * FAR  # at the end of the nearest 64 to come
    [last] = add(quick_bank, "near", [last_vector])
    teach(quick_bank, FAR)
    proven = teach(quick_bank, last_vector)
    add(quick_bank, "other", around(NEAR, [0.5] * 63))
    nearest = [candidate.case_id for candidate in quick_bank.search(NEAR, 64)]
    assert nearest[-1] == last
    assert last in proven
    assert len(proven) > 1
    assert proven <= set(considered(quick_bank, set()))


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
