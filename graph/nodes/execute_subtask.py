"""Carry out the next subtask."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import numpy as np
from langchain_core.messages import AnyMessage, SystemMessage, messages_from_dict, messages_to_dict
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from langgraph.config import get_config
from langgraph.constants import CONFIG_KEY_CHECKPOINTER

from memento.graph import prompts, render
from memento.graph.cases import has_strangers, shown_cases
from memento.graph.executor import ExecutorContext, ExecutorGraph, ExecutorState, start
from memento.graph.parts import Run
from memento.graph.state import State, Update, give_up
from memento.graph.tool_budget import Budgets
from memento.graph.tool_calls import ToolRules
from memento.memory import Step
from memento.tools.traits import RUN_ID


def execute_subtask(executor: ExecutorGraph) -> Callable[[State, Run], Awaitable[Update]]:
    """The node over an executor."""

    async def node(state: State, run: Run) -> Update:
        subtask = state["plan"][state["position"]]
        done = start([], state["usage"], state["tool_use"])
        tools = await run.tools(state["offered"])
        options: dict[str, Any] = {"context": _context(state, run, tools), "stream_mode": "values"}
        try:
            async with asyncio.timeout(run.seconds_left(state["spent"])):
                begun = await asyncio.to_thread(_begun, subtask, state, run, tools)
                config = RunnableConfig(configurable={RUN_ID: state["run_id"]})
                async for step in executor.astream(begun, config, **options):
                    done = cast("ExecutorState", step)
        except TimeoutError:
            problem = f"reached {run.context.timeout:g} seconds"
            # What was done until then is kept.
            return {**_update(subtask, {**done, "problem": problem}, state, run), **give_up(problem)}
        if done["waiting"]:
            return {"paused": _paused(done), "usage": done["usage"], "tool_use": done["tool_use"]}
        return _update(subtask, done, state, run)

    return node


def _begun(subtask: str, state: State, run: Run, tools: Sequence[BaseTool]) -> ExecutorState:
    """The executor's state at the subtask's beginning, or where it paused."""
    paused = state["paused"]
    if paused:
        messages = cast("list[AnyMessage]", messages_from_dict(paused["messages"]))
        begun = start(messages, state["usage"], state["tool_use"])
        kept = {"calls": paused["calls"], "broken": paused["broken"], "decisions": state["decisions"]}
        return cast("ExecutorState", {**begun, **kept})
    return start(_messages(subtask, state, run, tools), state["usage"], state["tool_use"])


def _paused(done: ExecutorState) -> dict[str, Any]:
    return {
        "messages": messages_to_dict(done["messages"]),
        "calls": done["calls"],
        "broken": done["broken"],
        "waiting": done["waiting"],
    }


def _messages(subtask: str, state: State, run: Run, tools: Sequence[BaseTool]) -> list[AnyMessage]:
    cases = shown_cases(state, run)
    chosen = _nearest(subtask, render.examples(cases), run)
    earlier = state["trajectory"][state["plan_starts_at"] :]
    native = run.native_tools
    strangers = not run.executor.small and has_strangers(tools, cases)
    return [
        SystemMessage(prompts.executor_system(tools, native=native, strangers=strangers)),
        *render.executor_turns(chosen, native=native),
        render.subtask_turn(subtask, earlier),
    ]


def _nearest(subtask: str, examples: list[render.Example], run: Run) -> list[render.Example]:
    """Of the shown cases' steps those most like this subtask, best last, as many as cases may be shown."""
    if not examples:
        return []
    vectors = run.policy.bank.embed([subtask, *(example.step["subtask"] for example in examples)])
    ranked = np.argsort(vectors[1:] @ vectors[0], kind="stable")
    return [examples[index] for index in ranked[-max(run.context.k or 0, 1) :]]


def _context(state: State, run: Run, tools: Sequence[BaseTool]) -> ExecutorContext:
    given = run.context
    # Without a checkpointer nothing could go on after a person's answer.
    keeps = bool(get_config()["configurable"].get(CONFIG_KEY_CHECKPOINTER))
    return ExecutorContext(
        model=run.executor,
        native=run.native_tools,
        max_tool_calls=given.max_tool_calls or 1,
        max_model_calls=given.max_model_calls or 1,
        tools=tools,
        rules=ToolRules(
            budgets=Budgets(given.tool_budgets or {}),
            approve=given.approve or (),
            can_ask=keeps and given.ask is not False,
            redact=run.parts.redact,
        ),
        earlier=[call for step in state["trajectory"] for call in step["tool_calls"]],
    )


def _update(subtask: str, done: ExecutorState, state: State, run: Run) -> Update:
    """Take the step down; a finished plan whose last result is the answer ends the run."""
    failed = done["result"] is None
    result = f"no result: {done['problem']}" if failed else str(done["result"])
    trajectory = [*state["trajectory"], Step(subtask=subtask, tool_calls=done["calls"], result=result)]
    position = state["position"] + 1
    update: Update = {
        "trajectory": trajectory,
        "position": position,
        "usage": done["usage"],
        "tool_use": done["tool_use"],
        "paused": None,
        "decisions": {},
        "step_failed": failed,
    }
    if done["failed"]:
        return {**update, **give_up(done["problem"], failed=True)}
    if failed and done["usage"]["model_calls"] >= (run.context.max_model_calls or 1):
        return {**update, **give_up(done["problem"])}
    if not failed and position == len(state["plan"]) and state["last_is_answer"]:
        return {**update, "answer": result, "status": "answered"}
    return update
