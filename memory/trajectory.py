"""What a run or a demonstration did: subtask by subtask, the tools that it called."""

from collections.abc import Sequence
from typing import Any, NotRequired

from typing_extensions import TypedDict

from memento.memory.errors import UsageError


class ToolCall(TypedDict):
    """One call of a tool: `error` says what went wrong, None when nothing did. `untrusted` stands there, and
    is true, where what came back may have been written by anybody.
    """

    name: str
    args: dict[str, Any]
    result: str
    error: str | None
    untrusted: NotRequired[bool]


class Step(TypedDict):
    """One subtask as it was carried out."""

    subtask: str
    tool_calls: list[ToolCall]
    result: str


def tool_sequence(trajectory: Sequence[Step]) -> list[str]:
    """The names of the tools that a trajectory called without an error, in order."""
    return [call["name"] for step in trajectory for call in step["tool_calls"] if not call["error"]]


def is_untrusted(trajectory: Sequence[Step]) -> bool:
    """Whether anything in a trajectory may have been written by anybody."""
    return any(call.get("untrusted", False) for step in trajectory for call in step["tool_calls"])


def step_from(row: Any) -> Step:
    """A step from a JSON-like row, with what is missing left empty.

    Raises:
        UsageError: the row is no object, or a tool call in it has no name.
    """
    if not isinstance(row, dict):
        raise UsageError("a trajectory is a list of objects with subtask, tool_calls and result")
    rows = row.get("tool_calls") or []
    if not isinstance(rows, list | tuple):
        raise UsageError("a trajectory's tool_calls are a list")
    calls = []
    for call in rows:
        if not isinstance(call, dict) or not call.get("name"):
            raise UsageError("a tool call in a trajectory needs a name")
        args = call.get("args") or {}
        kept = ToolCall(
            name=str(call["name"]),
            args=args if isinstance(args, dict) else {"input": args},
            result=str(call.get("result") or ""),
            error=str(call["error"]) if call.get("error") else None,
        )
        calls.append({**kept, "untrusted": True} if call.get("untrusted") is True else kept)
    result = row.get("result")
    if result is None:
        result = calls[-1]["result"] if calls else ""
    return Step(subtask=str(row.get("subtask") or ""), tool_calls=calls, result=str(result))
