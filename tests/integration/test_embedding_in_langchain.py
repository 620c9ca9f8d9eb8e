"""The compiled graph as a part of something larger: a chain, another graph, a tool."""

import operator
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from memento import as_tool, build_graph
from memento.graph import Agent
from memento.memory import CaseBank
from memento.settings import load_settings
from tests.openai_stub import OpenAIStub, Reply, Request, chat_model


@pytest.fixture
def graph(stub: OpenAIStub, minilm_bank: CaseBank) -> Agent:
    return build_graph(settings=load_settings(home=minilm_bank.home.path), bank=minilm_bank)


class Report(TypedDict):
    question: str
    findings: Annotated[list[str], operator.add]


class Chat(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    topic: str


@dataclass
class Unrelated:
    """A context that has nothing to do with ours, though one name is the same."""

    user: str
    k: str = "not a number"


async def test_in_a_chain(graph: Agent, minilm_bank: CaseBank) -> None:
    chain = (
        RunnableLambda(lambda question: {"task": question, "reference": "5"})
        | graph
        | (lambda out: (out["answer"], out["reward"]))
    )
    assert chain.invoke("What is 2 + 3?") == ("5", 1.0)
    assert await chain.ainvoke("What is 1 + 4?") == ("5", 1.0)
    assert await chain.abatch(["What is 2 + 3?", "What is 3 + 3?"]) == [("5", 1.0), ("6", 0.0)]
    steps = [*chain.first.pipe(graph).stream("What is 4 + 1?")]
    assert [name for step in steps for name in step][0::4] == ["retrieve_case", "write_back"]
    assert {case.task for case in minilm_bank.all()} >= {"What is 2 + 3?", "What is 1 + 4?", "What is 3 + 3?"}
    assert (
        "answer"
        in (RunnableLambda(lambda x: x) | graph).get_output_schema().model_json_schema()["properties"]
    )


async def test_batches_keep_their_order(graph: Agent, minilm_bank: CaseBank) -> None:
    tasks = [{"task": f"What is {n} + 10?"} for n in range(6)]
    assert [out["answer"] for out in graph.batch([*tasks])] == [str(n + 10) for n in range(6)]
    assert [out["answer"] for out in await graph.abatch([*tasks])] == [str(n + 10) for n in range(6)]
    assert minilm_bank.count() == 6  # the second time each repeats its case


async def test_a_node_function_around_it(graph: Agent, minilm_bank: CaseBank) -> None:
    async def research(state: Report) -> dict[str, Any]:
        out = await graph.ainvoke({"task": state["question"]}, context={"namespace": "research"})
        return {"findings": [out["answer"]]}

    def check(state: Report) -> dict[str, Any]:
        return {"findings": [graph.invoke({"task": "What is 1 + 1?"})["answer"]]}

    builder = StateGraph(Report, context_schema=Unrelated)
    builder.add_node("research", research)
    builder.add_node("check", check)
    builder.add_edge(START, "research")
    builder.add_edge("research", "check")
    builder.add_edge("check", END)
    parent = builder.compile()
    out = await parent.ainvoke({"question": "What is 2 + 3?", "findings": []}, context=Unrelated("ann"))
    assert out["findings"] == ["5", "2"]
    assert [case.task for case in minilm_bank.all("research")] == ["What is 2 + 3?"]
    assert [case.task for case in minilm_bank.all()] == ["What is 1 + 1?"]


def conversation(graph: Agent, checkpointer: Any = None, context: Any = Unrelated) -> Any:
    def greet(state: Chat, runtime: Runtime[Any]) -> dict[str, Any]:
        return {"topic": type(runtime.context).__name__}

    builder: Any = StateGraph(Chat, context_schema=context)
    builder.add_node("greet", greet)
    builder.add_node("solve", graph)
    builder.add_edge(START, "greet")
    builder.add_edge("greet", "solve")
    builder.add_edge("solve", END)
    return builder.compile(checkpointer=checkpointer)


@pytest.mark.parametrize("given", [Unrelated("ann"), None, {"namespace": "team", "user": "ann"}])
async def test_as_a_node_that_shares_messages(graph: Agent, minilm_bank: CaseBank, given: Any) -> None:
    parent = conversation(graph, context=dict if isinstance(given, dict) else Unrelated)
    asked = {"messages": [HumanMessage("What is 2 + 3?")]}
    for out in (parent.invoke(asked, context=given), await parent.ainvoke(asked, context=given)):
        assert [(type(m), m.text) for m in out["messages"]] == [
            (HumanMessage, "What is 2 + 3?"),
            (AIMessage, "5"),
        ]
        assert set(out) == {"messages", "topic"}
    assert minilm_bank.count("team" if isinstance(given, dict) else "default") == 1


async def test_as_a_node_of_a_conversation_that_is_remembered(graph: Agent, minilm_bank: CaseBank) -> None:
    parent = conversation(graph, InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "t"}}
    parent.invoke({"messages": [("user", "What is 2 + 3?")]}, thread)
    out = await parent.ainvoke({"messages": [("user", "What is 7 + 3?")]}, thread)
    assert [message.text for message in out["messages"]] == ["What is 2 + 3?", "5", "What is 7 + 3?", "10"]
    steps = [
        (inside, set(update))
        async for inside, update in parent.astream(
            {"messages": [("user", "What is 1 + 3?")]}, thread, stream_mode="updates", subgraphs=True
        )
    ]
    names = [name for inside, updates in steps if len(inside) == 1 for name in updates]
    assert names == ["retrieve_case", "plan", "execute_subtask", "evaluate", "write_back"]
    assert [case.task for case in minilm_bank.all()] == ["What is 2 + 3?", "What is 7 + 3?", "What is 1 + 3?"]


async def test_as_a_tool(graph: Agent) -> None:
    tool = as_tool(graph)
    assert tool.name == "memento"
    assert list(tool.args) == ["task"]
    assert tool.invoke({"task": "What is 2 + 3?"}) == "5"
    assert await tool.ainvoke({"task": "What is 2 + 4?"}) == "6"
    assert as_tool(graph, name="solver", description="Solve it.").name == "solver"


async def test_as_the_tool_of_an_agent(graph: Agent, minilm_bank: CaseBank) -> None:
    def outer(request: Request) -> Reply:
        if request.messages[-1]["role"] == "tool":
            return Reply(f"It is {request.messages[-1]['content']}.")
        return Reply(tool_calls=[("memento", {"task": "What is 20 + 3?"})])

    with OpenAIStub(outer) as outer_stub:
        agent: Any = create_agent(chat_model(outer_stub), [as_tool(graph)], context_schema=Unrelated)
        asked = {"messages": [("user", "How much is twenty and three?")]}
        now = agent.invoke(asked, context=Unrelated("ann"))
        later = await agent.ainvoke(asked, context=Unrelated("ann"))
    assert now["messages"][-1].text == later["messages"][-1].text == "It is 23."
    # The work that the tool did is its own: the conversation has the call and its answer.
    assert [message.type for message in now["messages"]] == ["human", "ai", "tool", "ai"]
    assert outer_stub.violations == []
    assert [case.task for case in minilm_bank.all()] == ["What is 20 + 3?"]


async def test_a_tool_does_not_share_the_thread_of_its_agent(stub: OpenAIStub, minilm_bank: CaseBank) -> None:
    remembering = build_graph(
        settings=load_settings(home=minilm_bank.home.path), bank=minilm_bank, checkpointer=InMemorySaver()
    )

    def outer(request: Request) -> Reply:
        if request.messages[-1]["role"] == "tool":
            return Reply(" ".join(str(message["content"]) for message in request.messages[-2:]))
        asked = str(request.messages[-1]["content"])
        return Reply(tool_calls=[("memento", {"task": asked}), ("memento", {"task": "What is 9 + 9?"})])

    thread: Any = {"configurable": {"thread_id": "t"}}
    with OpenAIStub(outer) as outer_stub:
        agent: Any = create_agent(
            chat_model(outer_stub), [as_tool(remembering)], checkpointer=InMemorySaver()
        )
        first = agent.invoke({"messages": [("user", "What is 2 + 3?")]}, thread)
        second = await agent.ainvoke({"messages": [("user", "What is 2 + 4?")]}, thread)
    assert (first["messages"][-1].text, second["messages"][-1].text) == ("5 18", "6 18")
    assert as_tool(remembering).invoke({"task": "What is 1 + 1?"}) == "2"
