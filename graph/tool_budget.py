"""What the tools of one run may use: so many calls, seconds, and bytes of results, each tool and together."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from typing_extensions import TypedDict

from memento.memory.errors import UsageError

ALL = "*"
"""The name under which all tools together are counted."""


class ToolUse(TypedDict):
    """What one tool, or all of them, used so far in a run."""

    calls: int
    seconds: float
    bytes: int


Uses = dict[str, ToolUse]
_UNITS = ("calls", "seconds", "bytes")


@dataclass(frozen=True)
class Budgets:
    """Limits by tool name, `*` for all together: {"*": {"calls": 200}, "web_search": {"calls": 10}}."""

    limits: Mapping[str, Mapping[str, float]]

    def spent(self, name: str, uses: Uses) -> str:
        """Why the tool may not be called again in this run; empty when it may."""
        for whose in (name, ALL):
            for unit, most in self.limits.get(whose, {}).items():
                if _used(uses, whose)[unit] >= most:  # type: ignore[literal-required]
                    of = "all tools together" if whose == ALL else name
                    return f"the {unit} of {of} are used up for this run ({most:g})"
        return ""

    def seconds_left(self, name: str, uses: Uses) -> float | None:
        """How long a call may take; None where nothing limits it."""
        left = [
            self.limits[whose]["seconds"] - _used(uses, whose)["seconds"]
            for whose in (name, ALL)
            if "seconds" in self.limits.get(whose, {})
        ]
        return min(left) if left else None


def add_use(uses: Uses, name: str, *, calls: int = 0, seconds: float = 0.0, size: int = 0) -> None:
    """Take a use down, to the tool's account and to that of all."""
    for whose in (name, ALL):
        was = _used(uses, whose)
        uses[whose] = ToolUse(
            calls=was["calls"] + calls, seconds=was["seconds"] + seconds, bytes=was["bytes"] + size
        )


def check_budgets(given: Any) -> None:
    """Make sure that what was given can be meant.

    Raises:
        UsageError: it cannot.
    """
    if not isinstance(given, Mapping):
        raise UsageError('tool_budgets is an object like {"*": {"calls": 200}, "web_search": {"calls": 10}}')
    for name, limits in given.items():
        if not isinstance(limits, Mapping) or not set(limits) <= set(_UNITS):
            raise UsageError(f"tool_budgets: {name!r} has limits on {', '.join(_UNITS)}, not {limits!r}")
        for unit, most in limits.items():
            if isinstance(most, bool) or not isinstance(most, int | float) or not most >= 0:
                raise UsageError(f"tool_budgets: {name!r} has {unit} from 0, not {most!r}")


def _used(uses: Uses, name: str) -> ToolUse:
    return uses.get(name) or ToolUse(calls=0, seconds=0.0, bytes=0)
