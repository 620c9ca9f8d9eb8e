"""What the agent remembers, and how it chooses what to show."""

from memento.memory.case import Case, Outcome, Status, Step, ToolCall
from memento.memory.case_bank import Candidate, CaseBank
from memento.memory.home import Home
from memento.memory.ledger import Ledger, Reward, RunRecord
from memento.memory.policy import Policy, build_policy
from memento.memory.selection import Selection
from memento.memory.shown import Shown

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
