"""Memento: an agent that learns from its own experience while its language model stays frozen."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memento.api import as_tool, build_graph
    from memento.errors import HomeInUseError, MementoError, UsageError
    from memento.graph.context import Context
    from memento.graph.evaluation import Evaluation, RunView
    from memento.settings import Settings

__version__ = "0.1.0"

_HOMES = {
    "as_tool": "memento.api",
    "build_graph": "memento.api",
    "Context": "memento.graph.context",
    "Evaluation": "memento.graph.evaluation",
    "RunView": "memento.graph.evaluation",
    "Settings": "memento.settings",
    "HomeInUseError": "memento.errors",
    "MementoError": "memento.errors",
    "UsageError": "memento.errors",
}

__all__ = [
    "Context",
    "Evaluation",
    "HomeInUseError",
    "MementoError",
    "RunView",
    "Settings",
    "UsageError",
    "as_tool",
    "build_graph",
]


def __getattr__(name: str) -> Any:
    """Names load with their first use (PEP 562): `import memento` stays fast."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
