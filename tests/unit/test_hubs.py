"""Hubs: the cases that are among the nearest whatever is asked, and what they teach of one another."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memento.memory import CaseBank, build_policy
from memento.memory.hubs import hubs_among
from memento.memory.why import explain
from tests.memory_tools import axis, demonstration

TASKS = st.lists(st.lists(st.integers(0, 20), max_size=8, unique=True), max_size=30)


@given(tasks=TASKS)
def test_hubness_is_the_logarithm_of_the_count_less_what_is_usual(
    tasks: list[list[int]],
) -> None:
    hubs = hubs_among(tasks)
    near = [code for codes in tasks for code in codes]
    usual = sum(math.log1p(near.count(code)) for code in near) / max(len(near), 1)
    for code in range(-1, 21):
        assert hubs.hubness(code) == pytest.approx(max(-1.0, math.log1p(near.count(code)) - usual))


def test_what_hubs_cost_is_told_from_what_cases_cost(quick_bank: CaseBank) -> None:
    """Three cases are near every task, but to half of the tasks one case of their own is nearer."""
    hubs = quick_bank.add_many(
        [demonstration(f"hub {n}", f"hub{n}") for n in range(3)],
        [axis(0) + 0.3 * axis(1 + n) for n in range(3)],
    )
    own = [0.3 * axis(0) + axis(4 + n) for n in range(40)]
    others = quick_bank.add_many([demonstration(f"own {n}", f"own{n}") for n in range(40)], own)
    similarity = build_policy("similarity", bank=quick_bank, k=1)
    for number in range(60):
        selection = similarity.select(own[number // 2] if number % 2 else axis(0))
        similarity.record(selection, reward=float(number % 2))

    terms = {
        why.case_id: why.made_of
        for why in explain(build_policy("auto", bank=quick_bank), axis(50)).candidates
    }
    assert all(terms[hub]["hubness"] < -0.01 for hub in hubs)
    assert sum(terms[case]["hubness"] > 0.05 for case in others) > 30
