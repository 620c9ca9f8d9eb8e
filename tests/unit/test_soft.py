"""Soft Q-learning's draws against their formula, a loop at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memento.memory import Candidate, soft
from memento.memory.likeness import AGREEMENT, NEAR_DUPLICATE
from memento.memory.q_function import QValues
from memento.memory.slate import FLOOR
from tests.memory_tools import axis

TOOLS: tuple[tuple[str, ...], ...] = ((), ("add",), ("sort",))


@st.composite
def candidates(draw: st.DrawFn) -> list[Candidate]:
    """Cases on three tasks, some of them nearly the same."""
    made = []
    for number in range(draw(st.integers(1, 6))):
        vector = axis(draw(st.integers(0, 2)), lean=draw(st.sampled_from([0.0, 0.1, 0.8])))
        tools = draw(st.sampled_from(TOOLS))
        outcome = draw(st.sampled_from(["success", "failure"]))
        form = draw(st.sampled_from(["one way", "another"])) if tools else ""
        made.append(Candidate(f"c{number}", draw(st.floats(-0.2, 0.9)), vector, outcome, tools, form))  # type: ignore[arg-type]
    return made


def chance_of(
    place: int | None, taken: list[int], found: list[Candidate], q: list[float], void: float, alpha: float
) -> float:
    """Of this candidate, or of the void case with None, after those that were taken."""
    worth: dict[int, float] = {}
    for number, one in enumerate(found):
        beside = [
            other for other in taken if (found[other].tools, found[other].outcome) == (one.tools, one.outcome)
        ]
        cosines = [float(one.vector @ found[other].vector) for other in beside]
        same = [found[other].form == one.form for other in beside]
        if number in taken or any(s and c >= NEAR_DUPLICATE for s, c in zip(same, cosines, strict=True)):
            continue
        pattern = one.tools and one.outcome == "success"
        adds = [AGREEMENT * c * (1.0 if s else 0.5) for s, c in zip(same, cosines, strict=True)]
        worth[number] = q[number] + (max([0.0, *adds]) if pattern else 0.0)
    prior = {number: np.exp(found[number].similarity / 0.1) for number in worth}
    share = {number: 0.5 * prior[number] / sum(prior.values()) for number in worth}
    mass = {number: share[number] * np.exp(worth[number] / alpha) for number in worth}
    nothing = 0.5 * np.exp((void - (soft.COMPANY if taken else 0.0)) / alpha)
    total = sum(mass.values()) + nothing
    return float((nothing if place is None else mass[place]) / total)


@given(found=candidates(), data=st.data(), seed=st.integers(0, 1000), outcomes=st.integers(0, 500))
@settings(max_examples=100, deadline=None)
def test_each_slot_s_propensity_is_the_formulas(
    found: list[Candidate], data: st.DataObject, seed: int, outcomes: int
) -> None:
    count = len(found)
    q = data.draw(st.lists(st.floats(0.3, 0.7), min_size=count, max_size=count))
    known = np.full(count, outcomes / count)
    values = QValues(np.asarray(q), np.full(count, 0.1), 0.5, 0.1, known)
    alpha = max(0.04 * np.sqrt(100 / (100 + outcomes)), 0.01)
    slate = soft.SoftDraw(found, values, 3, np.random.default_rng(seed)).slate()

    taken: list[int] = []
    whole = 1.0 - FLOOR
    for slot in slate["cases"]:
        place = int(slot.case_id[1:])
        whole *= chance_of(place, taken, found, q, 0.5, alpha)
        assert slot.propensity == pytest.approx(chance_of(place, taken, found, q, 0.5, alpha))
        taken.append(place)
    if slate["stop_propensity"] is not None:
        whole *= chance_of(None, taken, found, q, 0.5, alpha)
        assert slate["stop_propensity"] == pytest.approx(chance_of(None, taken, found, q, 0.5, alpha))
    empty = FLOOR + (1.0 - FLOOR) * chance_of(None, [], found, q, 0.5, alpha)
    assert slate["empty_propensity"] == pytest.approx(empty)
    assert slate["slate_propensity"] == pytest.approx(whole if taken else empty)
