"""Which cases are wanted, and in which order; it loads nothing, so that help pages are quick."""

from dataclasses import dataclass
from typing import Literal

from memento.memory.case import Outcome, Status

Source = Literal["run", "demonstration"]
Order = Literal["age", "value", "shown"]


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which cases are wanted; what is None does not matter. Every word of `text` must be the beginning of one
    in task, plan, answer or note. `newer` and `older` are times as in `Case.created_at`. A case that no
    rewarded run showed has no value.
    """

    status: Status | None = None
    outcome: Outcome | None = None
    source: Source | None = None
    pinned: bool | None = None
    text: str = ""
    newer: str | None = None
    older: str | None = None
    min_value: float | None = None
    max_value: float | None = None
