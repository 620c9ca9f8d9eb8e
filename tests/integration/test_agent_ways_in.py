"""Every way of running a LangGraph graph, one run or many at once."""

from __future__ import annotations

import asyncio
import re
import threading
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from typing_extensions import TypedDict

from memento import as_tool
from tests.agent import Script, add, agent, asked, call, final, plan
from tests.openai_stub import OpenAIStub, Reply, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memento.memory import CaseBank

TASK = {"task": "What is 2 plus 3?", "reference": "5"}
NODES = ["retrieve_case", "plan", "execute_subtask", "plan", "evaluate", "write_back"]


@pytest.fixture
def stub() -> Iterator[OpenAIStub]:
    script = Script(planner=[plan("Add 2 and 3"), final("5")] * 4, executor=[call("add", a=2, b=3), "5"] * 4)
    with OpenAIStub(script) as running:
        yield running
    assert running.violations == []


async def test_ainvoke_gives_what_invoke_gives(stub: OpenAIStub, quick_bank: CaseBank) -> None:
    graph = agent(stub, quick_bank)
    one = graph.invoke(TASK)
    other = await graph.ainvoke(TASK)
    for name in ("answer", "reward", "plan", "trajectory", "usage"):
        assert one[name] == other[name]
    assert one["run_id"] != other["run_id"]


async def test_stream_shows_each_node_in_turn(stub: OpenAIStub, quick_bank: CaseBank) -> None:
    graph = agent(stub, quick_bank)
    sync = list(graph.stream(TASK, stream_mode="updates"))
    chunks = [chunk async for chunk in graph.astream(TASK, stream_mode="updates")]
    for updates in (sync, chunks):
        assert [name for update in updates for name in update] == NODES
        assert updates[3]["plan"]["answer"] == "5"


async def test_stream_gives_the_values_as_they_grow(stub: OpenAIStub, quick_bank: CaseBank) -> None:
    graph = agent(stub, quick_bank)
    sync = list(graph.stream(TASK, stream_mode="values"))
    chunks = [chunk async for chunk in graph.astream(TASK, stream_mode="values")]
    for values in (sync, chunks):
        assert [value.get("answer", "") for value in values][-1] == "5"
        assert [len(value.get("trajectory", [])) for value in values] == [0, 0, 0, 1, 1, 1, 1]


async def test_custom_stream_tells_what_happens(stub: OpenAIStub, quick_bank: CaseBank) -> None:
    graph = agent(stub, quick_bank)
    sync = [event for _, event in graph.stream(TASK, stream_mode="custom", subgraphs=True)]
    chunks = [event async for _, event in graph.astream(TASK, stream_mode="custom", subgraphs=True)]
    for events in (sync, chunks):
        assert [event["event"] for event in events] == ["cases", "plan", "tool_calls", "plan"]
        assert events[1]["plan"] == ["Add 2 and 3"]
        assert events[2]["calls"][0]["result"] == "5"
        assert events[3]["answer"] == "5"


async def test_message_stream_ends_with_the_answer(stub: OpenAIStub, quick_bank: CaseBank) -> None:
    graph = agent(stub, quick_bank)
    chunks = [message async for message, _about in graph.astream(TASK, stream_mode="messages")]
    assert chunks[-1].text == "5"


def test_batch_runs_each_task(quick_bank: CaseBank) -> None:
    with OpenAIStub(Script(planner=echo_number)) as stub:
        outs = agent(stub, quick_bank).batch([{"task": f"Number {n}", "reference": str(n)} for n in range(6)])
    assert [out["answer"] for out in outs] == [str(n) for n in range(6)]


def echo_number(request: Request) -> Any:
    """A planner that answers with the number in its task."""
    return final(re.findall(r"\d+", request.messages[-1]["content"])[-1])


def test_the_same_graph_works_in_one_event_loop_after_another(quick_bank: CaseBank) -> None:
    async def many() -> list[str]:
        outs = await asyncio.gather(*(graph.ainvoke({"task": f"Number {n}"}) for n in range(5)))
        return [out["answer"] for out in outs]

    with OpenAIStub(Script(planner=echo_number)) as stub:
        graph = agent(stub, quick_bank)
        assert asyncio.run(many()) == asyncio.run(many()) == ["0", "1", "2", "3", "4"]
        assert graph.invoke({"task": "Number 7"})["answer"] == "7"


async def test_fifty_runs_wait_for_the_model_at_once(quick_bank: CaseBank) -> None:
    # Nobody is answered before all fifty have asked: one that waited for another would wait for ever.
    planned, called, told = (asyncio.Barrier(50) for _ in range(3))

    async def act(request: Request) -> Reply:
        subtask = [message["content"] for message in request.messages if message["role"] == "user"][-1]
        number = int(re.findall(r"\d+", subtask)[-1])
        result = request.messages[-1]["role"] == "tool"
        if number < 50:
            await asyncio.wait_for((told if result else called).wait(), 60)
        if result:
            return Reply(request.messages[-1]["content"])
        return Reply(tool_calls=[("add", {"a": number, "b": 1000})])

    async def think(request: Request) -> Reply:
        number = int(re.findall(r"\d+", request.messages[-1]["content"])[-1])
        if number < 50:
            await asyncio.wait_for(planned.wait(), 60)
        return Reply(f'{{"answer": null, "last_result_is_answer": true, "subtasks": ["Add {number}"]}}')

    with OpenAIStub(Script(planner=think, executor=act)) as stub:
        graph = agent(stub, quick_bank, policy="auto")
        await graph.ainvoke({"task": "Number 77", "reference": "1077"})
        outs = await asyncio.gather(
            *(graph.ainvoke({"task": f"Number {n}", "reference": str(n + 1000)}) for n in range(50))
        )
    assert [out["answer"] for out in outs] == [str(n + 1000) for n in range(50)]
    assert {out["reward"] for out in outs} == {1}
    assert len({out["run_id"] for out in outs}) == 50
    assert len(quick_bank.all()) == 51
    assert len(stub.requests) == 153
    assert stub.violations == []


async def test_cancelling_a_run_stops_it_and_the_next_one_works(quick_bank: CaseBank) -> None:
    began, ended = threading.Event(), threading.Event()

    @tool
    async def wait() -> str:
        """Wait."""
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return "5"

    script = Script(planner=[plan("Wait"), final("5")], executor=call("wait"))
    with OpenAIStub(script) as stub:
        graph = agent(stub, quick_bank, tools=[wait])
        running = asyncio.create_task(graph.ainvoke(TASK))
        assert await asyncio.to_thread(began.wait, 20)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert await asyncio.to_thread(ended.wait, 20)
        assert quick_bank.ledger.runs(quick_bank.namespace) == []
        assert (await graph.ainvoke(TASK))["answer"] == "5"
    assert [case.outcome for case in quick_bank.all()] == ["success"]


async def test_cancelling_while_a_model_is_asked_stops_the_run(quick_bank: CaseBank) -> None:
    asked_once = threading.Event()

    def think(_: Request) -> Any:
        if asked_once.is_set():
            return final("5")
        asked_once.set()
        return Reply("{}", delay=30)

    with OpenAIStub(Script(planner=think)) as stub:
        graph = agent(stub, quick_bank)
        running = asyncio.create_task(graph.ainvoke(TASK))
        assert await asyncio.to_thread(asked_once.wait, 20)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert (await graph.ainvoke(TASK))["answer"] == "5"
    assert len(quick_bank.ledger.runs(quick_bank.namespace)) == 1


class Desk(TypedDict, total=False):
    """The state of another graph."""

    question: str
    reply: str


@pytest.mark.parametrize("context", [None, {"tenant": "a"}, object()], ids=["none", "a mapping", "an object"])
def test_it_is_a_node_of_a_graph_with_another_state_and_context(
    context: Any, stub: OpenAIStub, quick_bank: CaseBank
) -> None:
    graph = agent(stub, quick_bank)

    def ask(state: Desk) -> Desk:
        return {"reply": graph.invoke({"task": state["question"], "reference": "5"})["answer"]}

    builder = StateGraph(Desk, context_schema=type(context) if context else None)
    builder.add_node("ask", ask)
    builder.add_edge(START, "ask")
    builder.add_edge("ask", END)
    desk = builder.compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "1"}}
    assert desk.invoke({"question": TASK["task"]}, config, context=context)["reply"] == "5"


def test_it_is_a_subgraph_that_shares_the_conversation(stub: OpenAIStub, quick_bank: CaseBank) -> None:
    builder = StateGraph(MessagesState)
    builder.add_node("memento", agent(stub, quick_bank))
    builder.add_edge(START, "memento")
    builder.add_edge("memento", END)
    chat = builder.compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "1"}}
    first = chat.invoke({"messages": [("user", "What is 2 plus 3?")]}, config)
    assert [message.text for message in first["messages"]] == ["What is 2 plus 3?", "5"]
    second = chat.invoke({"messages": [("user", "And again?")]}, config)
    texts = [message.text for message in second["messages"]]
    assert texts == ["What is 2 plus 3?", "5", "And again?", "5"]
    assert asked(stub, "planner")[-2].messages[-1]["content"] == "Task: And again?"


async def test_it_is_a_runnable_in_a_chain(stub: OpenAIStub, quick_bank: CaseBank) -> None:
    chain = RunnableLambda(lambda text: {"task": text, "reference": "5"}) | agent(stub, quick_bank)
    answer = chain | RunnableLambda(lambda out: out["answer"])
    assert answer.invoke("What is 2 plus 3?") == "5"
    assert await answer.ainvoke("What is 2 plus 3?") == "5"


async def test_it_is_a_tool_with_one_argument(stub: OpenAIStub, quick_bank: CaseBank) -> None:
    solve = as_tool(agent(stub, quick_bank))
    assert list(solve.args) == ["task"]
    assert solve.invoke({"task": "What is 2 plus 3?"}) == "5"
    assert await solve.ainvoke({"task": "What is 2 plus 3?"}) == "5"


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_it_is_a_tool_that_another_agent_calls_twice_at_once(kind: str, quick_bank: CaseBank) -> None:
    with OpenAIStub(Script(planner=echo_number)) as stub:
        solve = as_tool(agent(stub, quick_bank))
        builder = StateGraph(MessagesState)
        builder.add_node("tools", ToolNode([solve]))
        builder.add_edge(START, "tools")
        builder.add_edge("tools", END)
        outer = builder.compile(checkpointer=InMemorySaver())
        calls = [{"name": "memento", "args": {"task": f"Number {n}"}, "id": str(n)} for n in (1, 2)]
        given: Any = {"messages": [HumanMessage("Go"), AIMessage("", tool_calls=calls)]}
        config: Any = {"configurable": {"thread_id": "1"}}
        out = outer.invoke(given, config) if kind == "sync" else await outer.ainvoke(given, config)
    assert [message.text for message in out["messages"][2:]] == ["1", "2"]


def test_it_is_a_tool_of_another_memento(quick_bank: CaseBank) -> None:
    with (
        OpenAIStub(Script(planner=final("5"))) as inner,
        OpenAIStub(
            Script(
                planner=plan("Ask", last_is_answer=True), executor=[call("memento", task="2 plus 3?"), "5"]
            )
        ) as outer,
    ):
        solve = as_tool(agent(inner, quick_bank))
        out = agent(outer, quick_bank, tools=[solve, add]).invoke(TASK)
    assert (out["answer"], out["trajectory"][0]["tool_calls"][0]["result"]) == ("5", "5")


def test_a_sync_evaluator_may_run_the_graph_itself(quick_bank: CaseBank) -> None:
    with OpenAIStub(Script(planner=final("5"))) as stub:
        critic = agent(stub, quick_bank)
        graph = agent(
            stub, quick_bank, evaluator=lambda run: float(critic.invoke({"task": run.task})["answer"] == "5")
        )
        assert graph.invoke(TASK)["reward"] == 1
