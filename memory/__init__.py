"""What the agent remembers, and how it chooses what to show."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memento.memory.case import Case, Outcome, Status
    from memento.memory.case_bank import Candidate, CaseBank
    from memento.memory.home import Home
    from memento.memory.ledger import Ledger, Reward, RunRecord
    from memento.memory.policy import Policy, build_policy
    from memento.memory.selection import Selection
    from memento.memory.shown import Shown
    from memento.memory.trajectory import Step, ToolCall

_HOMES = {
    "Candidate": "memento.memory.case_bank",
    "CaseBank": "memento.memory.case_bank",
    "Case": "memento.memory.case",
    "Outcome": "memento.memory.case",
    "Status": "memento.memory.case",
    "Step": "memento.memory.trajectory",
    "ToolCall": "memento.memory.trajectory",
    "Home": "memento.memory.home",
    "Ledger": "memento.memory.ledger",
    "Reward": "memento.memory.ledger",
    "RunRecord": "memento.memory.ledger",
    "Policy": "memento.memory.policy",
    "build_policy": "memento.memory.policy",
    "Selection": "memento.memory.selection",
    "Shown": "memento.memory.shown",
}

__all__ = [
    "Candidate",
    "Case",
    "CaseBank",
    "Home",
    "Ledger",
    "Outcome",
    "Policy",
    "Reward",
    "RunRecord",
    "Selection",
    "Shown",
    "Status",
    "Step",
    "ToolCall",
    "build_policy",
]


def __getattr__(name: str) -> Any:
    """Names load with their first use (PEP 562): a help page needs neither SQLAlchemy nor scipy."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
