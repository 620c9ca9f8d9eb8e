"""Every loop has a cap, and reaching it ends in an honest answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.language_models import FakeListChatModel

from memento import Context
from memento.errors import UsageError
from tests.agent import Script, agent, asked, call, final, json_call, plan
from tests.openai_stub import OpenAIStub, Reply

if TYPE_CHECKING:
    from memento.memory import CaseBank

TASK = {"task": "What is 2 plus 3?", "reference": "5"}


def run(bank: CaseBank, script: Script, **settings: Any) -> tuple[dict[str, Any], OpenAIStub]:
    with OpenAIStub(script) as stub:
        out = agent(stub, bank, **settings).invoke(TASK)
    assert stub.violations == []
    return out, stub


def counted(first: int = 0) -> Any:
    """An executor that always calls a tool, never the same call twice."""
    return lambda request: call("add", a=len(request.messages) + first, b=first)


def assert_honest(out: dict[str, Any], bank: CaseBank, reason: str) -> None:
    assert out["answer"] == f"not solved: {reason}"
    assert (out["status"], out["reward"]) == ("not solved", 0)
    assert out["evaluation"]["source"] == "run"
    assert [case.outcome for case in bank.all()] == ["failure"]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 7])
def test_a_run_makes_no_more_model_calls_than_it_may(limit: int, quick_bank: CaseBank) -> None:
    script = Script(planner=plan("Add 2 and 3"), executor=counted())
    out, stub = run(quick_bank, script, max_model_calls=limit)
    assert_honest(out, quick_bank, f"reached {limit} model calls")
    assert len(stub.requests) == limit


@pytest.mark.parametrize("mode", ["native", "json"])
@pytest.mark.parametrize("limit", [1, 3])
def test_a_run_makes_no_more_plans_than_it_may(limit: int, mode: str, quick_bank: CaseBank) -> None:
    executor = "7" if mode == "native" else json_call("answer", text="7")
    script = Script(planner=plan("Add 2 and 3"), executor=executor)
    out, stub = run(quick_bank, script, max_cycles=limit, tool_calls=mode)
    assert_honest(out, quick_bank, f"reached {limit} plans without an answer")
    assert len(asked(stub, "planner")) == limit + 1
    assert len(out["trajectory"]) == limit


def test_after_the_last_plan_the_planner_is_asked_for_the_answer_alone(quick_bank: CaseBank) -> None:
    script = Script(planner=[plan("Add 2 and 3"), final("5")], executor="5")
    out, stub = run(quick_bank, script, max_cycles=1)
    assert out["answer"] == "5"
    last = asked(stub, "planner")[-1]
    assert last.response_format is not None
    properties = last.response_format["json_schema"]["schema"]["properties"]
    assert properties["answer"] == {"type": "string"}
    assert properties["subtasks"]["maxItems"] == 0


@pytest.mark.parametrize("limit", [1, 3, 8])
def test_a_subtask_makes_no_more_tool_calls_than_it_may(limit: int, quick_bank: CaseBank) -> None:
    script = Script(planner=plan("Add 2 and 3", last_is_answer=True), executor=counted())
    out, _ = run(quick_bank, script, max_tool_calls=limit, max_cycles=1)
    [step] = out["trajectory"]
    assert len(step["tool_calls"]) == limit
    assert step["result"] == f"no result: reached {limit} tool calls"
    assert out["answer"].startswith("not solved: ")


def test_calls_made_at_once_count_one_by_one(quick_bank: CaseBank) -> None:
    many = Reply(tool_calls=[("add", {"a": n, "b": n}) for n in range(20)])
    script = Script(planner=plan("Add 2 and 3", last_is_answer=True), executor=many)
    out, _ = run(quick_bank, script, max_tool_calls=5, max_cycles=1)
    assert [made["args"]["a"] for made in out["trajectory"][0]["tool_calls"]] == [0, 1, 2, 3, 4]


def test_the_result_of_the_last_allowed_tool_call_still_counts(quick_bank: CaseBank) -> None:
    script = Script(planner=plan("Add 2 and 3", last_is_answer=True), executor=[call("add", a=2, b=3), "5"])
    out, _ = run(quick_bank, script, max_tool_calls=1, max_cycles=1)
    assert (out["answer"], out["reward"]) == ("5", 1)


def test_a_plan_has_no_more_subtasks_than_it_may(quick_bank: CaseBank) -> None:
    script = Script(planner=[plan(*"abcdefghijkl"), final("5")], executor="done")
    out, _ = run(quick_bank, script, max_subtasks=3)
    assert out["plan"] == ["a", "b", "c"]
    assert len(out["trajectory"]) == 3


def test_the_last_result_of_a_shortened_plan_is_not_taken_for_the_answer(quick_bank: CaseBank) -> None:
    script = Script(
        planner=[plan("a", "b", "c", last_is_answer=True), final("5")], executor=["first", "second", "third"]
    )
    out, _ = run(quick_bank, script, max_subtasks=2)
    assert out["answer"] == "5"


def test_the_same_call_is_made_three_times_at_most(quick_bank: CaseBank) -> None:
    script = Script(planner=plan("Add 2 and 3", last_is_answer=True), executor=call("add", a=1, b=1))
    out, _ = run(quick_bank, script, max_cycles=1)
    assert len(out["trajectory"][0]["tool_calls"]) == 3


def test_a_model_that_never_answers_ends_with_the_runs_time(quick_bank: CaseBank) -> None:
    out, stub = run(quick_bank, Script(planner=Reply("{}", delay=30)), timeout=0.3)
    assert_honest(out, quick_bank, "reached 0.3 seconds")
    assert len(stub.requests) == 1


def test_an_executor_that_never_answers_ends_with_the_runs_time(quick_bank: CaseBank) -> None:
    script = Script(planner=plan("Add 2 and 3"), executor=Reply("5", delay=30))
    out, _ = run(quick_bank, script, timeout=0.5)
    assert_honest(out, quick_bank, "reached 0.5 seconds")


def test_what_was_done_before_the_time_was_up_is_kept(quick_bank: CaseBank) -> None:
    script = Script(planner=plan("Add 2 and 3"), executor=[call("add", a=2, b=3), Reply("5", delay=30)])
    out, _ = run(quick_bank, script, timeout=1.5)
    assert_honest(out, quick_bank, "reached 1.5 seconds")
    assert [made["result"] for made in out["trajectory"][0]["tool_calls"]] == ["5"]
    assert out["usage"]["model_calls"] == 2


def test_an_executor_without_native_tool_calls_is_refused_before_anything_is_paid_for(
    quick_bank: CaseBank,
) -> None:
    silent = FakeListChatModel(responses=["5"])
    with OpenAIStub(Script(planner=plan("Add 2 and 3"))) as stub:
        graph = agent(stub, quick_bank, executor=silent, tool_calls="native")
        with pytest.raises(UsageError, match="no native tool calls: use auto or json"):
            graph.invoke(TASK)
        assert stub.requests == []
    assert quick_bank.ledger.runs(quick_bank.namespace) == []


def test_a_judge_that_never_answers_does_not_outlast_the_run_by_much(quick_bank: CaseBank) -> None:
    with OpenAIStub(Script(planner=final("5"), judge=Reply("{}", delay=30))) as stub:
        out = agent(stub, quick_bank, timeout=0.3).invoke({"task": "What is 2 plus 3?"})
    assert (out["answer"], out["reward"]) == ("5", None)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"max_model_calls": 2}, "reached 2 model calls"),
        ({"max_cycles": 1}, "reached 1 plans without an answer"),
        ({"max_tool_calls": 1, "max_cycles": 2}, "reached 2 plans without an answer"),
    ],
)
def test_a_run_may_set_its_own_limits(limits: dict[str, int], reason: str, quick_bank: CaseBank) -> None:
    with OpenAIStub(Script(planner=plan("Add 2 and 3"), executor=counted())) as stub:
        out = agent(stub, quick_bank).invoke(TASK, context=Context(**limits))
    assert_honest(out, quick_bank, reason)
