"""The ledger, on a real SQLite: what is written once, what a reward does, and what counts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from memento.memory import Case, CaseBank, Ledger, Reward, RunRecord, Shown, journal
from memento.memory.errors import UsageError
from tests.memory_tools import add_run, axis, run_case, step

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "sk-proj-4fT9xQ2mB7vL0aZcR5yW1nK8"


@pytest.fixture
def ledger(home: Path) -> Iterator[Ledger]:
    with Ledger(home) as opened:
        yield opened


def reward_of(ledger: Ledger, run_id: str) -> float | None:
    reward: float | None = (ledger.run(run_id) or {})["reward"]
    return reward


def test_a_run_comes_back_with_all_that_was_said_of_it(ledger: Ledger) -> None:
    shown = Shown(case_id="c", rank=0, similarity=0.5, q=0.7, q_std=0.1, propensity=0.4, used=True)
    run = RunRecord(
        run_id="r1",
        namespace="default",
        number=1,
        vector=axis(0),
        arm="learned",
        arm_propensity=0.97,
        policy="kernel",
        task="a task",
        candidates=[("c", 0.5, 0.7), ("d", 0.4, 0.6)],
        shown=[shown],
        plan=["do it"],
        trajectory=[step("add")],
        answer="4",
        models={"planner": "m"},
        usage={"input_tokens": 3},
        seconds=1.5,
    )
    ledger.commit_run(run, Reward(reward=1, source="reference"))
    row = ledger.run("r1") or {}
    assert (row["task"], row["plan"], row["answer"], row["models"]) == (
        "a task",
        ["do it"],
        "4",
        {"planner": "m"},
    )
    assert row["candidates"] == [["c", 0.5, 0.7], ["d", 0.4, 0.6]]
    assert row["retrieved"] == [dict(shown)]
    assert row["trajectory"] == [step("add")]
    assert (row["reward"], row["rewards"][0]["source"], row["arm_propensity"]) == (1.0, "reference", 0.97)
    assert ledger.run("absent") is None


def test_writing_a_run_again_adds_nothing(ledger: Ledger) -> None:
    shown = [Shown(case_id="c", rank=0, similarity=0.5, q=0.7, q_std=0.1, propensity=0.4)]
    for _ in range(3):
        run = RunRecord(
            run_id="r1", namespace="default", number=1, vector=axis(0), arm="learned", shown=shown
        )
        made = ledger.commit_run(run, Reward(reward=1.0), run_case("r1"), axis(0))
        assert made == run_case("r1").id
    row = ledger.run("r1") or {}
    assert (len(ledger.runs()), len(row["retrieved"]), len(row["rewards"])) == (1, 1, 1)
    assert ledger.support("default", run_case("r1").id) == 1


def test_runs_are_listed_newest_first_by_namespace_and_number(ledger: Ledger) -> None:
    for number in range(5):
        add_run(
            ledger,
            f"r{number}",
            namespace="even" if number % 2 == 0 else "odd",
            started_at=f"2026-01-0{number + 1}",
        )
    assert [row["run_id"] for row in ledger.runs()] == ["r4", "r3", "r2", "r1", "r0"]
    assert [row["run_id"] for row in ledger.runs("even")] == ["r4", "r2", "r0"]
    assert [row["run_id"] for row in ledger.runs(limit=2)] == ["r4", "r3"]
    assert ledger.runs("absent") == []


@pytest.mark.parametrize("reward", [-0.01, 1.01, float("nan"), float("inf"), True, False, None, "1", [1]])
def test_a_reward_is_a_number_from_0_to_1(ledger: Ledger, reward: Any) -> None:
    add_run(ledger, "r1", run_case("r1"))
    with pytest.raises(UsageError, match="from 0 to 1"):
        ledger.feedback("r1", reward)
    assert (ledger.run("r1") or {})["rewards"] == []


@pytest.mark.parametrize("weight", [0, -1, float("nan"), float("inf"), True, "1", None])
def test_a_weight_is_a_positive_number(ledger: Ledger, weight: Any) -> None:
    add_run(ledger, "r1")
    with pytest.raises(UsageError, match="weight"):
        ledger.feedback("r1", 1.0, weight=weight)
    assert (ledger.run("r1") or {})["rewards"] == []


@pytest.mark.parametrize("reward", [0, 1, 0.25, np.float64(0.5), np.float32(0.5), np.int64(1)])
def test_every_kind_of_number_is_a_reward(ledger: Ledger, reward: Any) -> None:
    add_run(ledger, "r1")
    ledger.feedback("r1", reward, weight=np.float32(2))  # type: ignore[arg-type]
    assert reward_of(ledger, "r1") == float(reward)


def test_feedback_for_a_run_that_is_not_there_is_refused(ledger: Ledger) -> None:
    with pytest.raises(UsageError, match="'absent'"):
        ledger.feedback("absent", 1.0)
    add_run(ledger, "r1")
    assert ledger.run("absent") is None


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        ([], None),
        ([(0.2, 1.0)], 0.2),
        ([(0.2, 1.0), (0.9, 1.0)], 0.9),
        ([(0.9, 1.0), (0.2, 1.0), (0.9, 1.0), (0.3, 1.0)], 0.3),
        ([(0.2, 1.0), (0.9, 0.5)], 0.2),
        ([(0.2, 0.5), (0.9, 1.0), (0.4, 0.5)], 0.9),
        ([(0.2, 2.0), (0.9, 1.0), (0.4, 2.0), (0.1, 1.0)], 0.4),
    ],
)
def test_the_greatest_weight_counts_and_among_equals_the_newest(
    ledger: Ledger, said: list[tuple[float, float]], counts: float | None
) -> None:
    add_run(ledger, "r1", run_case("r1"))
    for reward, weight in said:
        ledger.feedback("r1", reward, weight=weight)
    row = ledger.run("r1") or {}
    assert row["reward"] == counts
    assert [(entry["reward"], entry["weight"]) for entry in row["rewards"]] == said
    assert [run["reward"] for run in ledger.runs()] == [counts]


def test_feedback_turns_the_case_that_the_run_made(quick_bank: CaseBank) -> None:
    ledger, space = quick_bank.ledger, quick_bank.namespace
    run_id = f"{space}-r1"
    made = Case(task="a task", source_run=run_id, namespace=space)
    add_run(ledger, run_id, made, namespace=space)
    quick_bank.sync()

    def seen() -> tuple[Any, ...]:
        case = quick_bank.get(made.id)
        return (case and case.outcome, case and case.reward, quick_bank.search(axis(0), 1)[0].outcome)

    assert seen() == ("unknown", None, "unknown")
    ledger.feedback(run_id, 1.0)
    assert seen() == ("success", 1.0, "success")
    ledger.feedback(run_id, 0.0)
    assert seen() == ("failure", 0.0, "failure")
    ledger.feedback(run_id, 0.5, weight=0.5)
    assert seen() == ("failure", 0.0, "failure")


def test_feedback_does_not_bring_a_deleted_case_back(quick_bank: CaseBank) -> None:
    space = quick_bank.namespace
    run_id = f"{space}-r1"
    made = Case(task="a task", source_run=run_id, namespace=space)
    add_run(quick_bank.ledger, run_id, made, namespace=space)
    quick_bank.sync()
    quick_bank.delete(made.id)
    quick_bank.ledger.feedback(run_id, 1.0)
    assert quick_bank.get(made.id) is None
    assert quick_bank.search(axis(0), 5) == []


def test_writing_a_run_again_does_not_bring_its_deleted_case_back(quick_bank: CaseBank) -> None:
    space = quick_bank.namespace
    run_id = f"{space}-r1"
    made = Case(task="a task", source_run=run_id, namespace=space)
    for _ in range(2):
        assert add_run(quick_bank.ledger, run_id, made, namespace=space) == made.id
        quick_bank.sync()
        if quick_bank.get(made.id):
            quick_bank.delete(made.id)
    assert (quick_bank.count(), quick_bank.search(axis(0), 5)) == (0, [])


def test_a_run_that_repeats_a_case_is_support_and_no_copy(ledger: Ledger) -> None:
    def case(run_id: str, *tools: str, task: str = "a task", reward: float = 1.0) -> Case:
        outcome = "success" if reward else "failure"
        return run_case(run_id, task, *tools, reward=reward, outcome=outcome)

    first = add_run(ledger, "r1", case("r1", "add"))
    assert add_run(ledger, "r2", case("r2", "add")) == first
    assert add_run(ledger, "r3", case("r3", "add")) == first
    assert ledger.support("default", str(first)) == 3
    others = [
        add_run(ledger, "r4", case("r4", "add", "multiply")),
        add_run(ledger, "r5", case("r5", "add", task="another task")),
        add_run(ledger, "r6", case("r6", "add", reward=0.0)),
    ]
    assert len({first, *others}) == 4
    assert [ledger.support("default", str(other)) for other in others] == [1, 1, 1]


def test_a_repetition_that_turns_out_otherwise_becomes_a_case_of_its_own(ledger: Ledger) -> None:
    first = add_run(ledger, "r1", run_case("r1", "a task", "add"))
    again = {"trajectory": [step("add")], "answer": "another"}
    assert add_run(ledger, "r2", run_case("r2", "a task", "add"), **again) == first
    ledger.feedback("r2", 1.0)
    run = ledger.run("r2")
    assert run is not None
    assert run["case_id"] != first
    with ledger.home.reader.connect() as connection:
        old, new = journal.read_all(connection, "default")
    assert (old.id, old.outcome, old.answer) == (first, "unknown", "")
    assert (new.id, new.outcome, new.answer, new.source_run) == (run["case_id"], "success", "another", "r2")
    assert new.tools == ["add"]
    ledger.feedback("r1", 1.0)
    assert [ledger.support("default", case.id) for case in (old, new)] == [2, 0]


def test_a_case_is_not_repeated_across_namespaces(ledger: Ledger) -> None:
    first = add_run(ledger, "r1", Case(task="a task", source_run="r1", namespace="ann"), namespace="ann")
    second = add_run(ledger, "r2", Case(task="a task", source_run="r2", namespace="bob"), namespace="bob")
    assert first != second


def test_threads_that_commit_at_once_lose_nothing(ledger: Ledger) -> None:
    def commit(number: int) -> None:
        run_id = f"r{number}"
        add_run(ledger, run_id, run_case(run_id, f"task {number}", "add"))
        ledger.feedback(run_id, number / 80)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(commit, range(80)))
    rows = ledger.runs()
    assert {row["run_id"]: row["reward"] for row in rows} == {f"r{n}": n / 80 for n in range(80)}
    assert sorted(row["number"] for row in rows) == list(range(1, 81))
    assert len({row["case_id"] for row in rows}) == 80
    outcomes = ledger.outcomes_since("default", 0)
    assert len({row.revision for row in outcomes}) == len(outcomes) == 80


def test_readers_take_in_only_what_changed(ledger: Ledger) -> None:
    for number in range(4):
        add_run(ledger, f"r{number}")
    newest = max(row.revision for row in ledger.outcomes_since("default", 0))
    assert ledger.outcomes_since("default", newest) == []
    ledger.feedback("r1", 1.0)
    assert [(row.run_id, row.reward) for row in ledger.outcomes_since("default", newest)] == [("r1", 1.0)]


def test_a_run_that_was_not_to_teach_teaches_nothing(ledger: Ledger) -> None:
    add_run(ledger, "r1", learn=False)
    ledger.feedback("r1", 1.0)
    assert ledger.outcomes_since("default", 0) == []
    assert reward_of(ledger, "r1") == 1.0


def test_credentials_are_in_none_of_the_files(home: Path) -> None:
    call = {
        "name": "fetch",
        "args": {"key": SECRET, "password": "hush hush"},
        "result": SECRET,
        "error": SECRET,
    }
    trajectory: Any = [{"subtask": f"use {SECRET}", "tool_calls": [call], "result": SECRET}]
    about: dict[str, Any] = {
        "task": f"log in with {SECRET}",
        "trajectory": trajectory,
        "answer": f"it is {SECRET}",
    }
    with Ledger(home) as ledger:
        case = Case(source_run="r1", namespace="default", plan=[f"use {SECRET}"], **about)
        add_run(ledger, "r1", case, plan=[f"use {SECRET}"], **about)
        ledger.feedback("r1", 1.0, comment=f"but {SECRET} is public now")
        row = ledger.run("r1") or {}
    assert (row["task"], row["answer"]) == ("log in with [redacted]", "it is [redacted]")
    assert row["rewards"][0]["comment"] == "but [redacted] is public now"
    assert row["trajectory"][0]["tool_calls"][0]["args"] == {"key": "[redacted]", "password": "[redacted]"}
    stored = b"".join(file.read_bytes() for file in home.rglob("*") if file.is_file())
    assert b"[redacted]" in stored
    assert SECRET.encode() not in stored
    assert b"hush" not in stored


def test_halves_of_characters_and_endless_nesting_do_not_stop_a_run_from_being_written(
    ledger: Ledger,
) -> None:
    deep: Any = "\ud83d"
    for _ in range(900):
        deep = {"x": deep}
    call = {"name": "tool", "args": deep, "result": "\ud83d", "error": None}
    trajectory: Any = [{"subtask": "\ud83d", "tool_calls": [call], "result": ""}]
    add_run(ledger, "r1", task="\ud83d", answer="\ud83d", trajectory=trajectory)
    assert (ledger.run("r1") or {})["answer"] == "\ufffd"


def test_vectors_of_other_dimensions_are_refused_and_nothing_is_written(ledger: Ledger) -> None:
    add_run(ledger, "r1")
    with pytest.raises(UsageError, match="dimensions"):
        add_run(ledger, "r2", vector=np.ones(3, dtype=np.float32))
    assert ledger.run("r2") is None


def test_numbers_count_up_by_namespace_and_on_from_what_is_recorded(home: Path) -> None:
    with Ledger(home) as ledger:
        assert [ledger.next_number(name) for name in ("a", "a", "b", "a")] == [1, 2, 1, 3]
        run = RunRecord(run_id="r1", namespace="a", number=2, vector=axis(0), arm="none")
        ledger.commit_run(run)
    with Ledger(home) as ledger:
        assert [ledger.next_number(name) for name in ("a", "b")] == [3, 1]
