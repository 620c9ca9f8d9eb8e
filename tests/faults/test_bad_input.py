"""What cannot be meant is a usage error, and nothing is written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool

from memento import Context, Settings, UsageError, build_graph
from tests.agent import Script, agent, call, final, plan
from tests.openai_stub import OpenAIStub

if TYPE_CHECKING:
    from pathlib import Path

    from memento.memory import CaseBank

INPUTS: dict[str, Any] = {
    "an empty task": {"task": ""},
    "a blank task": {"task": " \n\t "},
    "control characters": {"task": "\x00\x07\x1b"},
    "a task of 1 MB": {"task": "x" * 1_000_000},
    "a number": {"task": 5},
    "a list": {"task": ["What is 2 plus 3?"]},
    "a mapping": {"task": {"text": "What is 2 plus 3?"}},
    "no messages": {"messages": []},
    "an empty message": {"messages": [HumanMessage("")]},
    "a message without text": {"messages": [HumanMessage([{"type": "image_url", "image_url": "x"}])]},
    "only an answer": {"messages": [AIMessage("5")]},
    "only a reference": {"reference": "5"},
    "a message of 1 MB": {"messages": [HumanMessage("x" * 1_000_000)]},
}


@pytest.mark.parametrize("given", INPUTS.values(), ids=INPUTS.keys())
def test_a_task_that_is_none_is_a_usage_error_and_writes_nothing(given: Any, quick_bank: CaseBank) -> None:
    with OpenAIStub(Script(planner=final("5"))) as stub:
        graph = agent(stub, quick_bank)
        with pytest.raises(UsageError) as caught:
            graph.invoke(given)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 200
    assert stub.requests == []
    assert quick_bank.ledger.runs(quick_bank.namespace) == []
    assert quick_bank.all() == []


def test_a_long_task_is_a_task(quick_bank: CaseBank) -> None:
    with OpenAIStub(Script(planner=final("5"))) as stub:
        out = agent(stub, quick_bank).invoke({"task": "x " * 40_000, "reference": "5"})
    assert out["answer"] == "5"


CONTEXTS: dict[str, Any] = {
    "unknown provider": Context(planner="nobody:gpt-9"),
    "a model without provider": Context(executor="there-is-no-such-model"),
    "unknown judge": Context(judge="nobody:gpt-9"),
    "unknown policy": Context(policy="magic"),
    "k below zero": Context(k=-1),
    "k as text": Context(k="4"),  # type: ignore[arg-type]
    "no plans": Context(max_cycles=0),
    "no subtasks": Context(max_subtasks=0),
    "no tool calls": Context(max_tool_calls=0),
    "no model calls": Context(max_model_calls=0),
    "no time": Context(timeout=0),
    "time as text": Context(timeout="10"),  # type: ignore[arg-type]
    "no number of seconds": Context(timeout=float("nan")),
    "unknown tool calls": Context(tool_calls="xml"),
    "an empty namespace": Context(namespace=""),
    "a namespace of control characters": Context(namespace="a\nb"),
    "an endless namespace": Context(namespace="x" * 1000),
    "learn as text": Context(learn="no"),  # type: ignore[arg-type]
    "grow as text": Context(grow="no"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS.keys())
def test_a_context_that_cannot_be_meant_is_a_usage_error_and_writes_nothing(
    context: Context, quick_bank: CaseBank
) -> None:
    with OpenAIStub(Script(planner=final("5"))) as stub:
        graph = agent(stub, quick_bank)
        with pytest.raises(UsageError) as caught:
            graph.invoke({"task": "What is 2 plus 3?", "reference": "5"}, context=context)
        assert len(str(caught.value).splitlines()) == 1
        assert stub.requests == []
        assert quick_bank.ledger.runs(quick_bank.namespace) == []
        assert graph.invoke({"task": "What is 2 plus 3?", "reference": "5"})["reward"] == 1


def test_the_openai_models_without_a_key_are_a_usage_error(quick_bank: CaseBank) -> None:
    settings = Settings(planner="openai:gpt-4.1", executor="openai:o4-mini")
    graph = build_graph(settings=settings, tools=[], bank=quick_bank)
    with pytest.raises(UsageError, match="OPENAI_API_KEY"):
        graph.invoke({"task": "What is 2 plus 3?"})
    assert quick_bank.ledger.runs(quick_bank.namespace) == []


@pytest.mark.parametrize("role", ["planner", "executor", "judge"])
def test_a_model_that_is_none_is_a_usage_error_when_the_graph_is_built(role: str) -> None:
    with pytest.raises(UsageError, match="provider:model"):
        build_graph(settings=Settings(**{"planner": "local", "executor": "local", role: 5}), tools=[])


def test_settings_that_name_another_home_than_the_banks_are_a_usage_error(
    quick_bank: CaseBank, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="is not the bank's"):
        build_graph(settings=Settings(home=tmp_path / "other"), bank=quick_bank)
    assert not (tmp_path / "other").exists()


def test_building_a_graph_opens_nothing(home: Path) -> None:
    build_graph(settings=Settings(home=home, planner="local", executor="local"))
    assert not home.exists()


KEY = "sk-proj-0123456789abcdefghijklmnop"


def test_credentials_in_a_task_and_in_results_stay_out_of_memory(quick_bank: CaseBank) -> None:
    @tool
    def login(token: str) -> str:
        """Log in."""
        return f"logged in; api_key={KEY} Authorization: Bearer {KEY}"

    script = Script(
        planner=plan(f"Log in with {KEY}", last_is_answer=True), executor=[call("login", token=KEY), KEY]
    )
    with OpenAIStub(script) as stub:
        out = agent(stub, quick_bank, tools=[login]).invoke({"task": f"Log in with {KEY}", "reference": KEY})
    assert (out["answer"], out["reward"]) == (KEY, 1)
    kept = [quick_bank.ledger.run(out["run_id"]), *(case.to_dict() for case in quick_bank.all())]
    assert len(kept) == 2
    assert KEY not in json.dumps(kept, default=str)
    stored = quick_bank._index._collection(quick_bank.namespace).get()
    assert KEY not in json.dumps([stored["documents"], stored["metadatas"]])
    assert "[redacted]" in quick_bank.all()[0].task
