"""The state machine: nodes and edges, nothing else."""

import time
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import get_runtime
from langgraph.types import Checkpointer

from memento.graph.background import on_background_loop
from memento.graph.context import Context
from memento.graph.executor import compile_executor
from memento.graph.nodes import approve, evaluate, execute_subtask, plan, retrieve_case, write_back
from memento.graph.parts import Parts, Run
from memento.graph.state import Input, State, Update

Agent = CompiledStateGraph[Any, Any, Any, Any]

# Every loop has a cap of its own; this one only stands behind them.
_RECURSION_LIMIT = 1000


def compile_agent(parts: Parts, checkpointer: Checkpointer = None) -> Agent:
    """retrieve_case → plan ⇄ execute_subtask (⇄ approve) → evaluate → write_back."""
    builder = StateGraph(State, context_schema=Context, input_schema=Input)
    nodes: dict[str, Callable[[State, Run], Awaitable[Update]]] = {
        "retrieve_case": retrieve_case,
        "plan": plan,
        "execute_subtask": execute_subtask(compile_executor()),
        "approve": approve,
        "evaluate": evaluate,
        "write_back": write_back,
    }
    for name, node in nodes.items():
        builder.add_node(name, on_background_loop(_with_run(node, parts), name))
    builder.add_edge(START, "retrieve_case")
    builder.add_edge("retrieve_case", "plan")
    builder.add_conditional_edges("plan", after_plan, ["execute_subtask", "evaluate"])
    after = ["execute_subtask", "approve", "plan", "evaluate"]
    builder.add_conditional_edges("execute_subtask", after_subtask, after)
    builder.add_edge("approve", "execute_subtask")
    builder.add_edge("evaluate", "write_back")
    builder.add_edge("write_back", END)
    agent = builder.compile(checkpointer=checkpointer, name="memento")
    return agent.with_config(recursion_limit=_RECURSION_LIMIT)


def after_plan(state: State) -> Literal["execute_subtask", "evaluate"]:
    return "execute_subtask" if state["status"] == "running" else "evaluate"


def after_subtask(state: State) -> Literal["execute_subtask", "approve", "plan", "evaluate"]:
    """The next subtask; after the last, or one that failed, a new plan or the answer."""
    if state["paused"]:
        return "approve"
    if state["status"] != "running":
        return "evaluate"
    if state["step_failed"] or state["position"] >= len(state["plan"]):
        return "plan"
    return "execute_subtask"


def _with_run(node: Callable[[State, Run], Awaitable[Update]], parts: Parts) -> Callable[[State], Any]:
    """The node as LangGraph calls it: with the parts, and the run's context over the defaults. Its time is
    added up: a run that waits between two nodes, for a person or a process, does not run out of it.
    """

    async def call(state: State) -> Update:
        context = Context.from_runtime(get_runtime(Context)).over(parts.defaults)
        began = time.monotonic()
        update = await node(state, Run(parts, context))
        spent = update.get("spent", state.get("spent", 0.0))
        return {**update, "spent": spent + time.monotonic() - began}

    return call
