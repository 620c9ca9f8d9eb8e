"""How far cases on like tasks did otherwise: successes vote, the nearer the more."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memento.memory import Candidate, Policy, Reward, build_policy
from memento.memory.dissent import dissents
from memento.memory.runs import code
from memento.memory.selection import run_record
from tests.memory_tools import axis, demonstration, open_bank

if TYPE_CHECKING:
    from pathlib import Path

UNLIKE = [f"look up {thing}" for thing in ("neon", "argon", "iron", "tin", "gold", "zinc")]
CALLS = {
    **dict.fromkeys(UNLIKE, ("look",)),
    "": (),
    "add one": ("add",),
    "add two": ("add",),
    "sort": ("sort",),
}


def case(number: int, vector: np.ndarray, form: str, outcome: str = "success") -> Candidate:
    return Candidate(f"c{number}", 0.5, vector, outcome, CALLS[form], form)  # type: ignore[arg-type]


def dissent_of(candidates: list[Candidate]) -> list[float]:
    form = np.asarray([code(one.form) for one in candidates], np.int64)
    vectors = np.stack([one.vector for one in candidates])
    succeeded = np.asarray([one.outcome == "success" for one in candidates])
    return [float(value) for value in dissents(vectors, succeeded, form)]


@st.composite
def some_candidates(draw: st.DrawFn) -> list[Candidate]:
    return [
        case(
            number,
            axis(draw(st.integers(0, 2)), lean=draw(st.sampled_from([0.0, 0.3, 0.8]))),
            draw(st.sampled_from(sorted(CALLS))),
            draw(st.sampled_from(["success", "failure"])),
        )
        for number in range(draw(st.integers(1, 6)))
    ]


@given(some_candidates())
def test_it_is_the_formulas(candidates: list[Candidate]) -> None:
    for one, dissent in zip(candidates, dissent_of(candidates), strict=True):
        votes = dict.fromkeys(CALLS, 0.0)
        for other in candidates:
            if one is not other and other.outcome == "success" and other.form:
                votes[other.form] += math.exp((float(one.vector @ other.vector) - 1) / 0.12)
        behind = max(votes.values()) - votes[one.form] if one.form else 0.0
        assert dissent == pytest.approx(behind / (sum(votes.values()) + 0.3), abs=1e-5)
        assert 0 <= dissent <= 1


def test_the_odd_one_out_among_like_cases_is_told_apart() -> None:
    near = [axis(0), axis(0, lean=0.1), axis(0, lean=0.2), axis(0, lean=0.15)]
    same = [case(number, vector, "sort") for number, vector in enumerate(near)]
    assert dissent_of(same) == [0.0] * 4
    *others, odd = dissent_of([*same[:3], case(3, near[3], "add one")])
    assert odd > 0.6
    assert max(others) == 0


def test_where_each_did_it_in_a_form_of_its_own_none_is_the_odd_one_out() -> None:
    assert max(dissent_of([case(number, axis(0), form) for number, form in enumerate(UNLIKE)])) < 0.2


def test_a_case_without_like_ones_contradicts_none() -> None:
    many = [case(number, axis(0), "add one") for number in range(1, 9)]
    alone, *others = dissent_of([case(0, axis(1), "sort"), *many])
    assert alone < 0.05
    assert max(others) == 0


def test_a_failed_case_has_no_vote() -> None:
    assert dissent_of([case(0, axis(0), "sort"), case(1, axis(0), "add one", "failure")])[0] == 0


def played(policy: Policy, wrong: set[str], runs: int, seed: int) -> tuple[list[float], list[int]]:
    """Rewards, and how many wrong cases were shown. A run follows about the nearest of the shown cases: it
    succeeds nearly always if that is right and nearly never if it is wrong, and in 3 of 10 without any.
    """
    rng, rewards, bad = np.random.default_rng(seed), [], []
    for number in range(runs):
        selection = policy.select(axis(0, 0.3, 30 + number % 20))
        near = {slot.case_id: slot.similarity + 0.1 * rng.standard_normal() for slot in selection.cases}
        followed = max(near, key=near.__getitem__, default=None)
        chance = 0.3 if followed is None else 0.05 if followed in wrong else 0.95
        used = [slot.told(used=(slot.case_id in wrong) == (followed in wrong)) for slot in selection.cases]
        rewards.append(float(rng.random() < chance))
        run = run_record(selection, used, task="", answer="", trajectory=(), use_is="seen")
        policy.ledger.commit_run(run, Reward(reward=rewards[-1]))
        bad.append(len(wrong & set(near)))
    return rewards, bad


@pytest.mark.parametrize("right", [3, 1])
def test_what_most_like_cases_did_is_trusted_at_first_and_never_for_long_where_it_is_wrong(
    tmp_path: Path, right: int
) -> None:
    rewards, bad = [], []
    for seed in range(3):
        with open_bank(tmp_path / str(seed)) as bank:
            tools = ["add"] * right + ["sort"] * (4 - right)
            cases = [demonstration(f"task {number}", tool) for number, tool in enumerate(tools)]
            ids = bank.add_many(cases, [axis(0, 0.3 + 0.01 * n, 10 + n) for n in range(4)])
            policy = build_policy("auto", bank=bank, k=4, seed=seed)
            got, shown = played(policy, set(ids[right:]), 60, seed)
            rewards.append(got)
            bad.append(shown)
    if right > 1:
        assert np.mean([of[:20] for of in bad]) < 0.5
        assert np.mean([of[:20] for of in rewards]) > 0.75
    assert np.mean([of[40:] for of in rewards]) > 0.5
