"""What a tool does to the world, and whether what it returns may come from strangers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langchain_core.tools import BaseTool

RUN_ID = "memento_run"
"""Under this name a tool finds the run that calls it, in its config's `configurable`."""

Effect = Literal["reads", "workspace", "writes", "spends"]
"""reads: changes nothing. workspace: changes the run's own folder at most. writes: changes something that
outlives the run. spends: changes nothing, but costs money."""


@dataclass(frozen=True)
class Traits:
    """`untrusted`: what it returns may have been written by anybody. `effect` is None where nobody said.

    Both stand in a tool's `metadata`, so that any LangChain tool can carry them:
    `tool.metadata = {"untrusted": True, "effect": "writes"}`.
    """

    untrusted: bool = False
    effect: Effect | None = None

    @property
    def repeatable(self) -> bool:
        """Whether the same call gives the same, as long as nothing was changed meanwhile."""
        return self.effect in {"reads", "spends"}

    def metadata(self) -> dict[str, Any]:
        return {"untrusted": self.untrusted, "effect": self.effect}


FROM_STRANGERS = Traits(untrusted=True, effect="reads")
FROM_STRANGERS_AT_A_PRICE = Traits(untrusted=True, effect="spends")


def traits_of(tool: BaseTool) -> Traits:
    """The traits of any tool; one that says nothing is trusted, and may do anything."""
    said = tool.metadata or {}
    effect = said.get("effect")
    return Traits(said.get("untrusted") is True, effect if effect in get_args(Effect) else None)


def run_of(config: RunnableConfig) -> str:
    """The id of the run that calls; calls outside of one have a name in common."""
    return str((config.get("configurable") or {}).get(RUN_ID) or "calls")
