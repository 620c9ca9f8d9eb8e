"""How cases become conversation turns."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from memento.graph import render
from memento.memory import Case


def step(subtask: str, name: str, result: str, error: str | None = None, **args: Any) -> dict[str, Any]:
    made = {"name": name, "args": args, "result": result, "error": error}
    return {"subtask": subtask, "tool_calls": [made], "result": result}


def case(task: str = "What is 2+3?", outcome: str = "success", **more: Any) -> Case:
    shown = {"trajectory": [step("Add 2 and 3", "add", "5", a=2, b=3)], "answer": "5", **more}
    plan = [row["subtask"] for row in shown["trajectory"]]
    return Case(task=task, outcome=outcome, **{"plan": plan, **shown})  # type: ignore[arg-type]


def texts(turns: list[Any]) -> list[str]:
    return [turn.text for turn in turns]


def test_a_case_is_its_task_and_the_plan_that_worked() -> None:
    turns = render.planner_turns([case()], numbered=False, small=False)
    assert [type(turn) for turn in turns] == [HumanMessage, AIMessage]
    assert turns[0].text == "Task: What is 2+3?"
    assert json.loads(turns[1].text) == {
        "answer": None,
        "last_result_is_answer": True,
        "subtasks": ["Add 2 and 3"],
    }


def test_a_small_model_is_shown_the_subtasks_alone() -> None:
    turns = render.planner_turns([case(answer="about 5")], numbered=False, small=True)
    assert texts(turns) == ["Task: What is 2+3?", '{"subtasks": ["Add 2 and 3"]}']


def test_a_case_whose_answer_is_not_its_last_result_shows_both() -> None:
    turns = render.planner_turns([case(answer="five apples")], numbered=False, small=False)
    assert len(turns) == 4
    assert turns[2].text == "Results:\n1. Add 2 and 3: 5"
    assert json.loads(turns[3].text)["answer"] == "five apples"


def test_a_case_without_a_plan_is_its_answer() -> None:
    turns = render.planner_turns([case(trajectory=[], plan=[])], numbered=False, small=False)
    assert json.loads(turns[1].text) == {"answer": "5", "last_result_is_answer": False, "subtasks": []}


def test_the_first_case_comes_last_and_keeps_its_number() -> None:
    cases = [case("one"), case("two", "failure"), case("three")]
    turns = render.planner_turns(cases, numbered=True, small=False)
    assert texts(turns)[::2] == ["[3] Task: three", "[1] Task: one"]


@pytest.mark.parametrize("outcome", ["success", "unknown"])
def test_what_did_not_fail_is_a_turn_and_no_warning(outcome: str) -> None:
    shown = [case(outcome=outcome)]
    assert len(render.planner_turns(shown, numbered=False, small=False)) == 2
    assert render.task_turn("New", shown).text == "Task: New"


def test_what_failed_is_a_short_warning_and_no_turn() -> None:
    shown = [case(outcome="failure")]
    assert render.planner_turns(shown, numbered=False, small=False) == []
    assert render.examples(shown) == []
    assert render.task_turn("New", shown).text == (
        "Past attempts that failed; do not repeat them:\n"
        '- What is 2+3?: tried add({"a": 2, "b": 3})\n\nTask: New'
    )


def test_warnings_are_few_and_short() -> None:
    long = [step("x" * 5000, "add", "y" * 5000, a="z" * 5000) for _ in range(20)]
    failed = [case("t" * 5000, "failure", trajectory=long) for _ in range(10)]
    text = render.task_turn("New", failed).text
    assert text.count("\n- ") == 3
    assert len(text) < 2500


def test_a_warning_without_tool_calls_names_the_plan() -> None:
    assert (
        "tried Guess"
        in render.task_turn("New", [case(outcome="failure", trajectory=[], plan=["Guess"])]).text
    )
    assert "tried no plan" in render.task_turn("New", [case(outcome="failure", trajectory=[], plan=[])]).text


def test_only_steps_whose_tool_worked_are_examples() -> None:
    broken = step("Add badly", "add", "", "wrong arguments", a="x")
    silent = {"subtask": "Think", "tool_calls": [], "result": "hm"}
    good = step("Add 2 and 3", "add", "5", a=2, b=3)
    [example] = render.examples([case(trajectory=[silent, broken, good])])
    assert example.step["subtask"] == "Add 2 and 3"
    assert [row["subtask"] for row in example.earlier] == ["Think", "Add badly"]


def test_a_native_example_is_a_call_its_result_and_the_step_s_result() -> None:
    turns = render.executor_turns(render.examples([case()]), native=True)
    assert [type(turn) for turn in turns] == [HumanMessage, AIMessage, ToolMessage, AIMessage]
    asked, answered = turns[1], turns[2]
    assert isinstance(asked, AIMessage)
    assert isinstance(answered, ToolMessage)
    assert asked.tool_calls[0]["name"] == "add"
    assert asked.tool_calls[0]["id"] == answered.tool_call_id
    assert turns[3].text == "5"


def test_the_calls_of_several_examples_have_different_ids() -> None:
    two = {"subtask": "Add", "tool_calls": [*step("", "add", "1", a=1)["tool_calls"]] * 2, "result": "1"}
    turns = render.executor_turns(
        render.examples([case(trajectory=[two]), case(trajectory=[two])]), native=True
    )
    ids = [turn.tool_call_id for turn in turns if isinstance(turn, ToolMessage)]
    assert len(ids) == len(set(ids)) == 4


def test_a_json_example_is_its_last_working_call() -> None:
    turns = render.executor_turns(render.examples([case()]), native=False)
    assert texts(turns) == [
        "Subtask: Add 2 and 3",
        '{"call": {"tool": "add", "args": {"a": 2, "b": 3}}}',
    ]


def test_a_later_step_is_shown_with_the_results_before_it() -> None:
    steps = [step("Add 2 and 3", "add", "5", a=2, b=3), step("Double it", "multiply", "10", a=5, b=2)]
    turns = render.executor_turns(render.examples([case(trajectory=steps)]), native=False)
    assert turns[2].text == "Subtask: Double it\nResult so far: 5"


def test_long_results_are_cut_and_say_so() -> None:
    long = step("Read", "read", "x" * 100_000)
    turns = render.executor_turns(render.examples([case(trajectory=[long])]), native=True)
    assert all(len(turn.text) < 2000 for turn in turns)
    assert turns[2].text.endswith("… (98500 more characters)")
    assert len(render.results_text([long] * 3)) < 6000  # type: ignore[list-item]


@pytest.mark.parametrize("small", [False, True])
def test_texts_of_other_scripts_stay_readable(small: bool) -> None:
    assert "größer 数" in render.plan_json(["größer 数"], None, last_is_answer=False, small=small)
    assert "größer 数" in render.call_json("add", {"a": "größer 数"})
