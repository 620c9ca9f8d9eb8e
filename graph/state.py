"""What flows through the graph. Plain data only, so that any checkpointer can hold it."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from langchain_core.messages import AnyMessage
from langgraph.channels import EphemeralValue
from langgraph.graph.message import add_messages
from pydantic import GetPydanticSchema
from typing_extensions import TypedDict

from memento.graph.approval import Decision
from memento.graph.tool_budget import Uses
from memento.memory import Shown, Step

if TYPE_CHECKING:
    from collections.abc import Mapping

# To pydantic, which makes the schemas that Studio and chains ask for, a Shown is the dictionary that it is.
_PLAIN = GetPydanticSchema(lambda _source, handler: handler(list[dict[str, Any]]))

Status = Literal["running", "answered", "not solved", "failed"]
"""How a run ends: with an answer, at a limit or on malformed output, or because a service failed."""


class Usage(TypedDict):
    """Model calls and tokens of a run so far."""

    model_calls: int
    input_tokens: int
    output_tokens: int


class Input(TypedDict, total=False):
    """One run's input: a task, or messages whose last human one is the task. With both, the task wins."""

    task: str
    reference: Any
    messages: Annotated[list[AnyMessage], add_messages]


class State(TypedDict, total=False):
    """`task` and `reference` reach the first node only: it copies them to channels of the run and resets
    all others, so that a thread that is used again has nothing left over from its last run.
    """

    task: Annotated[str, EphemeralValue]
    reference: Annotated[Any, EphemeralValue]
    messages: Annotated[list[AnyMessage], add_messages]

    question: str  # this run's task
    expected: Any  # this run's reference, exactly as given
    run_id: str
    started_at: str
    spent: float  # seconds that the nodes took so far
    selection: dict[str, Any]  # what the policy chose, without the task's vector
    retrieved: Annotated[list[Shown], _PLAIN]
    cited: list[str] | None  # the cases that the planner says it used; None: it did not say

    cycle: int  # plans made so far
    plan: list[str]  # the subtasks of the last plan
    position: int  # the next subtask of it
    last_is_answer: bool  # whether the result of the last subtask is the answer
    plan_starts_at: int  # the step of the trajectory that began this plan
    step_failed: bool
    trajectory: list[Step]

    offered: list[str]  # the names of the tools of this run
    tool_use: Uses  # what they used so far
    paused: dict[str, Any] | None  # a subtask that waits for a person, as plain data
    decisions: dict[str, Decision]  # what the person said, by the call's id

    answer: str
    status: Status
    usage: Usage
    reward: float | None
    evaluation: dict[str, Any]
    case_id: str | None


Update = dict[str, Any]
"""What a node changes of the state."""


def no_usage() -> Usage:
    return Usage(model_calls=0, input_tokens=0, output_tokens=0)


def add_usage(one: Usage, other: Usage) -> Usage:
    summed = {key: one[key] + other[key] for key in Usage.__annotations__}  # type: ignore[literal-required]
    return cast("Usage", summed)


def usage_of(message: Any) -> Usage:
    """One model call with the tokens that its message reports, none where it reports none."""
    reported: Mapping[str, Any] = getattr(message, "usage_metadata", None) or {}
    return Usage(
        model_calls=1,
        input_tokens=int(reported.get("input_tokens") or 0),
        output_tokens=int(reported.get("output_tokens") or 0),
    )


def give_up(reason: str, *, failed: bool = False) -> Update:
    """The honest end of a run that has no answer; `failed` where a service failed, not the run."""
    return {"answer": f"not solved: {reason}", "status": "failed" if failed else "not solved"}
