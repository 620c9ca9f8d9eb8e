"""Carry out the next subtask."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

import numpy as np
from langchain_core.messages import AnyMessage, SystemMessage

from memento.graph import prompts, render
from memento.graph.cases import shown_cases
from memento.graph.executor import ExecutorContext, ExecutorGraph, ExecutorState, start
from memento.graph.parts import Run
from memento.graph.state import State, Update, give_up
from memento.memory import Step


def execute_subtask(executor: ExecutorGraph) -> Callable[[State, Run], Awaitable[Update]]:
    """The node over an executor."""

    async def node(state: State, run: Run) -> Update:
        subtask = state["plan"][state["position"]]
        done = start([], state["usage"])
        try:
            async with asyncio.timeout(run.seconds_left(state["spent"])):
                messages = await asyncio.to_thread(_messages, subtask, state, run)
                begun = start(messages, state["usage"])
                async for step in executor.astream(begun, context=_context(run), stream_mode="values"):
                    done = cast("ExecutorState", step)
        except TimeoutError:
            problem = f"reached {run.context.timeout:g} seconds"
            # What was done until then is kept.
            return {**_update(subtask, {**done, "problem": problem}, state, run), **give_up(problem)}
        return _update(subtask, done, state, run)

    return node


def _messages(subtask: str, state: State, run: Run) -> list[AnyMessage]:
    chosen = _nearest(subtask, render.examples(shown_cases(state, run)), run)
    earlier = state["trajectory"][state["plan_starts_at"] :]
    return [
        SystemMessage(prompts.executor_system(run.parts.tools, native=run.native_tools)),
        *render.executor_turns(chosen, native=run.native_tools),
        render.subtask_turn(subtask, earlier),
    ]


def _nearest(subtask: str, examples: list[render.Example], run: Run) -> list[render.Example]:
    """Of the shown cases' steps those most like this subtask, best last, as many as cases may be shown."""
    if not examples:
        return []
    vectors = run.policy.bank.embed([subtask, *(example.step["subtask"] for example in examples)])
    ranked = np.argsort(vectors[1:] @ vectors[0], kind="stable")
    return [examples[index] for index in ranked[-max(run.context.k or 0, 1) :]]


def _context(run: Run) -> ExecutorContext:
    return ExecutorContext(
        model=run.executor,
        native=run.native_tools,
        max_tool_calls=run.context.max_tool_calls or 1,
        max_model_calls=run.context.max_model_calls or 1,
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
        "step_failed": failed,
    }
    if done["failed"]:
        return {**update, **give_up(done["problem"], failed=True)}
    if failed and done["usage"]["model_calls"] >= (run.context.max_model_calls or 1):
        return {**update, **give_up(done["problem"])}
    if not failed and position == len(state["plan"]) and state["last_is_answer"]:
        return {**update, "answer": result, "status": "answered"}
    return update
