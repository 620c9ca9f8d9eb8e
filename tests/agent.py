"""A scripted model and small tools for the tests of the agent."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from langchain_core.tools import tool

from memento import Settings, build_graph
from tests.openai_stub import JSON, OpenAIStub, Reply, Request, chat_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memento.graph import Agent

Said = Any  # what OpenAIStub takes as a reply


def plan(*subtasks: str, last_is_answer: bool = False, used: Sequence[int] | None = None) -> JSON:
    """A planner's reply that asks for subtasks."""
    said: JSON = {"answer": None, "last_result_is_answer": last_is_answer, "subtasks": list(subtasks)}
    return said if used is None else {**said, "used_cases": list(used)}


def final(answer: str, used: Sequence[int] | None = None) -> JSON:
    """A planner's reply that answers."""
    said: JSON = {"answer": answer, "last_result_is_answer": False, "subtasks": []}
    return said if used is None else {**said, "used_cases": list(used)}


def call(name: str, **args: Any) -> Reply:
    """An executor's native tool call."""
    return Reply(tool_calls=[(name, args)])


def json_call(name: str, **args: Any) -> JSON:
    """An executor's tool call written as JSON."""
    return {"call": {"tool": name, "args": args}}


def judged(score: Any, rationale: str = "because") -> JSON:
    return {"rationale": rationale, "score": score}


def role_of(request: Request) -> str:
    """Who is asked: the planner and the judge are by their schemas, the executor is everything else."""
    return {"plan": "planner", "judgement": "judge"}.get(request.schema_name or "", "executor")


class Script:
    """Replies by role, each list in turn and its last entry from then on."""

    def __init__(self, planner: Said = "{}", executor: Said = "done", judge: Said = None) -> None:
        given = {"planner": planner, "executor": executor, "judge": judged(1) if judge is None else judge}
        self._left = {role: list(said) if isinstance(said, list) else [said] for role, said in given.items()}
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Any:
        with self._lock:
            left = self._left[role_of(request)]
            said = left.pop(0) if len(left) > 1 else left[0]
        return said(request) if callable(said) else said


def asked(stub: OpenAIStub, role: str) -> list[Request]:
    """The requests to one role."""
    return [request for request in stub.requests if role_of(request) == role]


@tool
def add(a: int, b: int) -> int:
    """Add two whole numbers."""
    return a + b


@tool
async def multiply(a: int, b: int) -> int:
    """Multiply two whole numbers."""
    return a * b


def agent(stub: OpenAIStub, bank: Any = None, **options: Any) -> Agent:
    """An agent whose models are the stub. What `build_graph` takes goes there, the rest is settings."""
    taken = {name: options.pop(name) for name in ("evaluator", "checkpointer") if name in options}
    tools = options.pop("tools", [add, multiply])
    model = chat_model(stub)
    settings = Settings(**{"planner": model, "executor": model, "policy": "similarity", **options})
    return build_graph(settings=settings, tools=tools, bank=bank, **taken)
