"""Which tasks teach and which test, with near-duplicates on one side."""

from collections import Counter
from collections.abc import Hashable, Sequence

from memento.errors import UsageError

_SHARE = 0.25


def held_out(groups: Sequence[Hashable]) -> tuple[list[int], list[int]]:
    """The places of the tasks that teach and of those that are held out, each in order.

    `groups` says, in the order of time, which tasks are near-duplicates of each other. Held out are the
    groups that come up last, as many as fit in a quarter of the tasks: no held-out task has been met before,
    and what has been met is never newer than what is asked.

    Raises:
        UsageError: there is no second group.
    """
    sizes = Counter(groups)
    newest_first = list(reversed(sizes))  # a Counter keeps the order of first appearance
    if len(newest_first) < 2:  # noqa: PLR2004
        raise UsageError("held-out needs tasks of at least two kinds: give more tasks, or --mode prequential")
    kept = set(newest_first[:1])
    count = sizes[newest_first[0]]
    for group in newest_first[1:]:
        count += sizes[group]
        if count > _SHARE * len(groups):
            break
        kept.add(group)
    teach = [place for place, group in enumerate(groups) if group not in kept]
    return teach, [place for place, group in enumerate(groups) if group in kept]
