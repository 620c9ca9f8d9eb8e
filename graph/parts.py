"""What the graph is made of. It is handed these and reads nothing else: no environment, no file."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool

from memento.graph.context import Context
from memento.graph.evaluation import Evaluation, RunView
from memento.memory import Policy


@dataclass(frozen=True, kw_only=True)
class Model:
    """A chat model and what it can do.

    `structured(schema)` is the model bound to answer in that JSON schema, giving {"raw", "parsed",
    "parsing_error"}; None where it can only be asked to. `native_tools`: it makes tool calls of its own.
    `small`: it follows patterns rather than instructions, and is asked for as little as possible.
    """

    name: str
    chat: BaseChatModel
    native_tools: bool
    small: bool
    structured: Callable[[dict[str, Any]], Runnable[Any, Any]] | None


@dataclass(frozen=True, kw_only=True)
class Parts:
    """`model` gives the model of a name, `policy` the case-selection policy of a name with its bank and
    ledger, opened at the first call. `tools` gives those that there are, which may have to be connected to.
    `redact` takes secrets out of what tools say. `evaluate` judges a run under a context. `end_run` is told
    of every run that ended.
    """

    defaults: Context
    model: Callable[[str], Model]
    policy: Callable[[str], Policy]
    tools: Callable[[], Awaitable[Sequence[BaseTool]]]
    redact: Callable[[str], str]
    end_run: Callable[[str], Awaitable[None]]
    evaluate: Callable[[RunView, Context], Awaitable[Evaluation]]


@dataclass(frozen=True)
class Run:
    """What a node is handed beside the state: the parts, and this run's context over the defaults."""

    parts: Parts
    context: Context

    @property
    def planner(self) -> Model:
        return self.parts.model(str(self.context.planner))

    @property
    def executor(self) -> Model:
        return self.parts.model(str(self.context.executor))

    @property
    def policy(self) -> Policy:
        return self.parts.policy(str(self.context.policy))

    async def tools(self, names: Collection[str]) -> list[BaseTool]:
        """Those of the tools that this run offers, of those that are still there."""
        return [tool for tool in await self.parts.tools() if tool.name in names]

    def seconds_left(self, spent: float) -> float:
        return float(self.context.timeout or 0) - spent

    @property
    def native_tools(self) -> bool:
        """Whether the executor makes tool calls of its own, or writes them as JSON."""
        if self.context.tool_calls == "auto":
            return self.executor.native_tools
        return self.context.tool_calls == "native"
