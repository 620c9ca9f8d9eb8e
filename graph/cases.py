"""The cases that a run shows, read anew: a case deleted meanwhile is shown no more."""

from collections.abc import Sequence

from langchain_core.tools import BaseTool

from memento.graph.parts import Run
from memento.graph.state import State
from memento.memory import Case, Shown
from memento.tools.traits import traits_of


def shown_cases(state: State, run: Run) -> list[Case]:
    """The run's cases, those of the most similar tasks first, of those that are still there."""
    slots = sorted(state["retrieved"], key=lambda slot: -float(slot["similarity"]))
    ids = [str(slot["case_id"]) for slot in slots]
    found = run.policy.bank.get_many(ids, run.context.namespace)
    return [found[case_id] for case_id in ids if case_id in found]


def has_strangers(tools: Sequence[BaseTool], cases: Sequence[Case]) -> bool:
    """Whether a run may see what anybody may have written: from its tools, or in its cases."""
    return any(case.untrusted for case in cases) or any(traits_of(tool).untrusted for tool in tools)


def with_use(retrieved: Sequence[Shown], used: dict[str, bool | None]) -> list[Shown]:
    """The slots with what is now known of their use."""
    return [Shown(**slot).told(used=used.get(slot["case_id"])) for slot in retrieved]
