"""One run, from the task to the answer, through the public surface."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from pydantic import BaseModel, Field

from memento import Context, Evaluation, Settings, build_graph
from memento.memory import Case, CaseBank
from memento.memory.errors import UsageError
from tests.agent import (
    Script,
    add,
    agent,
    asked,
    call,
    final,
    json_call,
    judged,
    multiply,
    plan,
)
from tests.conftest import WordEncoder
from tests.openai_stub import JSON, OpenAIStub, Reply, chat_model

if TYPE_CHECKING:
    from pathlib import Path

TASK = {"task": "What is 2 plus 3?", "reference": "5"}
ADDING = {"planner": [plan("Add 2 and 3"), final("5")], "executor": [call("add", a=2, b=3), "5"]}


def run(bank: CaseBank, script: Script, given: Any = TASK, **options: Any) -> tuple[JSON, OpenAIStub]:
    with OpenAIStub(script) as stub:
        out = agent(stub, bank, **options).invoke(given)
    assert stub.violations == []
    return out, stub


def test_a_run_plans_calls_a_tool_and_answers(quick_bank: CaseBank) -> None:
    out, stub = run(quick_bank, Script(**ADDING))
    assert out["answer"] == "5"
    assert out["reward"] == 1.0
    assert out["plan"] == ["Add 2 and 3"]
    assert out["trajectory"] == [
        {
            "subtask": "Add 2 and 3",
            "tool_calls": [{"name": "add", "args": {"a": 2, "b": 3}, "result": "5", "error": None}],
            "result": "5",
        }
    ]
    assert out["retrieved"] == []
    assert re.fullmatch(r"\w{16,}", out["run_id"])
    assert [type(message) for message in out["messages"]] == [HumanMessage, AIMessage]
    assert [message.text for message in out["messages"]] == ["What is 2 plus 3?", "5"]
    assert len(stub.requests) == 4


def test_usage_is_counted_over_all_models(quick_bank: CaseBank) -> None:
    script = Script(
        planner=[
            Reply(json.dumps(plan("Add 2 and 3")), usage=(100, 10)),
            Reply(json.dumps(final("5")), usage=(200, 20)),
        ],
        executor=[Reply(tool_calls=[("add", {"a": 2, "b": 3})], usage=(30, 3)), Reply("5", usage=(40, 4))],
        judge=Reply(json.dumps(judged(1)), usage=(5, 1)),
    )
    out, _ = run(quick_bank, script, {"task": TASK["task"]})
    assert out["usage"] == {"model_calls": 5, "input_tokens": 375, "output_tokens": 38}
    stored = quick_bank.ledger.run(out["run_id"])
    assert stored is not None
    assert stored["usage"] == out["usage"]


def test_what_a_run_did_is_in_the_ledger_and_in_the_bank(quick_bank: CaseBank) -> None:
    out, _ = run(quick_bank, Script(**ADDING))
    stored = quick_bank.ledger.run(out["run_id"])
    assert stored is not None
    for name in ("plan", "trajectory", "answer", "reward"):
        assert stored[name] == out[name]
    [case] = quick_bank.all()
    assert (case.task, case.plan, case.answer) == (TASK["task"], ["Add 2 and 3"], "5")
    assert (case.outcome, case.source_run, case.trajectory) == ("success", out["run_id"], out["trajectory"])


def test_the_planner_is_shown_the_tools_and_asked_in_a_strict_schema(quick_bank: CaseBank) -> None:
    _, stub = run(quick_bank, Script(**ADDING))
    first = asked(stub, "planner")[0]
    assert "- add: Add two whole numbers." in first.messages[0]["content"]
    assert first.messages[-1]["content"] == "Task: What is 2 plus 3?"
    assert first.response_format is not None
    assert first.response_format["json_schema"]["strict"] is True
    assert first.tools == []


def test_the_executor_is_given_one_subtask_and_the_tools(quick_bank: CaseBank) -> None:
    _, stub = run(quick_bank, Script(**ADDING))
    first, second = asked(stub, "executor")
    assert [offered["function"]["name"] for offered in first.tools] == ["add", "multiply"]
    assert first.messages[-1]["content"] == "Subtask: Add 2 and 3"
    assert TASK["task"] not in first.text
    assert [message["role"] for message in second.messages[-2:]] == ["assistant", "tool"]
    assert second.messages[-1]["content"] == "5"


def test_the_planner_plans_again_with_the_results_so_far(quick_bank: CaseBank) -> None:
    script = Script(
        planner=[plan("Add 2 and 3"), plan("Multiply it by 4"), final("20")],
        executor=[call("add", a=2, b=3), "5", call("multiply", a=5, b=4), "20"],
    )
    out, stub = run(quick_bank, script, {"task": "What is (2+3)*4?", "reference": "20"})
    assert (out["answer"], out["reward"]) == ("20", 1)
    assert out["plan"] == ["Multiply it by 4"]
    assert [step["subtask"] for step in out["trajectory"]] == ["Add 2 and 3", "Multiply it by 4"]
    assert quick_bank.all()[0].plan == ["Add 2 and 3", "Multiply it by 4"]
    last = asked(stub, "planner")[2].messages[-1]["content"]
    assert "1. Add 2 and 3: 5" in last
    assert "2. Multiply it by 4: 20" in last


def test_a_subtask_is_told_the_results_of_those_before_it_in_the_plan(quick_bank: CaseBank) -> None:
    script = Script(
        planner=[plan("Add 2 and 3", "Multiply it by 4"), final("20")],
        executor=[call("add", a=2, b=3), "5", call("multiply", a=5, b=4), "20"],
    )
    _, stub = run(quick_bank, script)
    assert asked(stub, "executor")[2].messages[-1]["content"] == "Subtask: Multiply it by 4\nResult so far: 5"


def test_a_last_result_that_is_the_answer_saves_the_last_call(quick_bank: CaseBank) -> None:
    script = Script(planner=plan("Add 2 and 3", last_is_answer=True), executor=[call("add", a=2, b=3), "5"])
    out, stub = run(quick_bank, script)
    assert (out["answer"], out["reward"]) == ("5", 1)
    assert len(stub.requests) == 3
    assert len(asked(stub, "planner")) == 1


def test_a_failed_last_subtask_is_not_taken_for_the_answer(quick_bank: CaseBank) -> None:
    script = Script(planner=[plan("Add 2 and 3", last_is_answer=True), final("5")], executor="")
    out, _ = run(quick_bank, script)
    assert out["answer"] == "5"
    assert out["trajectory"][0]["result"] == "no result: the reply was empty"


def test_a_failed_subtask_ends_its_plan(quick_bank: CaseBank) -> None:
    script = Script(planner=[plan("one", "two"), final("5")], executor="")
    out, _ = run(quick_bank, script)
    assert [step["subtask"] for step in out["trajectory"]] == ["one"]
    assert out["answer"] == "5"


def test_a_task_that_needs_no_tool_is_answered_at_once(quick_bank: CaseBank) -> None:
    out, stub = run(quick_bank, Script(planner=final("5")))
    assert (out["answer"], out["plan"], out["trajectory"]) == ("5", [], [])
    assert len(stub.requests) == 1


def test_a_number_as_the_answer_is_an_answer(quick_bank: CaseBank) -> None:
    out, _ = run(quick_bank, Script(planner={"answer": 5, "last_result_is_answer": False, "subtasks": []}))
    assert (out["answer"], out["reward"]) == ("5", 1)


def test_several_tool_calls_at_once_all_run(quick_bank: CaseBank) -> None:
    both = Reply(tool_calls=[("add", {"a": 2, "b": 3}), ("multiply", {"a": 2, "b": 3})])
    out, stub = run(quick_bank, Script(planner=[plan("Do both"), final("5")], executor=[both, "5 and 6"]))
    assert [made["result"] for made in out["trajectory"][0]["tool_calls"]] == ["5", "6"]
    assert [m["content"] for m in asked(stub, "executor")[1].messages if m["role"] == "tool"] == ["5", "6"]


def test_no_tools_at_all_is_a_set_of_tools(quick_bank: CaseBank) -> None:
    out, stub = run(quick_bank, Script(planner=plan("Think", last_is_answer=True), executor="5"), tools=[])
    assert out["answer"] == "5"
    assert asked(stub, "executor")[0].tools == []


# -- who judges


@pytest.mark.parametrize(("score", "outcome"), [(1, "success"), (0.25, "failure"), (0, "failure")])
def test_without_a_reference_the_judge_counts_half(score: float, outcome: str, quick_bank: CaseBank) -> None:
    script = Script(planner=final("5"), judge=judged(score, "as it should be"))
    out, stub = run(quick_bank, script, {"task": TASK["task"]})
    assert out["reward"] == score
    [case] = quick_bank.all()
    assert case.outcome == outcome
    stored = quick_bank.ledger.run(out["run_id"])
    assert stored is not None
    [reward] = stored["rewards"]
    assert (reward["reward"], reward["source"], reward["weight"]) == (score, "judge", 0.5)
    assert reward["comment"] == "as it should be"
    [request] = asked(stub, "judge")
    assert "Answer to judge:\n5" in request.messages[-1]["content"]


def test_with_a_reference_no_judge_is_asked_and_it_counts_fully(quick_bank: CaseBank) -> None:
    out, stub = run(quick_bank, Script(planner=final("The answer is 5.0")))
    assert asked(stub, "judge") == []
    stored = quick_bank.ledger.run(out["run_id"])
    assert stored is not None
    assert [(r["reward"], r["source"], r["weight"]) for r in stored["rewards"]] == [(1.0, "reference", 1.0)]


def test_the_judge_of_the_settings_judges(quick_bank: CaseBank) -> None:
    with OpenAIStub(judged(1)) as court, OpenAIStub(Script(planner=final("5"))) as stub:
        out = agent(stub, quick_bank, judge=chat_model(court)).invoke({"task": TASK["task"]})
    assert out["reward"] == 1
    assert len(court.requests) == 1
    assert asked(stub, "judge") == []


def test_a_wrong_answer_is_a_failure(quick_bank: CaseBank) -> None:
    out, _ = run(quick_bank, Script(planner=final("6")))
    assert out["reward"] == 0
    assert [case.outcome for case in quick_bank.all()] == ["failure"]


async def _async_evaluator(_run: Any) -> float:
    await asyncio.sleep(0)
    return 0.75


EVALUATORS: dict[str, tuple[Any, float | None]] = {
    "a number": (lambda _: 0.75, 0.75),
    "a truth": (lambda _: True, 1.0),
    "a NumPy number": (lambda _: np.float32(0.5), 0.5),
    "asynchronous": (_async_evaluator, 0.75),
    "an evaluation": (lambda _: Evaluation(0.25, "a quarter", "mine", 2.0), 0.25),
    "unknown": (lambda _: None, None),
    "an unknown evaluation": (lambda _: Evaluation(None, "who knows"), None),
    "raises": (lambda _: 1 / 0, None),
    "above one": (lambda _: 1.5, None),
    "below zero": (lambda _: -0.5, None),
    "no number": (lambda _: float("nan"), None),
    "a text": (lambda _: "good", None),
    "a list": (lambda _: [1.0], None),
    "a weight of nothing": (lambda _: Evaluation(1.0, weight=0), None),
    "an endless weight": (lambda _: Evaluation(1.0, weight=float("inf")), None),
    "strange words": (lambda _: Evaluation(0.5, rationale=None, source=7), 0.5),  # type: ignore[arg-type]
    "strange characters": (lambda _: Evaluation(0.5, rationale="\ud800\x00", source="\ud800"), 0.5),
}


@pytest.mark.parametrize(("evaluator", "reward"), EVALUATORS.values(), ids=EVALUATORS.keys())
def test_a_users_evaluator_gives_the_reward_or_it_is_unknown(
    evaluator: Any, reward: float | None, quick_bank: CaseBank
) -> None:
    out, stub = run(quick_bank, Script(planner=final("5")), evaluator=evaluator)
    assert out["reward"] == reward
    assert out["answer"] == "5"
    stored = quick_bank.ledger.run(out["run_id"])
    assert stored is not None
    assert stored["reward"] == reward
    assert len(stored["rewards"]) == (reward is not None)
    assert asked(stub, "judge") == []


def test_an_evaluations_source_weight_and_reason_are_kept(quick_bank: CaseBank) -> None:
    out, _ = run(
        quick_bank, Script(planner=final("5")), evaluator=lambda _: Evaluation(0.25, "a quarter", "mine", 2.0)
    )
    stored = quick_bank.ledger.run(out["run_id"])
    assert stored is not None
    [said] = stored["rewards"]
    assert (said["source"], said["weight"], said["comment"]) == ("mine", 2.0, "a quarter")


def test_an_evaluator_sees_the_whole_run_and_the_reference_as_it_was_given(quick_bank: CaseBank) -> None:
    seen: list[Any] = []
    reference = {"values": [1, {"deep": (2, 3)}]}
    given = {"task": "  What is 2 plus 3?\n", "reference": reference}
    run(quick_bank, Script(**ADDING), given, evaluator=lambda view: seen.append(view) or 1.0)
    [view] = seen
    assert view.reference is reference
    assert (view.task, view.answer, view.plan) == ("What is 2 plus 3?", "5", ["Add 2 and 3"])
    assert view.trajectory[0]["tool_calls"][0]["name"] == "add"


def test_an_evaluator_is_not_asked_about_a_run_without_an_answer(quick_bank: CaseBank) -> None:
    seen: list[Any] = []
    out, _ = run(quick_bank, Script(planner="no"), evaluator=lambda view: seen.append(view) or 1.0)
    assert (out["reward"], seen) == (0, [])


# -- messages in and out


CONVERSATIONS: dict[str, list[Any]] = {
    "a message": [HumanMessage("What is 2 plus 3?")],
    "a pair": [("user", "What is 2 plus 3?")],
    "a mapping": [{"role": "user", "content": "What is 2 plus 3?"}],
    "content blocks": [HumanMessage([{"type": "text", "text": "What is 2 plus 3?"}])],
    "blocks of several kinds": [
        HumanMessage(
            ["What is ", {"type": "image_url", "image_url": "x"}, {"type": "text", "text": "2 plus 3?"}]
        )
    ],
    "a conversation": [
        ("system", "Be kind."),
        ("user", "Hi"),
        ("ai", "Hello"),
        ("user", "What is 2 plus 3?"),
    ],
}


@pytest.mark.parametrize("messages", CONVERSATIONS.values(), ids=CONVERSATIONS.keys())
def test_the_last_human_message_is_the_task(messages: list[Any], quick_bank: CaseBank) -> None:
    out, stub = run(quick_bank, Script(planner=final("5")), {"messages": messages})
    assert asked(stub, "planner")[0].messages[-1]["content"] == "Task: What is 2 plus 3?"
    assert len(out["messages"]) == len(messages) + 1
    assert isinstance(out["messages"][-1], AIMessage)
    assert out["messages"][-1].text == out["answer"] == "5"
    assert quick_bank.all()[0].task == "What is 2 plus 3?"


def test_with_a_task_and_messages_the_task_wins(quick_bank: CaseBank) -> None:
    out, stub = run(
        quick_bank, Script(planner=final("5")), {**TASK, "messages": [("user", "Something else")]}
    )
    assert asked(stub, "planner")[0].messages[-1]["content"] == "Task: What is 2 plus 3?"
    assert (out["reward"], out["messages"][-1].text) == (1, "5")


# -- what one run may set


def test_a_run_is_shown_shared_cases_and_writes_none(home: Path) -> None:
    with CaseBank(home, WordEncoder(), "team") as team:
        known = team.add(Case.from_demonstration(task="What is 2 plus 2?", answer="the team knows: 4"))
    with OpenAIStub(Script(planner=final("5"))) as stub, CaseBank(home, WordEncoder(), shared="team") as bank:
        graph = agent(stub, bank)
        out = graph.invoke(TASK)
        assert [slot["case_id"] for slot in out["retrieved"]] == [known]
        assert "the team knows" in json.dumps(stub.requests[0].body)
        with pytest.raises(UsageError, match="only read here"):
            graph.invoke(TASK, context=Context(namespace="team"))
        assert len(stub.requests) == 1
        assert (bank.count(), bank.count("team")) == (1, 1)


def test_a_run_may_have_a_namespace_of_its_own(quick_bank: CaseBank) -> None:
    other = f"{quick_bank.namespace}-other"
    with OpenAIStub(Script(planner=final("5"))) as stub:
        graph = agent(stub, quick_bank)
        graph.invoke(TASK, context=Context(namespace=other))
        assert quick_bank.all() == []
        assert [case.namespace for case in quick_bank.all(other)] == [other]
        assert graph.invoke(TASK)["retrieved"] == []
        assert len(graph.invoke(TASK, context={"namespace": other})["retrieved"]) == 1


def test_a_run_may_set_how_many_cases_it_is_shown(quick_bank: CaseBank) -> None:
    quick_bank.add_many(
        [Case.from_demonstration(task=f"What is {n} plus 3?", answer=str(n + 3)) for n in range(6)]
    )
    with OpenAIStub(Script(planner=final("5"))) as stub:
        graph = agent(stub, quick_bank, k=3)
        counts = [
            len(graph.invoke(TASK, context=context)["retrieved"])
            for context in (None, Context(k=0), Context(k=1), Context(k=5), Context(policy="none"))
        ]
    assert counts == [3, 0, 1, 5, 0]


def test_a_run_that_does_not_learn_is_in_the_ledger_and_teaches_nothing(quick_bank: CaseBank) -> None:
    with OpenAIStub(Script(planner=final("5"))) as stub:
        out = agent(stub, quick_bank).invoke(TASK, context=Context(learn=False))
    assert (out["answer"], out["case_id"]) == ("5", None)
    assert quick_bank.all() == []
    assert quick_bank.ledger.run(out["run_id"]) is not None
    assert quick_bank.ledger.outcomes_since(quick_bank.namespace, 0) == []


def test_a_bank_that_does_not_grow_still_learns_which_cases_help(quick_bank: CaseBank) -> None:
    known = quick_bank.add(Case.from_demonstration(task="What is 2 plus 2?", answer="4"))
    with OpenAIStub(Script(planner=final("5"))) as stub:
        agent(stub, quick_bank).invoke(TASK, context=Context(grow=False))
    assert [case.id for case in quick_bank.all()] == [known]
    [outcome] = quick_bank.ledger.outcomes_since(quick_bank.namespace, 0)
    assert ([slot.case_id for slot in outcome.shown], outcome.reward) == ([known], 1.0)


def test_the_settings_say_what_a_run_without_context_does(quick_bank: CaseBank) -> None:
    run(quick_bank, Script(planner=final("5")), grow=False)
    assert quick_bank.all() == []
    assert len(quick_bank.ledger.outcomes_since(quick_bank.namespace, 0)) == 1


# -- models


def test_models_by_name_are_found_through_the_environment(
    quick_bank: CaseBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    with OpenAIStub(Script(**ADDING)) as stub:
        monkeypatch.setenv("OPENAI_BASE_URL", stub.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        settings = Settings(planner="openai:gpt-4.1", executor="openai:o4-mini")
        out = build_graph(settings=settings, tools=[add], bank=quick_bank).invoke(TASK)
    assert (out["answer"], stub.violations) == ("5", [])
    assert {request.body["model"] for request in asked(stub, "planner")} == {"gpt-4.1"}
    assert {request.body["model"] for request in asked(stub, "executor")} == {"o4-mini"}
    stored = quick_bank.ledger.run(out["run_id"])
    assert stored is not None
    assert stored["models"] == {"planner": "openai:gpt-4.1", "executor": "openai:o4-mini"}


@pytest.mark.parametrize("variable", ["OPENAI_BASE_URL", "OPENAI_API_KEY"])
def test_openai_is_the_default_where_its_key_or_address_is_set(
    variable: str, quick_bank: CaseBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    with OpenAIStub(Script(**ADDING)) as stub:
        monkeypatch.setenv("OPENAI_BASE_URL", stub.base_url)
        if variable == "OPENAI_API_KEY":
            monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        out = build_graph(tools=[add], bank=quick_bank).invoke(TASK)
    assert out["answer"] == "5"
    assert {request.body["model"] for request in stub.requests} == {"gpt-4.1", "o4-mini"}


def test_a_run_may_choose_its_models(quick_bank: CaseBank, monkeypatch: pytest.MonkeyPatch) -> None:
    with OpenAIStub(Script(**ADDING)) as stub:
        monkeypatch.setenv("OPENAI_BASE_URL", stub.base_url)
        graph = agent(stub, quick_bank)
        graph.invoke(TASK, context=Context(planner="openai:gpt-5", executor="openai:o3"))
    assert {request.body["model"] for request in stub.requests} == {"gpt-5", "o3"}


def test_an_executor_without_tool_calls_writes_them_as_json(quick_bank: CaseBank) -> None:
    script = Script(planner=plan("Add 2 and 3", last_is_answer=True), executor=json_call("add", a=2, b=3))
    out, stub = run(quick_bank, script, tool_calls="json")
    assert (out["answer"], out["reward"]) == ("5", 1)
    assert out["trajectory"][0]["tool_calls"] == [
        {"name": "add", "args": {"a": 2, "b": 3}, "result": "5", "error": None}
    ]
    [request] = asked(stub, "executor")
    assert request.tools == []
    assert request.schema_name == "tool_call"
    assert "- add(a: integer, b: integer): Add two whole numbers." in request.messages[0]["content"]


def test_a_run_may_choose_how_tools_are_called(quick_bank: CaseBank) -> None:
    script = Script(planner=plan("Add 2 and 3", last_is_answer=True), executor=json_call("add", a=2, b=3))
    with OpenAIStub(script) as stub:
        out = agent(stub, quick_bank).invoke(TASK, context=Context(tool_calls="json"))
    assert out["answer"] == "5"


def test_an_executor_in_json_may_answer_without_a_tool(quick_bank: CaseBank) -> None:
    script = Script(planner=plan("Think", last_is_answer=True), executor=json_call("answer", text="5"))
    out, _ = run(quick_bank, script, tool_calls="json")
    assert (out["answer"], out["trajectory"][0]["tool_calls"]) == ("5", [])


class Part(BaseModel):
    """A part of an order."""

    name: str
    count: int = Field(ge=1)


def test_the_schema_of_a_json_call_can_be_resolved_whatever_the_tools_arguments(quick_bank: CaseBank) -> None:
    @tool
    def order(parts: list[Part]) -> str:
        """Order parts."""
        return str(sum(part.count for part in parts))

    @tool
    def cancel(part: Part) -> str:
        """Cancel a part."""
        return part.name

    script = Script(
        planner=plan("Order", last_is_answer=True),
        executor=json_call("order", parts=[{"name": "bolt", "count": 5}]),
    )
    out, stub = run(quick_bank, script, tools=[order, cancel], tool_calls="json")
    assert out["answer"] == "5"
    [request] = asked(stub, "executor")
    assert request.response_format is not None
    schema = request.response_format["json_schema"]["schema"]
    references = re.findall(r'"\$ref": "([^"]+)"', json.dumps(schema))
    assert len(references) == 2
    assert {reference.removeprefix("#/$defs/") for reference in references} == set(schema["$defs"])


class TextModel(BaseChatModel):
    """A model that knows neither tools nor schemas: text in, text out."""

    said: list[str]
    heard: list[list[BaseMessage]] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "text"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        self.heard.append(messages)
        text = self.said[min(len(self.heard), len(self.said)) - 1]
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text))])


def test_a_model_without_tools_and_schemas_works_through_json_in_text(quick_bank: CaseBank) -> None:
    planner = TextModel(said=[f"Sure:\n```json\n{json.dumps(plan('Add 2 and 3', last_is_answer=True))}\n```"])
    executor = TextModel(said=[f"I call {json.dumps(json_call('add', a=2, b=3))}."])
    settings = Settings(planner=planner, executor=executor)
    out = build_graph(settings=settings, tools=[add], bank=quick_bank).invoke(TASK)
    assert (out["answer"], out["reward"]) == ("5", 1)
    assert out["usage"] == {"model_calls": 2, "input_tokens": 0, "output_tokens": 0}
    assert "fits this JSON schema" in planner.heard[0][-1].text
    stored = quick_bank.ledger.run(out["run_id"])
    assert stored is not None
    assert stored["models"] == {"planner": "TextModel", "executor": "TextModel"}


def test_a_graph_opens_the_home_of_its_settings(home: Path, encoder: Any) -> None:
    with OpenAIStub(Script(planner=final("5"))) as stub:
        out = agent(stub, home=home, embedding=encoder, namespace="mine").invoke(TASK)
    with CaseBank(home, embedding=encoder, namespace="mine") as bank:
        assert bank.get(out["case_id"]) is not None


def test_the_namespace_of_a_given_bank_is_the_runs(bank: CaseBank, home: Path, encoder: Any) -> None:
    with (
        CaseBank(home, embedding=encoder, namespace="team") as team,
        OpenAIStub(Script(planner=final("5"))) as stub,
    ):
        agent(stub, team).invoke(TASK)
        assert (len(team.all()), len(bank.all())) == (1, 0)


def test_sync_and_async_tools_work_alike(quick_bank: CaseBank) -> None:
    script = Script(
        planner=plan("Add", "Multiply", last_is_answer=True),
        executor=[call("add", a=2, b=3), "5", call("multiply", a=1, b=5), "5"],
    )
    out, _ = run(quick_bank, script, tools=[add, multiply])
    assert [step["tool_calls"][0]["result"] for step in out["trajectory"]] == ["5", "5"]
