"""Whatever a model says instead of what it was asked for: the run ends, honestly, and never as a success."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from tests.agent import Script, add, agent, asked, call, final, json_call, judged, plan
from tests.openai_stub import OpenAIStub, Reply

if TYPE_CHECKING:
    from memento.memory import CaseBank

TASK = {"task": "What is 2 plus 3?", "reference": "5"}
THREAD: Any = {"configurable": {"thread_id": "one"}}
DEEP = 5000
CONTROL = "\x00\x1b[31m\x07\x7f"

PLANNER: dict[str, Any] = {
    "empty": "",
    "blank": " \n\t ",
    "not JSON": "The answer is not something that I would put in braces.",
    "cut off": Reply('{"answer": "5', finish_reason="length"),
    "cut off between strings": Reply('{"answer": "5", "last_result_is_answer"', finish_reason="length"),
    "refusal": Reply(refusal="I cannot help with that."),
    "filtered": Reply("", finish_reason="content_filter"),
    "a tool that nobody offered": call("launch", where="5"),
    "broken arguments": Reply(tool_calls=[("plan", '{"answer": "5"')]),
    "wrong types": {"answer": ["5"], "last_result_is_answer": "no", "subtasks": "5"},
    "subtasks that are numbers": {"answer": None, "last_result_is_answer": True, "subtasks": [5]},
    "an answer that is an object": {"answer": {"value": 5}, "last_result_is_answer": True, "subtasks": []},
    "a list": "[5]",
    "a number": "5",
    "null": "null",
    "an empty object": {},
    "nothing in it": {"answer": "", "last_result_is_answer": False, "subtasks": ["", "  "]},
    "nested brackets": "[" * DEEP + "]" * DEEP,
    "nested brackets left open": '{"answer":' * DEEP,
    "nested brackets in an answer": '{"answer": ' + "[" * DEEP + "]" * DEEP + ', "subtasks": []}',
    "the same plan for ever": plan("Add 1 and 1"),
    "the same subtask many times": plan(*["Add 1 and 1"] * 9),
    "control characters": CONTROL,
    "an answer of control characters": final("\x00\x07\x7f"),
    "lone surrogates": r'{"answer": "\ud800", "last_result_is_answer": false, "subtasks": ["\udfff"]}',
}
REPLANNING = {name: PLANNER[name] for name in list(PLANNER)[::3]}

NATIVE: dict[str, Any] = {
    "empty": "",
    "blank": " \n ",
    "not what was asked for": "{]",
    "cut off": Reply("5", finish_reason="length"),
    "refusal": Reply(refusal="I cannot help with that."),
    "filtered": Reply("5", finish_reason="content_filter"),
    "unknown tool": call("launch", where="Mars"),
    "unknown tool with a name that no tool can have": call("rm -rf /; \x00\x1b", where="Mars"),
    "unknown tool with an endless name": call("x" * 3000),
    "no name at all": call(""),
    "broken arguments": Reply(tool_calls=[("add", '{"a": 1,')]),
    "arguments that are a list": Reply(tool_calls=[("add", "[1, 2]")]),
    "arguments that are nothing": Reply(tool_calls=[("add", "")]),
    "wrong types": call("add", a="two", b=[None]),
    "missing arguments": call("add"),
    "surplus arguments": call("add", a=1, b=1, c=1),
    "nested brackets": Reply(tool_calls=[("add", '{"a": ' + "[" * DEEP + "]" * DEEP + "}")]),
    "nested brackets left open": Reply(tool_calls=[("add", '{"a":' * DEEP)]),
    "half as many brackets": Reply(tool_calls=[("launch", '{"a": ' + "[" * 480 + "]" * 480 + "}")]),
    "few brackets": Reply(tool_calls=[("launch", '{"a": ' + "[" * 100 + "]" * 100 + "}")]),
    "many calls at once": Reply(tool_calls=[("add", {"a": 1, "b": n}) for n in range(50)]),
    "good and broken calls": Reply(tool_calls=[("add", {"a": 1, "b": 1}), ("add", "{"), ("nothing", {})]),
    "the same call for ever": call("add", a=1, b=1),
    "another call for ever": lambda request: call("add", a=len(request.messages), b=100),
    "control characters": CONTROL,
    "control characters in arguments": call("launch", where=CONTROL),
    "lone surrogates": Reply(tool_calls=[("launch", r'{"where": "\ud800", "\udfff": 1}')]),
    "numbers without end": Reply(tool_calls=[("add", '{"a": ' + "9" * 60 + ', "b": 1}')]),
    "numbers that are none": Reply(tool_calls=[("launch", '{"a": NaN, "b": -Infinity}')]),
}

JSON: dict[str, Any] = {
    "empty": "",
    "not JSON": "I would rather add them in my head.",
    "cut off": Reply('{"call": {"tool": "add", "args": {"a": 1, "b"', finish_reason="length"),
    "refusal": Reply(refusal="I cannot help with that."),
    "unknown tool": json_call("launch", where="Mars"),
    "broken arguments": {"call": {"tool": "add", "args": '{"a": 1'}},
    "wrong types": json_call("add", a="two", b=[None]),
    "missing arguments": json_call("add"),
    "no tool": {"call": {"args": {}}},
    "a call that is a list": {"call": [1]},
    "another object": {"subtasks": ["Add"]},
    "an empty answer": json_call("answer", text=" "),
    "an answer of control characters": json_call("answer", text="\x00\x07\x7f"),
    "nested brackets": "[" * DEEP + "]" * DEEP,
    "nested brackets left open": '{"call":' * DEEP,
    "half as many brackets": '{"call": {"tool": "launch", "args": {"a": ' + "[" * 480 + "]" * 480 + "}}}",
    "few brackets": '{"call": {"tool": "launch", "args": {"a": ' + "[" * 100 + "]" * 100 + "}}}",
    "the same call for ever": json_call("add", a=1, b=1),
    "the same failing call for ever": json_call("add", a="x", b="y"),
    "control characters": CONTROL,
    "lone surrogates": r'{"call": {"tool": "launch", "args": {"where": "\ud800"}}}',
    "numbers without end": '{"call": {"tool": "add", "args": {"a": ' + "9" * 60 + ', "b": 1}}}',
}


def run(bank: CaseBank, script: Script, **settings: Any) -> tuple[dict[str, Any], OpenAIStub]:
    with OpenAIStub(script) as stub:
        graph = agent(stub, bank, tools=[add], checkpointer=InMemorySaver(), **settings)
        return graph.invoke(TASK, THREAD), stub


def assert_no_success(out: dict[str, Any], stub: OpenAIStub, bank: CaseBank) -> None:
    assert out["reward"] != 1
    assert isinstance(out["answer"], str)
    assert out["answer"].strip()
    assert out["answer"].isprintable()
    assert out["status"] == "not solved" or out["reward"] == 0
    assert [case for case in bank.all() if case.outcome == "success"] == []
    assert len(stub.requests) <= 40
    assert out["usage"]["model_calls"] == len(stub.requests)
    assert stub.violations == []
    found = bank.search(bank.embed(["anything"])[0], 9)
    assert [candidate.case_id for candidate in found] == [case.id for case in bank.all()] != []
    [row] = bank.ledger.runs(bank.namespace)
    assert row["run_id"] == out["run_id"]
    assert row["reward"] == out["reward"]


@pytest.mark.parametrize("said", PLANNER.values(), ids=PLANNER.keys())
def test_no_planner_output_raises_or_ends_as_a_success(said: Any, quick_bank: CaseBank) -> None:
    script = Script(planner=said, executor=[call("add", a=1, b=1), "2"])
    out, stub = run(quick_bank, script)
    assert_no_success(out, stub, quick_bank)
    assert out["answer"].startswith("not solved: ")


@pytest.mark.parametrize("said", REPLANNING.values(), ids=REPLANNING.keys())
def test_no_output_of_a_replanning_planner_is_printed_as_the_answer(said: Any, quick_bank: CaseBank) -> None:
    script = Script(planner=[plan("Add 1 and 1"), said], executor="2")
    out, stub = run(quick_bank, script)
    assert_no_success(out, stub, quick_bank)
    assert out["answer"].startswith("not solved: ")


@pytest.mark.parametrize("said", NATIVE.values(), ids=NATIVE.keys())
def test_no_executor_output_raises_or_ends_as_a_success(said: Any, quick_bank: CaseBank) -> None:
    out, stub = run(quick_bank, Script(planner=plan("Add 2 and 3", last_is_answer=True), executor=said))
    assert_no_success(out, stub, quick_bank)


@pytest.mark.parametrize("said", JSON.values(), ids=JSON.keys())
def test_no_json_call_of_an_executor_raises_or_ends_as_a_success(said: Any, quick_bank: CaseBank) -> None:
    script = Script(planner=plan("Add 2 and 3", last_is_answer=True), executor=said)
    out, stub = run(quick_bank, script, tool_calls="json")
    assert_no_success(out, stub, quick_bank)


@pytest.mark.parametrize(
    "broken",
    ["", "no JSON", Reply(refusal="No."), Reply('{"answer"', finish_reason="length"), "[" * DEEP],
    ids=["empty", "not JSON", "refusal", "cut off", "nested brackets"],
)
def test_one_malformed_plan_is_asked_for_again(broken: Any, quick_bank: CaseBank) -> None:
    out, stub = run(quick_bank, Script(planner=[broken, final("5")]))
    assert (out["answer"], out["reward"]) == ("5", 1)
    assert "not usable" in asked(stub, "planner")[1].messages[-1]["content"]
    assert stub.violations == []


@pytest.mark.parametrize(
    "broken",
    [
        "",
        Reply("5", finish_reason="length"),
        Reply(refusal="No."),
        call("launch"),
        Reply(tool_calls=[("add", "{")]),
        call("add", a="x", b="y"),
    ],
    ids=["empty", "cut off", "refusal", "unknown tool", "broken arguments", "wrong types"],
)
def test_one_malformed_tool_call_is_asked_for_again(broken: Any, quick_bank: CaseBank) -> None:
    executor = [broken, call("add", a=2, b=3), "5"]
    out, stub = run(quick_bank, Script(planner=plan("Add 2 and 3", last_is_answer=True), executor=executor))
    assert (out["answer"], out["reward"]) == ("5", 1)
    assert stub.violations == []


JUDGEMENTS: dict[str, Any] = {
    "empty": "",
    "not JSON": "It is right.",
    "cut off": Reply('{"rationale": "rig', finish_reason="length"),
    "refusal": Reply(refusal="No."),
    "score above one": judged(7),
    "score below zero": judged(-0.1),
    "score as text": judged("1"),
    "score as truth": judged(score=True),
    "no score": {"rationale": "right"},
    "score that is no number": '{"rationale": "", "score": NaN}',
    "nested brackets": "[" * DEEP + "]" * DEEP,
    "control characters": CONTROL,
}


@pytest.mark.parametrize("said", JUDGEMENTS.values(), ids=JUDGEMENTS.keys())
def test_a_judge_that_says_no_score_means_unknown(said: Any, quick_bank: CaseBank) -> None:
    with OpenAIStub(Script(planner=final("5"), judge=said)) as stub:
        out = agent(stub, quick_bank).invoke({"task": TASK["task"]})
    assert (out["answer"], out["reward"]) == ("5", None)
    assert [case.outcome for case in quick_bank.all()] == ["unknown"]
    assert quick_bank.ledger.runs(quick_bank.namespace)[0]["reward"] is None
    assert out["usage"]["model_calls"] == 2
    assert stub.violations == []


@pytest.mark.parametrize("rationale", [r"\ud800", r"\u0000", "x" * 100_000], ids=["surrogate", "nul", "long"])
def test_a_judges_strange_reason_is_kept_as_plain_text(rationale: str, quick_bank: CaseBank) -> None:
    said = '{"rationale": "' + rationale + '", "score": 1}'
    with OpenAIStub(Script(planner=final("5"), judge=said)) as stub:
        out = agent(stub, quick_bank).invoke({"task": TASK["task"]})
    assert out["reward"] == 1
    found = quick_bank.ledger.run(out["run_id"])
    assert found is not None
    assert len(found["rewards"][0]["comment"]) <= 1100
