"""A thread that is used again starts a new run, and a run that is taken up again ends as one run."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from tests.agent import Script, agent, asked, call, final, judged, plan
from tests.openai_stub import OpenAIStub, Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from memento.memory import CaseBank

THREAD: Any = {"configurable": {"thread_id": "one"}}
KINDS = ["memory", "sqlite", "async sqlite"]


@contextmanager
def sync_saver(kind: str, folder: Path) -> Iterator[Any]:
    if kind == "memory":
        yield InMemorySaver()
        return
    with SqliteSaver.from_conn_string(str(folder / "threads.sqlite3")) as saver:
        yield saver


@asynccontextmanager
async def any_saver(kind: str, folder: Path) -> AsyncIterator[Any]:
    if kind == "memory":
        yield InMemorySaver()
        return
    async with AsyncSqliteSaver.from_conn_string(str(folder / "threads.sqlite3")) as saver:
        yield saver


def two_runs() -> Script:
    return Script(
        planner=[plan("Add 2 and 3"), final("5"), final("Paris")],
        executor=[call("add", a=2, b=3), "5"],
        judge=judged(1),
    )


def assert_second_run_is_new(first: Any, second: Any, stub: OpenAIStub, bank: CaseBank) -> None:
    """The first run had a task and a reference, the second only a message."""
    assert (first["answer"], first["reward"]) == ("5", 1)
    assert second["answer"] == "Paris"
    assert second["run_id"] != first["run_id"]
    assert (second["plan"], second["trajectory"]) == ([], [])
    assert second["usage"]["model_calls"] == 2
    assert second["evaluation"]["source"] == "judge"
    assert [message.text for message in second["messages"]] == [
        "What is 2 plus 3?",
        "5",
        "What is the capital of France?",
        "Paris",
    ]
    last = asked(stub, "planner")[-1]
    assert last.messages[-1]["content"] == "Task: What is the capital of France?"
    assert [message["role"] for message in last.messages if "Results" in message["content"]] == []
    [judging] = asked(stub, "judge")
    assert "right answer is" not in judging.text
    assert {case.task for case in bank.all()} == {"What is 2 plus 3?", "What is the capital of France?"}
    assert len(bank.ledger.runs(bank.namespace)) == 2
    assert stub.violations == []


GIVEN: Any = {"task": "What is 2 plus 3?", "reference": "5"}
NEXT: Any = {"messages": [HumanMessage("What is the capital of France?")]}


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_thread_that_is_used_again_has_nothing_left_over(
    kind: str, quick_bank: CaseBank, tmp_path: Path
) -> None:
    with sync_saver(kind, tmp_path) as saver, OpenAIStub(two_runs()) as stub:
        graph = agent(stub, quick_bank, checkpointer=saver, k=0)
        first, second = graph.invoke(GIVEN, THREAD), graph.invoke(NEXT, THREAD)
    assert_second_run_is_new(first, second, stub, quick_bank)


@pytest.mark.parametrize("kind", ["memory", "async sqlite"])
async def test_a_thread_that_is_used_again_has_nothing_left_over_asynchronously(
    kind: str, quick_bank: CaseBank, tmp_path: Path
) -> None:
    async with any_saver(kind, tmp_path) as saver:
        with OpenAIStub(two_runs()) as stub:
            graph = agent(stub, quick_bank, checkpointer=saver, k=0)
            first, second = await graph.ainvoke(GIVEN, THREAD), await graph.ainvoke(NEXT, THREAD)
    assert_second_run_is_new(first, second, stub, quick_bank)


def test_a_thread_taken_up_by_another_process_has_nothing_left_over(
    quick_bank: CaseBank, tmp_path: Path
) -> None:
    with OpenAIStub(two_runs()) as stub:
        with sync_saver("sqlite", tmp_path) as saver:
            first = agent(stub, quick_bank, checkpointer=saver, k=0).invoke(GIVEN, THREAD)
        with sync_saver("sqlite", tmp_path) as saver:
            second = agent(stub, quick_bank, checkpointer=saver, k=0).invoke(NEXT, THREAD)
    assert_second_run_is_new(first, second, stub, quick_bank)


def test_a_reference_counts_for_its_own_run_only(quick_bank: CaseBank) -> None:
    with OpenAIStub(Script(planner=final("5"), judge=judged(0))) as stub:
        graph = agent(stub, quick_bank, checkpointer=InMemorySaver())
        rewards = [
            graph.invoke(given, THREAD)["reward"]
            for given in (GIVEN, {"task": GIVEN["task"]}, GIVEN, {"task": "Another", "reference": "6"})
        ]
    assert rewards == [1, 0, 1, 0]
    assert len(asked(stub, "judge")) == 1


def test_a_run_after_one_that_failed_starts_afresh(quick_bank: CaseBank) -> None:
    with OpenAIStub(Script(planner=["no", "no", Reply(status=500), final("5")])) as stub:
        graph = agent(stub, quick_bank, checkpointer=InMemorySaver())
        statuses = [graph.invoke(GIVEN, THREAD)["status"] for _ in range(3)]
    assert statuses == ["not solved", "failed", "answered"]


def test_threads_do_not_mix(quick_bank: CaseBank) -> None:
    with OpenAIStub(Script(planner=final("5"))) as stub:
        graph = agent(stub, quick_bank, checkpointer=InMemorySaver())
        outs = [graph.invoke(GIVEN, {"configurable": {"thread_id": name}}) for name in ("a", "b")]
    assert [len(out["messages"]) for out in outs] == [2, 2]


NODES = ["retrieve_case", "plan", "execute_subtask", "evaluate", "write_back"]


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@pytest.mark.parametrize("before", NODES)
def test_a_run_that_is_stopped_before_a_node_goes_on_as_the_same_run(
    before: str, kind: str, quick_bank: CaseBank, tmp_path: Path
) -> None:
    script = Script(planner=plan("Add 2 and 3", last_is_answer=True), executor=[call("add", a=2, b=3), "5"])
    with sync_saver(kind, tmp_path) as saver, OpenAIStub(script) as stub:
        graph = agent(stub, quick_bank, checkpointer=saver)
        stopped = graph.invoke(GIVEN, THREAD, interrupt_before=[before])
        assert graph.get_state(THREAD).next == (before,)
        assert quick_bank.all() == []
        out = graph.invoke(None, THREAD)
    assert (out["answer"], out["reward"]) == ("5", 1)
    assert out["run_id"] == stopped.get("run_id", out["run_id"])
    assert len(stub.requests) == 3
    assert len(quick_bank.all()) == 1
    assert len(quick_bank.ledger.runs(quick_bank.namespace)) == 1


def test_a_run_that_is_written_again_from_its_checkpoint_adds_nothing(quick_bank: CaseBank) -> None:
    with OpenAIStub(Script(planner=final("5"))) as stub:
        graph = agent(stub, quick_bank, checkpointer=InMemorySaver())
        out = graph.invoke(GIVEN, THREAD)
        [before] = [state for state in graph.get_state_history(THREAD) if state.next == ("write_back",)]
        again = graph.invoke(None, before.config)
    assert again["run_id"] == out["run_id"]
    assert [case.id for case in quick_bank.all()] == [out["case_id"]]
    assert quick_bank.ledger.support(quick_bank.namespace, out["case_id"]) == 1
    stored = quick_bank.ledger.run(out["run_id"])
    assert stored is not None
    assert len(stored["rewards"]) == 1


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_what_was_retrieved_survives_a_checkpoint(kind: str, quick_bank: CaseBank, tmp_path: Path) -> None:
    with sync_saver(kind, tmp_path) as saver, OpenAIStub(Script(planner=final("5", used=[1]))) as stub:
        graph = agent(stub, quick_bank, checkpointer=saver)
        known = graph.invoke(GIVEN, THREAD)["case_id"]
        graph.invoke(GIVEN, THREAD, interrupt_before=["write_back"])
        out = graph.invoke(None, THREAD)
    [shown] = out["retrieved"]
    assert (shown.case_id, shown["case_id"], shown.used) == (known, known, True)


def test_a_run_that_waited_longer_than_its_time_may_still_go_on(
    quick_bank: CaseBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = Script(planner=plan("Add 2 and 3", last_is_answer=True), executor=[call("add", a=2, b=3), "5"])
    with OpenAIStub(script) as stub:
        graph = agent(stub, quick_bank, checkpointer=InMemorySaver(), timeout=20)
        graph.invoke(GIVEN, THREAD, interrupt_before=["execute_subtask"])
        monkeypatch.setattr(time, "time", lambda now=time.time: now() + 3600)
        out = graph.invoke(None, THREAD)
    assert out["answer"] == "5"
