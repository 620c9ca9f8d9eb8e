"""What goes over the wire: a task in, a report out."""

from typing import Annotated, Any, Self, cast

from langchain_core.messages import BaseMessage, convert_to_messages
from langserve import CustomUserType
from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    SkipValidation,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from memento.graph.nodes.retrieve_case import MAX_TASK, task_of


def _as_messages(value: Any) -> Any:
    try:
        if isinstance(value, list):
            return convert_to_messages(value)
    except (ValueError, NotImplementedError, TypeError, AttributeError, KeyError):
        pass
    raise ValueError('a message is an object like {"role": "user", "content": "..."}')


_MESSAGES_SCHEMA = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "role": {"type": "string", "enum": ["user", "assistant", "system"]},
            "content": {"type": "string"},
        },
        "required": ["role", "content"],
    },
}


class Task(CustomUserType):
    """A task, or messages whose last human one is the task. With both, the task wins."""

    task: Annotated[str, StringConstraints(max_length=MAX_TASK)] = Field("", title="Task")
    reference: Annotated[Any, WithJsonSchema({"type": "string"})] = Field(
        "",
        title="Reference",
        description="The right answer, to learn from. The model never sees it.",
    )
    messages: Annotated[
        list[SkipValidation[BaseMessage]], BeforeValidator(_as_messages), WithJsonSchema(_MESSAGES_SCHEMA)
    ] = Field(default=[], title="Messages", description="In place of a task.")

    @model_validator(mode="after")
    def _has_task(self) -> Self:
        task_of({"task": self.task, "messages": cast("Any", self.messages)})
        return self


class Report(BaseModel):
    """How a run went. `reward` is null while nobody knows; `usage` counts model calls and tokens."""

    run_id: str
    answer: str
    solved: bool
    reward: float | None
    evaluation: dict[str, Any]
    retrieved: list[dict[str, Any]]
    plan: list[str]
    trajectory: list[dict[str, Any]]
    usage: dict[str, int]
    case_id: str | None


def graph_input(given: Any) -> dict[str, Any]:
    """What the graph is given for a task that came in."""
    values = given if isinstance(given, Task) else Task.model_validate(given)
    chosen: dict[str, Any] = {"task": values.task} if values.task.strip() else {"messages": values.messages}
    if values.reference is not None and values.reference != "":
        chosen["reference"] = values.reference
    return chosen
