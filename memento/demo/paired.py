"""Arms compared over the same tasks."""

import math
from collections.abc import Collection, Sequence
from typing import Protocol, TypeVar

from memento.intervals import Interval, interval


class Row(Protocol):
    """How one arm did on one task of a seed."""

    @property
    def seed(self) -> int: ...
    @property
    def number(self) -> int: ...
    @property
    def arm(self) -> str: ...
    @property
    def reward(self) -> float: ...


R = TypeVar("R", bound=Row)


def complete(results: Sequence[R], arms: Collection[str]) -> list[R]:
    """The results of the tasks that every arm has finished, so that the arms stay comparable."""
    done: dict[tuple[int, int], set[str]] = {}
    for row in results:
        done.setdefault((row.seed, row.number), set()).add(row.arm)
    return [row for row in results if done[row.seed, row.number] >= set(arms)]


def last_share(rows: Sequence[R], parts: int) -> list[R]:
    """Of one arm's rows each seed's last third of the tasks, where `parts` is 3, and so on."""
    kept: list[R] = []
    for seed in sorted({row.seed for row in rows}):
        mine = sorted((row for row in rows if row.seed == seed), key=lambda row: row.number)
        kept.extend(mine[len(mine) - math.ceil(len(mine) / parts) :])
    return kept


def difference(ours: Sequence[Row], theirs: Sequence[Row]) -> Interval:
    """The mean paired difference in points with its 95 % interval (normal, over tasks)."""
    other = {(row.seed, row.number): row.reward for row in theirs}
    return interval([100 * (row.reward - other[row.seed, row.number]) for row in ours], student=False)


def told(gap: Interval) -> str:
    """A difference in words."""
    if gap["points"] is None or gap["low"] is None or gap["high"] is None:
        return f"{gap['points'] or 0.0:+.1f} points, no interval"
    return f"{gap['points']:+.1f} points, 95 % interval {gap['low']:+.1f} to {gap['high']:+.1f}"
