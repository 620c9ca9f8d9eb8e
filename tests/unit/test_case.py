"""A case: its id, its forms, and what it refuses to be."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memento.memory import Case
from memento.memory.case import outcome_of
from memento.memory.errors import UsageError
from tests.memory_tools import step

TEXTS = st.text(max_size=20)
CALLS = st.fixed_dictionaries(
    {
        "name": st.text(min_size=1, max_size=9),
        "args": st.dictionaries(TEXTS, st.integers() | TEXTS),
        "result": TEXTS,
    },
    optional={"error": st.none() | TEXTS},
)
STEPS = st.fixed_dictionaries({"subtask": TEXTS, "tool_calls": st.lists(CALLS, max_size=3), "result": TEXTS})


@given(
    task=TEXTS.filter(str.strip), plan=st.lists(TEXTS), trajectory=st.lists(STEPS, max_size=3), answer=TEXTS
)
def test_a_case_goes_through_json_unchanged(task: str, plan: list[str], trajectory: Any, answer: str) -> None:
    case = Case.from_demonstration(task=task, plan=plan, trajectory=trajectory, answer=answer)
    assert Case.from_dict(json.loads(json.dumps(case.to_dict()))) == case


def test_an_id_follows_from_the_run_or_else_from_the_content() -> None:
    def demo(**changes: Any) -> Case:
        return Case.from_demonstration(**{"task": "a", "plan": ["b"], "answer": "c", **changes})

    assert demo().id == demo().id
    assert demo(note="another").id == demo().id
    assert len({demo().id, demo(task="x").id, demo(plan=["x"]).id, demo(answer="x").id}) == 4
    assert Case(task="a", source_run="r1").id == Case(task="a", source_run="r1", reward=1.0).id
    assert Case(task="a", source_run="r1").id != Case(task="a", source_run="r2").id
    assert Case(task="a", id="mine").id == "mine"


def test_a_demonstration_is_a_success_and_its_steps_are_its_plan() -> None:
    case = Case.from_demonstration(
        task="a", trajectory=[step("x", subtask="first"), step("y", subtask="second")]
    )
    assert (case.outcome, case.reward, case.plan, case.tools) == (
        "success",
        1.0,
        ["first", "second"],
        ["x", "y"],
    )
    assert Case.from_demonstration(task="a", plan=["mine"], trajectory=[step("x")]).plan == ["mine"]


def test_what_a_row_of_a_trajectory_leaves_out_is_empty() -> None:
    case = Case.from_demonstration(task="a", trajectory=[{"tool_calls": [{"name": "x", "result": "4"}]}, {}])
    assert case.trajectory == [
        {
            "subtask": "",
            "tool_calls": [{"name": "x", "args": {}, "result": "4", "error": None}],
            "result": "4",
        },
        {"subtask": "", "tool_calls": [], "result": ""},
    ]


def test_a_call_that_failed_is_none_of_the_tools_that_worked() -> None:
    failed = {"name": "x", "args": {}, "result": "", "error": "no"}
    case = Case.from_demonstration(task="a", trajectory=[{"tool_calls": [failed, {"name": "y"}]}])
    assert case.tools == ["y"]


@pytest.mark.parametrize(
    ("reward", "outcome"),
    [(None, "unknown"), (0.0, "failure"), (0.49, "failure"), (0.5, "success"), (1.0, "success")],
)
def test_a_reward_says_how_it_ended(reward: float | None, outcome: str) -> None:
    assert outcome_of(reward) == outcome


@pytest.mark.parametrize(
    "changes",
    [
        {"task": ""},
        {"task": " \n\t "},
        {"task": None},
        {"reward": 2},
        {"reward": True},
        {"outcome": "splendid"},
        {"status": "asleep"},
    ],
    ids=str,
)
def test_what_cannot_be_a_case_is_refused_in_one_line(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as told:
        Case(**{"task": "a", **changes})
    assert "\n" not in str(told.value)
    with pytest.raises(UsageError):
        replace(Case(task="a"), **changes)


@pytest.mark.parametrize(
    "trajectory", [[5], ["text"], [{"tool_calls": [{}]}], [{"tool_calls": ["x"]}], [{"tool_calls": 5}]]
)
def test_a_trajectory_of_something_else_is_refused(trajectory: Any) -> None:
    with pytest.raises(UsageError, match="trajectory"):
        Case.from_demonstration(task="a", trajectory=trajectory)
