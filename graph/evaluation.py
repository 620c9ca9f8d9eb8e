"""What an evaluator is given and what it gives back."""

import math
import numbers
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from memento.graph.state import Usage, no_usage
from memento.graph.text import clean
from memento.memory import Step


@dataclass(frozen=True, kw_only=True)
class RunView:
    """A run as an evaluator sees it; `reference` is exactly what the caller gave."""

    task: str
    reference: Any
    answer: str
    plan: Sequence[str]
    trajectory: Sequence[Step]


@dataclass(frozen=True)
class Evaluation:
    """A reward in [0, 1], or None for unknown; why; where it comes from; and how much it counts."""

    reward: float | None
    rationale: str = ""
    source: str = "evaluator"
    weight: float = 1.0
    usage: Usage = field(default_factory=no_usage)


Evaluator = Callable[[RunView], "float | Evaluation | Awaitable[float | Evaluation | None] | None"]


def checked(result: Any) -> Evaluation:
    """An evaluator's result as an Evaluation; what is no reward is unknown, never 0."""
    given = result if isinstance(result, Evaluation) else Evaluation(result)
    reward, weight = given.reward, given.weight
    if reward is None:
        return unknown(given.rationale, given.source, given.usage)
    good = isinstance(reward, numbers.Real) and 0 <= reward <= 1
    if not good or not (isinstance(weight, numbers.Real) and 0 < weight < math.inf):
        why = f"the evaluator returned {reward!r} with weight {weight!r}"
        return unknown(why, given.source, given.usage)
    return Evaluation(float(reward), _said(given.rationale), _said(given.source), float(weight), given.usage)


def unknown(why: str, source: str = "evaluator", usage: Usage | None = None) -> Evaluation:
    return Evaluation(None, _said(why), _said(source), usage=usage or no_usage())


def _said(text: Any) -> str:
    """What an evaluator says beside the reward; it is stored."""
    return "" if text is None else clean(str(text), limit=1000)
