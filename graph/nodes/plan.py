"""Plan the task, or answer it."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage
from langchain_core.tools import BaseTool
from langgraph.config import get_stream_writer

from memento.graph import prompts, render
from memento.graph.cases import has_strangers, shown_cases
from memento.graph.parts import Run
from memento.graph.state import State, Update, add_usage, give_up, usage_of
from memento.graph.structured import Reply, ServiceError, ask
from memento.graph.text import clean
from memento.memory import Case

_TRIES = 2


async def plan(state: State, run: Run) -> Update:
    """Ask the planner for subtasks or the answer, with the cases and the results so far."""
    cases = await asyncio.to_thread(shown_cases, state, run)
    last = state["cycle"] >= (run.context.max_cycles or 1)
    tools = await run.tools(state["offered"])
    messages = _messages(state, run, cases, tools, last=last)
    allowed = 0 if last else run.context.max_subtasks or 1
    schema = _schema(run, allowed, citing=run.planner.native_tools and bool(cases))
    usage = state["usage"]
    problem = ""
    deadline = asyncio.get_running_loop().time() + run.seconds_left(state["spent"])
    for _ in range(_TRIES):
        if usage["model_calls"] >= (run.context.max_model_calls or 1):
            return {**give_up(f"reached {run.context.max_model_calls} model calls"), "usage": usage}
        try:
            async with asyncio.timeout_at(deadline):
                reply = await ask(run.planner, messages, schema)
        except TimeoutError:
            return {**give_up(f"reached {run.context.timeout:g} seconds"), "usage": usage}
        except ServiceError as error:
            usage = add_usage(usage, usage_of(None))
            return {**give_up(f"the planner's model failed ({error})", failed=True), "usage": usage}
        usage = add_usage(usage, reply.usage)
        update, problem = _understood(reply, state, run, cases, last=last)
        if update is not None:
            get_stream_writer()({"event": "plan", "plan": update.get("plan"), "answer": update.get("answer")})
            return {**update, "usage": usage}
        messages = [*messages, HumanMessage(prompts.BROKEN.format(problem=problem))]
    return {**give_up(f"the planner gave no usable plan: {problem}"), "usage": usage}


def plan_schema(max_subtasks: int, *, citing: bool) -> dict[str, Any]:
    """The JSON schema of the planner's reply; with no subtasks left to give it asks for the answer. Every
    property is required, as strict modes ask, and the subtasks come last (see `render.plan_json`).
    """
    properties: dict[str, Any] = {
        "answer": {"type": ["string", "null"] if max_subtasks else "string"},
        "last_result_is_answer": {"type": "boolean"},
    }
    if citing:
        properties["used_cases"] = {"type": "array", "items": {"type": "integer"}, "maxItems": 64}
    properties["subtasks"] = {"type": "array", "items": {"type": "string"}, "maxItems": max_subtasks}
    return _closed(properties)


def _schema(run: Run, allowed: int, *, citing: bool) -> dict[str, Any]:
    """A small planner is asked for subtasks alone, or for the answer alone once no more can be done."""
    full = plan_schema(allowed, citing=citing)
    if not run.planner.small:
        return full
    return _closed({name: full["properties"][name] for name in (["subtasks"] if allowed else ["answer"])})


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": "plan",
        "description": "The subtasks to carry out next, or the answer.",
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _messages(
    state: State, run: Run, cases: Sequence[Case], tools: Sequence[BaseTool], *, last: bool
) -> list[AnyMessage]:
    citing, small = run.planner.native_tools, run.planner.small
    strangers = not small and has_strangers(tools, cases)
    messages: list[AnyMessage] = [
        SystemMessage(prompts.planner_system(tools, citing=citing, small=small, strangers=strangers)),
        *render.planner_turns(cases, numbered=citing, small=small),
        render.task_turn(state["question"], cases),
    ]
    if state["trajectory"]:
        done = [step["subtask"] for step in state["trajectory"]]
        messages.append(AIMessage(render.plan_json(done, None, last_is_answer=False, small=small)))
        what_next = prompts.ANSWER_NOW if last else prompts.NEXT
        messages.append(HumanMessage(f"{render.results_text(state['trajectory'])}\n{what_next}"))
    return messages


def _understood(
    reply: Reply, state: State, run: Run, cases: Sequence[Case], *, last: bool
) -> tuple[Update | None, str]:
    """The update that a reply asks for, or None and what is wrong with it."""
    if reply.value is None:
        return None, reply.problem
    subtasks, answer = reply.value.get("subtasks"), reply.value.get("answer")
    if subtasks is None:
        subtasks = []
    if not isinstance(subtasks, list) or not all(isinstance(subtask, str) for subtask in subtasks):
        return None, '"subtasks" is not a list of texts'
    subtasks = [clean(subtask.strip(), limit=2000) for subtask in subtasks]
    # A subtask that stands there twice is a model going in circles.
    wanted = [subtask for subtask in dict.fromkeys(subtasks) if subtask]
    subtasks = wanted[: run.context.max_subtasks]
    cited = _cited(reply.value.get("used_cases"), cases, state.get("cited"))
    if subtasks and not last:
        return {
            "plan": subtasks,
            "position": 0,
            "cycle": state["cycle"] + 1,
            "plan_starts_at": len(state["trajectory"]),
            # A small planner is not asked: it plans so that this holds.
            "last_is_answer": run.planner.small
            or (reply.value.get("last_result_is_answer") is True and subtasks == wanted),
            "cited": cited,
        }, ""
    if isinstance(answer, int | float) and not isinstance(answer, bool):
        answer = json.dumps(answer)
    answer = clean(answer.strip()) if isinstance(answer, str) else ""
    if answer and (not subtasks or last):
        return {"answer": answer, "status": "answered", "cited": cited}, ""
    if last and subtasks:
        return give_up(f"reached {run.context.max_cycles} plans without an answer"), ""
    return None, 'there are neither "subtasks" nor an "answer"'


def _cited(numbers: Any, cases: Sequence[Case], before: list[str] | None) -> list[str] | None:
    """The ids of the cases that the planner says it used, in this plan or before; None: it did not say."""
    if not isinstance(numbers, list):
        return before
    valid = [n for n in numbers if isinstance(n, int) and not isinstance(n, bool) and 1 <= n <= len(cases)]
    return list(dict.fromkeys([*(before or []), *(cases[n - 1].id for n in valid)]))
