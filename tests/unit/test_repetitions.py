"""Runs that did the same on the same task and ended alike stand behind one case, whenever that is known."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memento.memory import Ledger, RunRecord, Shown, journal
from memento.memory.case import outcome_of
from tests.memory_tools import add_run, axis, run_case, step

if TYPE_CHECKING:
    from pathlib import Path

SAME = {"trajectory": [step("add")], "answer": "done"}
REWARDS = st.sampled_from([0.0, 1.0, None])


def make(ledger: Ledger, run_id: str, task: str = "a task", reward: float | None = None) -> str | None:
    case = run_case(run_id, task, "add", reward=reward, outcome=outcome_of(reward))
    made = add_run(ledger, run_id, case, task=task, **SAME)
    if reward is not None:
        ledger.feedback(run_id, reward)
    return made


def cases_of(ledger: Ledger) -> list[tuple[str, str, int]]:
    """Task, outcome and how many runs are behind it, of each case."""
    with ledger.home.reader.connect() as connection:
        kept = journal.read_all(connection, "default")
    return sorted((case.task, case.outcome, ledger.support("default", case.id)) for case in kept)


@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_late_and_corrected_rewards_lead_to_the_cases_that_rewards_at_once_lead_to(
    data: st.DataObject,
) -> None:
    runs = data.draw(
        st.lists(st.tuples(st.sampled_from("ab"), REWARDS), min_size=1, max_size=7), label="runs"
    )
    rewarded = [number for number, (_, reward) in enumerate(runs) if reward is not None]
    first_said = data.draw(st.lists(st.sampled_from([0.0, 1.0]), min_size=7, max_size=7), label="corrected")
    with (
        tempfile.TemporaryDirectory() as folder,
        Ledger(f"{folder}/a") as at_once,
        Ledger(f"{folder}/b") as late,
    ):
        for number, (task, reward) in enumerate(runs):
            make(at_once, f"r{number}", task, reward)
            make(late, f"r{number}", task)
        for number in data.draw(st.permutations(rewarded), label="first words"):
            late.feedback(f"r{number}", first_said[number])
        for number in data.draw(st.permutations(rewarded), label="last words"):
            late.feedback(f"r{number}", float(runs[number][1] or 0.0))
        assert cases_of(late) == cases_of(at_once)
        assert sum(support for *_, support in cases_of(late)) == len(runs)


def test_a_case_that_ends_otherwise_keeps_only_the_runs_that_do(home: Path) -> None:
    with Ledger(home) as ledger:
        for run_id in ("r1", "r2", "r3"):
            make(ledger, run_id, reward=1.0)
        ledger.feedback("r1", 0.0)
        assert cases_of(ledger) == [("a task", "failure", 1), ("a task", "success", 2)]


def test_a_case_that_was_shown_meanwhile_stays_one_of_its_own(home: Path) -> None:
    with Ledger(home) as ledger:
        make(ledger, "r1")
        shown = Shown(
            case_id=str(make(ledger, "r2", reward=1.0)),
            rank=0,
            similarity=0.9,
            q=0.5,
            q_std=0.1,
            propensity=1.0,
        )
        number = ledger.next_number("default")
        ledger.commit_run(
            RunRecord(
                run_id="r3", namespace="default", number=number, vector=axis(0), arm="learned", shown=[shown]
            )
        )
        ledger.feedback("r1", 1.0)
        assert cases_of(ledger) == [("a task", "success", 1)] * 2
