"""Who gets how much of a reward."""

from collections.abc import Mapping, Sequence

from memento.memory.case import Case
from memento.memory.form import form_of
from memento.memory.trajectory import Step, tool_sequence


def followed(cases: Sequence[Case], task: str, trajectory: Sequence[Step]) -> dict[str, bool | None]:
    """Whether a run did what each case did: called its tools in its form or, where none of the cases has the
    run's form, called the same tools; None where the run or the case called none.
    """
    tools, form = tool_sequence(trajectory), form_of(task, trajectory)
    same = [case.form == form for case in cases]
    if not any(same):
        same = [case.tools == tools for case in cases]
    return {
        case.id: did_so if tools and case.tools else None for case, did_so in zip(cases, same, strict=True)
    }


def shares(used: Mapping[str, bool | None]) -> dict[str, float]:
    """Each shown case's share of a run's reward; the shares of a run that showed something sum to 1.

    `used` maps every shown case to whether the run used it, None where that is not known. Cases known to
    be used divide the credit among them. When none is, all that were shown share: totals rest on what
    was shown, since what a run comes to use depends on how it went.
    """
    chosen = [case_id for case_id, was_used in used.items() if was_used] or list(used)
    return {case_id: (1 / len(chosen) if case_id in chosen else 0.0) for case_id in used}
