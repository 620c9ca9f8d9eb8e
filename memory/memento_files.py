"""Cases in the released Memento's files: {"case", "plan", "case_label"} or {"question", "plan", "reward"}."""

import json
from collections.abc import Mapping
from typing import Any

from memento.memory.case import Case, Outcome, checked_reward, outcome_of
from memento.memory.errors import UsageError

_LABELS: dict[str, Outcome] = {"positive": "success", "negative": "failure"}


def case_from_memento(row: Mapping[str, Any]) -> Case | None:
    """The case of a row, None where it is no such row.

    Raises:
        UsageError: it is one, and something in it cannot be meant.
    """
    if "case" in row and "task" not in row:
        label = row.get("case_label")
        if label not in _LABELS:
            raise UsageError("case_label is positive or negative")
        outcome = _LABELS[label]
        return _case(row["case"], row.get("plan"), 1.0 if outcome == "success" else 0.0)
    if "question" in row and "task" not in row:
        return _case(row["question"], row.get("plan"), checked_reward(row.get("reward")))
    return None


def _case(task: Any, plan: Any, reward: float | None) -> Case:
    return Case(task=task, plan=_subtasks(plan), reward=reward, outcome=outcome_of(reward))


def _subtasks(plan: Any) -> list[str]:
    """A plan is JSON in a text, {"plan": [{"id", "description"}]}; any other text is one subtask."""
    if isinstance(plan, str):
        try:
            plan = json.loads(plan)
        except (ValueError, RecursionError):
            return [plan] if plan.strip() else []
    if isinstance(plan, Mapping):
        plan = plan.get("plan")
    if plan is None:
        return []
    if not isinstance(plan, list):
        raise UsageError("a plan is a list of subtasks, or its JSON as a text")
    return [_subtask(item) for item in plan]


def _subtask(item: Any) -> str:
    said = item.get("description") if isinstance(item, Mapping) else item
    if not isinstance(said, str):
        raise UsageError("a subtask of a plan is a text, or has a description")
    return said
