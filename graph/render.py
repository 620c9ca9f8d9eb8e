"""How cases become conversation turns: a task, then what worked. A small frozen model follows turns where
it ignores the same cases as a block of text. Failed cases become short warnings instead.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_core.messages.tool import tool_call

from memento.graph.text import identifier
from memento.memory import Case, Step, ToolCall
from memento.memory.trajectory import is_untrusted

_LONG = 1500
_WARNINGS = 3
_FENCE = re.compile(r"<(?=\s*/?\s*untrusted)", re.IGNORECASE)


@dataclass(frozen=True)
class Example:
    """A step of a case that worked, with the results of the steps before it."""

    step: Step
    earlier: tuple[Step, ...]


def planner_turns(cases: Sequence[Case], *, numbered: bool, small: bool) -> list[AnyMessage]:
    """One exchange a case: the task, and the plan that worked, or the answer where it needed no plan.

    The best case comes last, next to the task: small models follow what they read last.
    """
    turns: list[AnyMessage] = []
    for number, case in reversed(list(enumerate(cases, start=1))):
        if case.outcome == "failure":
            continue
        label = f"[{number}] " if numbered else ""
        turns.append(HumanMessage(f"{label}{task_line(case.task)}"))
        turns.extend(_plan_turns(case, small=small))
    return turns


def task_turn(task: str, cases: Sequence[Case]) -> HumanMessage:
    """The task itself, after short warnings from the failed cases."""
    return HumanMessage(f"{_warnings(cases)}{task_line(task)}")


def examples(cases: Sequence[Case]) -> list[Example]:
    """The steps of the cases that worked and called a tool."""
    return [
        Example(step, tuple(case.trajectory[:position]))
        for case in cases
        if case.outcome != "failure"
        for position, step in enumerate(case.trajectory)
        if any(not call["error"] for call in step["tool_calls"])
    ]


def executor_turns(chosen: Sequence[Example], *, native: bool) -> list[AnyMessage]:
    """Each example as its subtask and the tool calls that carried it out."""
    turns: list[AnyMessage] = []
    for number, example in enumerate(chosen):
        calls = [call for call in example.step["tool_calls"] if not call["error"]]
        turns.append(subtask_turn(example.step["subtask"], example.earlier))
        turns.extend(_native_calls(example.step, calls, number) if native else [_json_call(calls[-1])])
    return turns


def subtask_turn(subtask: str, earlier: Sequence[Step]) -> HumanMessage:
    return HumanMessage(subtask_text(subtask, earlier))


def as_data(text: str) -> str:
    """What anybody may have written, marked as such; nothing in it can end the mark."""
    return f"<untrusted>\n{_FENCE.sub('‹', text)}\n</untrusted>"


def task_line(task: str) -> str:
    return f"Task: {task}"


def subtask_text(subtask: str, earlier: Sequence[Step]) -> str:
    """A subtask with the results of those before it in the same plan."""
    if not earlier:
        return f"Subtask: {subtask}"
    results = "; ".join(_step_result(step) for step in earlier)
    return f"Subtask: {subtask}\nResult so far: {results}"


def results_text(steps: Sequence[Step]) -> str:
    lines = (f"{n}. {step['subtask']}: {_step_result(step)}" for n, step in enumerate(steps, start=1))
    return "Results:\n" + "\n".join(lines)


def plan_json(subtasks: Sequence[str], answer: str | None, *, last_is_answer: bool, small: bool) -> str:
    """A plan as the planner writes it. The subtasks come last: after them a small model would go on."""
    plan: dict[str, Any] = {"subtasks": list(subtasks)}
    if not small:
        plan = {"answer": answer, "last_result_is_answer": last_is_answer, **plan}
    elif answer is not None:
        plan = {"answer": answer}
    return json.dumps(plan, ensure_ascii=False)


def call_json(name: str, args: dict[str, Any]) -> str:
    return json.dumps({"call": {"tool": name, "args": args}}, ensure_ascii=False)


def tool_result_text(result: str) -> str:
    return f"Result: {result}"


def _plan_turns(case: Case, *, small: bool) -> list[AnyMessage]:
    answer = AIMessage(plan_json([], case.answer, last_is_answer=False, small=small))
    if not case.plan:
        return [answer]
    direct = not case.trajectory or case.trajectory[-1]["result"] == case.answer
    plan = AIMessage(plan_json(case.plan, None, last_is_answer=direct, small=small))
    if direct or small:
        return [plan]
    return [plan, HumanMessage(results_text(case.trajectory)), answer]


def _json_call(call: ToolCall) -> AIMessage:
    return AIMessage(call_json(call["name"], call["args"]))


def _native_calls(step: Step, calls: Sequence[ToolCall], number: int) -> list[AnyMessage]:
    turns: list[AnyMessage] = []
    for position, call in enumerate(calls):
        call_id = f"case{number}_{position}_{len(turns)}"
        asked = tool_call(name=identifier(call["name"]), args=call["args"], id=call_id)
        turns.append(AIMessage("", tool_calls=[asked]))
        result = _short(call["result"])
        result = as_data(result) if call.get("untrusted") else result
        turns.append(ToolMessage(result, tool_call_id=call_id))
    turns.append(AIMessage(_step_result(step)))
    return turns


def _step_result(step: Step) -> str:
    result = _short(step["result"])
    return as_data(result) if is_untrusted([step]) else result


def _warnings(cases: Sequence[Case]) -> str:
    failed = [case for case in cases if case.outcome == "failure"][:_WARNINGS]
    if not failed:
        return ""
    lines = "\n".join(f"- {_short(case.task, 200)}: {_attempt(case)}" for case in failed)
    return f"Past attempts that failed; do not repeat them:\n{lines}\n\n"


def _attempt(case: Case) -> str:
    calls = "; ".join(
        f"{call['name']}({_short(json.dumps(call['args'], ensure_ascii=False), 120)})"
        for step in case.trajectory
        for call in step["tool_calls"]
    )
    return f"tried {_short(calls or '; '.join(case.plan) or 'no plan', 300)}"


def _short(text: str, limit: int = _LONG) -> str:
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text) - limit} more characters)"
