"""What one run may set."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from memento.graph.tool_budget import check_budgets
from memento.memory.errors import UsageError
from memento.memory.namespace import checked_namespace


@dataclass(frozen=True, kw_only=True)
class Context:
    """What one run may set; what is None is as the graph was built."""

    planner: str | None = None
    """The model that plans, as "provider:model" or "local"."""
    executor: str | None = None
    """The model that carries subtasks out."""
    judge: str | None = None
    """The model that judges answers where there is no reference."""
    policy: str | None = None
    """How cases are chosen: auto, none, similarity or kernel."""
    k: int | None = None
    """At most so many cases are shown."""
    namespace: str | None = None
    """Whose memory it is. Namespaces do not see each other."""
    learn: bool | None = None
    """Off: the run teaches nothing, adds no case, and the choice does not explore."""
    grow: bool | None = None
    """Off: the run adds no case; its outcome still teaches the choice."""
    tool_calls: str | None = None
    """auto, native, or json for models without tool calls of their own."""
    max_cycles: int | None = None
    """Plans a run may carry out."""
    max_subtasks: int | None = None
    """Subtasks a plan may have."""
    max_tool_calls: int | None = None
    """Tool calls a subtask may make."""
    max_model_calls: int | None = None
    """Model calls a run may make."""
    timeout: float | None = None
    """Seconds a run may take."""
    max_tools: int | None = None
    """Tools that a run is offered: those most like the task, where there are more."""
    allow_tools: Sequence[str] | None = None
    """The names of the tools that a run may use, with wildcards; None: all."""
    approve: Sequence[str] | None = None
    """Tools by name, and effects ("writes", "spends"), that a person must approve, call by call."""
    ask: bool | None = None
    """Off: there is nobody to approve anything, and such calls are refused at once."""
    tool_budgets: Mapping[str, Mapping[str, float]] | None = None
    """What tools may use in a run: {"*": {"calls": 200}, "web_search": {"seconds": 30, "bytes": 100000}}."""

    @classmethod
    def from_runtime(cls, runtime: Any) -> Self:
        """The run's context. As a subgraph the graph is handed its parent's, which may be anything: of
        that, only a Context or a mapping with these names counts.
        """
        given = getattr(runtime, "context", None)
        if isinstance(given, cls):
            return given
        if isinstance(given, Mapping):
            names = {f.name for f in fields(cls)}
            return cls(**{name: value for name, value in given.items() if name in names})
        return cls()

    def over(self, defaults: "Context") -> "Context":
        """This context, with `defaults` where it says nothing.

        Raises:
            UsageError: a value cannot be meant.
        """
        mine = {name: value for name, value in asdict(self).items() if value is not None}
        merged = Context(**{**asdict(defaults), **mine})
        merged.check()
        return merged

    def check(self) -> None:
        self._check_numbers()
        if not isinstance(self.timeout, int | float) or not self.timeout > 0:
            raise UsageError(f"timeout is a number of seconds above 0, not {self.timeout!r}")
        for name in ("allow_tools", "approve"):
            value = getattr(self, name)
            if value is not None and (
                isinstance(value, str) or not all(isinstance(one, str) for one in value)
            ):
                raise UsageError(f"{name} is a list of names, not {value!r}")
        if self.tool_budgets is not None:
            check_budgets(self.tool_budgets)
        for name in ("learn", "grow", "ask"):
            if not isinstance(getattr(self, name), bool | None):
                raise UsageError(f"{name} is true or false, not {getattr(self, name)!r}")
        if self.namespace is not None:
            checked_namespace(self.namespace)
        if self.tool_calls not in {"auto", "native", "json"}:
            raise UsageError(f"tool_calls is auto, native or json, not {self.tool_calls!r}")

    def _check_tools(self) -> None:
        for name in ("allow_tools", "approve"):
            value = getattr(self, name)
            names = [] if value is None else value
            if isinstance(names, str) or not all(isinstance(one, str) for one in names):
                raise UsageError(f"{name} is a list of names, not {value!r}")
        if self.tool_budgets is not None:
            check_budgets(self.tool_budgets)

    def _check_numbers(self) -> None:
        for name in ("k", "max_cycles", "max_subtasks", "max_tool_calls", "max_model_calls", "max_tools"):
            value, least = getattr(self, name), 0 if name == "k" else 1
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise UsageError(f"{name} is a whole number from {least}, not {value!r}")
