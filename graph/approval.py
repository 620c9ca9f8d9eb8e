"""Asking a person before a tool writes or spends. What is asked and answered has the form of LangChain's
human in the loop, which chat front ends know; a plain yes or no answers all calls at once.
"""

from collections.abc import Sequence
from typing import Any

from langchain_core.tools import BaseTool
from typing_extensions import TypedDict

from memento.tools.traits import traits_of


class Waiting(TypedDict):
    """A tool call that waits for a person."""

    id: str
    name: str
    args: dict[str, Any]


class Decision(TypedDict):
    """What a person said to a call."""

    approved: bool
    message: str


def needs_approval(tool: BaseTool, approve: Sequence[str]) -> bool:
    """`approve` holds names of tools, and effects: "writes", "spends"."""
    return tool.name in approve or traits_of(tool).effect in approve


def request(waiting: Sequence[Waiting]) -> dict[str, Any]:
    """What a person is asked."""
    return {
        "action_requests": [
            {
                "name": call["name"],
                "args": call["args"],
                "description": f"Tool execution requires approval: {call['name']}",
            }
            for call in waiting
        ],
        "review_configs": [
            {"action_name": call["name"], "allowed_decisions": ["approve", "reject"]} for call in waiting
        ],
    }


def decisions(waiting: Sequence[Waiting], answer: Any) -> dict[str, Decision]:
    """The decision on each call, by its id. What is no clear yes is a no."""
    given = answer.get("decisions") if isinstance(answer, dict) else None
    said = given if isinstance(given, list) else [answer] * len(waiting)
    padded = [*said, *[None] * len(waiting)]
    return {call["id"]: _decision(one) for call, one in zip(waiting, padded, strict=False)}


def _decision(said: Any) -> Decision:
    if isinstance(said, dict):
        approved = said.get("type") == "approve"
        return Decision(approved=approved, message=str(said.get("message") or "")[:500])
    yes = said is True or (isinstance(said, str) and said.strip().lower() in {"approve", "yes", "y"})
    return Decision(approved=yes, message="")
