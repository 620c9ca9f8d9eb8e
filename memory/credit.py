"""Who gets how much of a reward."""

from collections.abc import Iterable, Mapping, Sequence

from memento.memory.case import Case
from memento.memory.form import form_of
from memento.memory.trajectory import Step, tool_sequence

SEEN, SAID = "seen", "said"
"""How it is known which cases a run used: by what it did, or because its planner said so."""
_GUARD_FROM = 2.0, 4.0
_GUARD_RATIO = 1.5


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


def shares(used: Mapping[str, bool | None], *, doubted: bool = False) -> dict[str, float]:
    """Each shown case's share of a run's reward; the shares of a run that showed something sum to 1.

    `used` maps every shown case to whether the run used it, None where that is not known. Cases known to
    be used divide the credit among them. When none is, or that is doubted, all that were shown share: totals
    rest on what was shown, since what a run comes to use depends on how it went.
    """
    chosen = [case_id for case_id, was_used in used.items() if was_used and not doubted] or list(used)
    return {case_id: (1 / len(chosen) if case_id in chosen else 0.0) for case_id in used}


def citations_follow_success(runs: Iterable[tuple[str | None, float | None, Iterable[bool | None]]]) -> bool:
    """Whether what planners said they used depends so much on how runs ended, either way, that it must not
    decide who gets the credit. What was seen to be used may depend on it: it is why. `runs` has how the use
    of each is known, its reward, None while that is unknown, and whether it used each shown case.
    """
    cited, shown = [0.0, 0.0], [0.0, 0.0]
    for use_is, reward, used in runs:
        if use_is != SAID or reward is None:
            continue
        ended = int(reward >= 0.5)  # noqa: PLR2004
        known = [was_used for was_used in used if was_used is not None]
        shown[ended] += len(known)
        cited[ended] += sum(known)
    rates = [(c + _GUARD_FROM[0]) / (s + _GUARD_FROM[1]) for c, s in zip(cited, shown, strict=True)]
    return max(rates) > _GUARD_RATIO * min(rates)
