"""Who gets how much of a reward."""

from collections.abc import Mapping, Sequence


def followed(case_tools: Sequence[str], run_tools: Sequence[str]) -> bool:
    """Whether a run did what a case did: the same tools in the same order, and at least one."""
    return bool(case_tools) and list(case_tools) == list(run_tools)


def shares(used: Mapping[str, bool | None]) -> dict[str, float]:
    """Each shown case's share of a run's reward; the shares of a run that showed something sum to 1.

    `used` maps every shown case to whether the run used it, None where that is not known. Cases known to
    be used divide the credit among them. When none is, all that were shown share: totals rest on what
    was shown, since what a run comes to use depends on how it went.
    """
    chosen = [case_id for case_id, was_used in used.items() if was_used] or list(used)
    return {case_id: (1 / len(chosen) if case_id in chosen else 0.0) for case_id in used}
