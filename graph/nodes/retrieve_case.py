"""Begin a run, and choose the cases to show."""

import asyncio
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import HumanMessage
from langchain_core.tools import BaseTool
from langgraph.config import get_stream_writer

from memento.graph.parts import Run
from memento.graph.state import State, Update, no_usage
from memento.graph.text import clean
from memento.graph.tool_choice import allowed_tools, offered_tools
from memento.memory import Selection
from memento.memory.case import utc_now
from memento.memory.errors import UsageError
from memento.memory.selection import PLAIN

MAX_TASK = 100_000
_NEAR = 8
"""The tools of so many near cases are offered, where there are too many to offer all."""


async def retrieve_case(state: State, run: Run) -> Update:
    """Take the input over, reset what an earlier run on this thread left, and select cases for the task."""
    task = task_of(state)
    selection = await asyncio.to_thread(_begin, task, run)
    tools = allowed_tools(await run.parts.tools(), run.context.allow_tools)
    offered = await asyncio.to_thread(_offered, task, tools, selection, run)
    chosen = _plain(selection)
    get_stream_writer()({"event": "cases", **chosen, "cases": selection.cases})
    given = "task" in state and bool(state["task"])
    return {
        "question": task,
        "expected": state.get("reference"),
        "run_id": selection.run_id,
        "started_at": utc_now(),
        "spent": 0.0,
        "selection": chosen,
        "retrieved": selection.cases,
        "cited": None,
        "cycle": 0,
        "plan": [],
        "position": 0,
        "last_is_answer": False,
        "plan_starts_at": 0,
        "step_failed": False,
        "trajectory": [],
        "offered": offered,
        "tool_use": {},
        "paused": None,
        "decisions": {},
        "answer": "",
        "status": "running",
        "usage": no_usage(),
        "reward": None,
        "evaluation": {},
        "case_id": None,
        "messages": [HumanMessage(task)] if given else [],
    }


def task_of(state: State) -> str:
    """The task, or else the text of the last human message.

    Raises:
        UsageError: there is neither, or it is too long.
    """
    task: Any = state.get("task")
    if not task:
        humans = [message for message in state.get("messages") or [] if isinstance(message, HumanMessage)]
        task = str(humans[-1].text) if humans else ""
    if not isinstance(task, str):
        raise UsageError(f"a task is a text, not {type(task).__name__}")
    text = clean(task.strip(), limit=MAX_TASK + 1)
    if not text.strip():
        raise UsageError("a task is a text that is not empty")
    if len(text) > MAX_TASK:
        raise UsageError(f"a task has at most {MAX_TASK:,} characters")
    return text


def _begin(task: str, run: Run) -> Selection:
    """Make the run's models, so that an unknown one ends it before anything is paid for, and select."""
    policy, context = run.policy, run.context
    for name in {context.planner, context.executor, context.judge} - {None}:
        run.parts.model(str(name))
    if context.tool_calls == "native" and not run.executor.native_tools:
        raise UsageError(f"the executor {run.executor.name!r} has no native tool calls: use auto or json")
    return policy.select(
        policy.bank.embed([task])[0],
        namespace=context.namespace,
        explore=bool(context.learn),
        k=context.k,
    )


def _offered(task: str, tools: Sequence[BaseTool], selection: Selection, run: Run) -> list[str]:
    """The names of the tools that the run is offered."""
    bank, most = run.policy.bank, run.context.max_tools or 1
    if len(tools) <= most:
        return [tool.name for tool in tools]
    shown = {slot.case_id for slot in selection.cases}
    near = sorted(selection.candidates, key=lambda candidate: -candidate[1])[:_NEAR]
    cases = bank.get_many([*shown, *(case_id for case_id, _, _ in near)], run.context.namespace)
    used = {name for case in cases.values() if case.id in shown for name in case.tools}
    near_used = {name for case in cases.values() for name in case.tools}
    return offered_tools(task, tools, used, near_used, most, bank.embed)


def _plain(selection: Selection) -> dict[str, Any]:
    """The selection as plain data. The vector is left to the encoder, which remembers it."""
    return {
        **{name: getattr(selection, name) for name in PLAIN},
        "candidates": [list(candidate) for candidate in selection.candidates],
    }
