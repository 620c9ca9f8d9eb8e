"""Q(s, c): the reward to expect, from the outcomes in a real ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from memento.memory import Candidate, Ledger, RunRecord, Shown
from memento.memory.kernel_q import KernelQ
from memento.memory.outcomes import Outcomes
from memento.memory.q_function import QValues, SimilarityQ
from tests.memory_tools import axis

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from memento.memory import Outcome

TASK = axis(0)


@pytest.fixture
def ledger(home: Path) -> Iterator[Ledger]:
    with Ledger(home) as opened:
        yield opened


def candidate(case_id: str, similarity: float = 0.5, outcome: Outcome = "success") -> Candidate:
    return Candidate(case_id, similarity, axis(1), outcome, ())


def happened(
    ledger: Ledger,
    reward: float,
    *shown: str,
    state: NDArray[np.float32] = TASK,
    used: Sequence[str] | None = None,
    weight: float = 1.0,
) -> None:
    """A run in which these were shown, and its reward."""
    number = ledger.next_number("default")
    slots = [
        Shown(
            case_id=case_id,
            rank=rank,
            similarity=0.5,
            q=0.5,
            q_std=0.1,
            propensity=0.5,
            used=None if used is None else case_id in used,
        )
        for rank, case_id in enumerate(shown)
    ]
    run = RunRecord(
        run_id=f"r{number}", namespace="default", number=number, vector=state, arm="learned", shown=slots
    )
    ledger.commit_run(run)
    ledger.feedback(run.run_id, reward, weight=weight)


def values(ledger: Ledger, *candidates: Candidate, task: NDArray[np.float32] = TASK) -> QValues:
    outcomes = Outcomes(ledger, "default")
    outcomes.refresh()
    return KernelQ().evaluate(task, candidates, outcomes)


def test_similarity_is_its_own_q(ledger: Ledger) -> None:
    happened(ledger, 0.0, "a")
    outcomes = Outcomes(ledger, "default")
    outcomes.refresh()
    found = SimilarityQ().evaluate(TASK, [candidate("a", 0.7), candidate("b", 0.3)], outcomes)
    assert (list(found.q), list(found.std), found.void) == ([0.7, 0.3], [0, 0], 0)


def test_before_any_outcome_similar_successes_promise_more_than_showing_nothing(ledger: Ledger) -> None:
    found = values(ledger, candidate("near", 0.8), candidate("middle", 0.5), candidate("far", 0.0))
    assert found.q[0] > found.q[1] > found.void > found.q[2]
    assert list(found.outcomes) == [0, 0, 0]


def test_a_case_that_did_not_succeed_promises_less(ledger: Ledger) -> None:
    good, unknown, bad = values(
        ledger, candidate("a"), candidate("b", outcome="unknown"), candidate("c", outcome="failure")
    ).q
    assert good > unknown > bad


def test_outcomes_move_q_towards_what_happened_and_make_it_certain(ledger: Ledger) -> None:
    before = values(ledger, candidate("a"), candidate("b"))
    for _ in range(20):
        happened(ledger, 1.0, "a")
        happened(ledger, 0.0, "b")
    after = values(ledger, candidate("a"), candidate("b"))
    assert after.q[0] > before.q[0]
    assert after.q[1] < before.q[1]
    assert after.q[0] > 0.9
    assert after.q[1] < 0.1
    assert (after.std < before.std).all()
    assert list(after.outcomes) == [20, 20]


def test_outcomes_on_tasks_like_this_one_weigh_more(ledger: Ledger) -> None:
    here, there = axis(0), axis(1)
    for _ in range(10):
        happened(ledger, 1.0, "a", state=here)
        happened(ledger, 0.0, "a", state=there)
    assert values(ledger, candidate("a"), task=here).q[0] > 0.7
    assert values(ledger, candidate("a"), task=there).q[0] < 0.4


def test_runs_without_cases_say_what_showing_nothing_is_worth(ledger: Ledger) -> None:
    start = values(ledger, candidate("a")).void
    for _ in range(10):
        happened(ledger, 1.0)
    good = values(ledger, candidate("a"))
    assert good.void > start
    assert good.void_std < values(ledger, candidate("a"), task=axis(9)).void_std
    for _ in range(40):
        happened(ledger, 0.0)
    assert values(ledger, candidate("a")).void < start


def test_what_was_not_used_gets_none_of_the_credit(ledger: Ledger) -> None:
    for _ in range(5):
        happened(ledger, 1.0, "a", "b", used=["a"])
    found = values(ledger, candidate("a"), candidate("b"))
    assert list(found.outcomes) == [5, 0]
    assert found.q[0] > found.q[1]


def test_those_that_were_shown_share_when_nobody_says_what_was_used(ledger: Ledger) -> None:
    happened(ledger, 1.0, "a", "b")
    assert list(values(ledger, candidate("a"), candidate("b")).outcomes) == [0.5, 0.5]


def test_a_reward_of_half_the_weight_is_half_an_outcome(ledger: Ledger) -> None:
    happened(ledger, 1.0, "a", weight=0.5)
    assert list(values(ledger, candidate("a")).outcomes) == [0.5]


def test_what_shown_cases_were_worth_carries_over_to_those_that_were_never_shown(ledger: Ledger) -> None:
    for _ in range(15):
        happened(ledger, 0.0)
    before = values(ledger, candidate("new")).q[0]
    for number in range(15):
        happened(ledger, 1.0, f"c{number}")
    helped = values(ledger, candidate("new")).q[0]
    for number in range(40):
        happened(ledger, 0.0, f"d{number}")
    assert helped > before
    assert values(ledger, candidate("new")).q[0] < helped


def test_a_corrected_reward_replaces_the_old_one(ledger: Ledger) -> None:
    happened(ledger, 1.0, "a")
    outcomes = Outcomes(ledger, "default")
    outcomes.refresh()
    assert [list(found.rewards) for found in outcomes.of(["a", "b"])] == [[1.0], []]
    ledger.feedback("r1", 0.0)
    outcomes.refresh()
    assert list(outcomes.of(["a"])[0].rewards) == [0.0]


def test_every_value_is_finite_however_much_happened(ledger: Ledger) -> None:
    for number in range(30):
        happened(ledger, float(number % 2), "a", state=axis(number % 5))
    found = values(ledger, candidate("a", -1.0), candidate("b", 1.0), candidate("c", 0.0, "failure"))
    assert np.isfinite([*found.q, *found.std, found.void, found.void_std]).all()
    assert (found.std > 0).all()
