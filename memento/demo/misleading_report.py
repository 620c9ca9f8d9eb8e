"""What a misleading bank did to each arm."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from memento.demo.misleading_run import Outcome, Plan
from memento.demo.paired import complete, difference, last_share, told
from memento.intervals import Interval

_FIRST = 50  # tasks
_MISLEADING = "bad: misleading cases shown a task"
_SINGLE = "seed case: tasks that it was shown for, and those of other families"
_PAIRS = (("auto", "similarity"), ("auto", "clean"), ("auto", "none"))


def summary(plan: Plan, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The figures as JSON. Only tasks that every arm has finished count; `tasks` is how many there are over
    all seeds, the first are the first 50 of each seed.
    """
    rows = complete(outcomes, plan.arms)
    spans = {
        "all": rows,
        "first": [row for row in rows if row.number < _FIRST],
        "last": [r for arm in plan.arms for r in last_share([r for r in rows if r.arm == arm], 2)],
    }
    pairs = [pair for pair in _PAIRS if set(pair) <= set(plan.arms)]
    return {
        "plan": plan.name,
        "seeds": sorted({row.seed for row in rows}),
        "tasks": len(rows) // len(plan.arms),
        "arms": {
            arm: {span: _arm([r for r in mine if r.arm == arm]) for span, mine in spans.items()}
            for arm in plan.arms
        },
        "differences": {
            f"{one} - {other}": {span: _gap(mine, one, other) for span, mine in spans.items()}
            for one, other in pairs
        },
        "families": {
            family: {
                arm: _mean([r.reward for r in rows if r.arm == arm and r.family == family])
                for arm in plan.arms
            }
            for family in dict.fromkeys(row.family for row in rows)
        },
    }


def print_report(plan: Plan, outcomes: Sequence[Outcome]) -> None:
    """The tables of a plan."""
    from rich.console import Console
    from rich.table import Column, Table

    screen = Console(highlight=False)
    figures = summary(plan, outcomes)
    if not figures["tasks"]:
        screen.print(f"{plan.name}: no task was finished by every arm")
        return
    single = plan.mode == "single"
    extra = ("seed case", "elsewhere") if single else ("bad", "first", "last")
    names = ("arm", "success", "first", "last", *extra, "shown", "s/task")
    title = f"{plan.name}: {figures['tasks']} tasks, seeds {figures['seeds']}"
    table = Table(*(Column(name, no_wrap=True) for name in names), title=title, box=None)
    for arm, spans in figures["arms"].items():
        rates = [f"{100 * spans[span]['success']:.1f}" for span in ("all", "first", "last")]
        more = _singles(spans) if single else _bad(spans)
        table.add_row(arm, *rates, *more, f"{spans['all']['shown']:.2f}", f"{spans['all']['seconds']:.1f}")
    screen.print(table)
    screen.print(f"first: {_FIRST} tasks a seed; last: half of them; {_SINGLE if single else _MISLEADING}")
    for name, spans in figures["differences"].items():
        for span, gap in spans.items():
            screen.print(f"{name}, {span}: {_points(gap)}", soft_wrap=True)
    screen.print("by family: " + _families(figures["families"]), soft_wrap=True)


def _arm(rows: Sequence[Outcome]) -> dict[str, float]:
    """An arm's means; `single_elsewhere` leaves out the tasks of the seed case's own family."""
    return {
        "success": _mean([row.reward for row in rows]),
        "bad": _mean([row.bad for row in rows]),
        "shown": _mean([row.shown for row in rows]),
        "single": _mean([row.single for row in rows]),
        "single_elsewhere": _mean([row.single for row in rows if row.family != row.seed_family]),
        "seconds": _mean([row.seconds for row in rows]),
    }


def _gap(rows: Sequence[Outcome], one: str, other: str) -> dict[str, Any]:
    """The paired difference over all seeds, by seed, and without the tasks that met the floor in either."""
    pair = [row for row in rows if row.arm in {one, other}]
    floor = {(row.seed, row.number) for row in pair if row.floor}

    def of(some: Sequence[Outcome]) -> Interval:
        return difference(*([row for row in some if row.arm == arm] for arm in (one, other)))

    return {
        **of(pair),
        "by_seed": {s: of([r for r in pair if r.seed == s]) for s in sorted({row.seed for row in pair})},
        "without_floor": of([row for row in pair if (row.seed, row.number) not in floor]),
    }


def _mean(values: Sequence[float]) -> float:
    return fmean(values) if values else math.nan


def _bad(spans: Mapping[str, Mapping[str, float]]) -> list[str]:
    return [f"{spans[span]['bad']:.2f}" for span in ("all", "first", "last")]


def _singles(spans: Mapping[str, Mapping[str, float]]) -> list[str]:
    return [f"{100 * spans['all'][name]:.0f}%" for name in ("single", "single_elsewhere")]


def _points(gap: Mapping[str, Any]) -> str:
    seeds = ", ".join(f"{one['points'] or 0.0:+.1f}" for one in gap["by_seed"].values())
    return f"{_told(gap)}; by seed {seeds}; without the floor's runs {_told(gap['without_floor'])}"


def _told(gap: Mapping[str, Any]) -> str:
    return told(Interval(points=gap["points"], low=gap["low"], high=gap["high"]))


def _families(families: Mapping[str, Mapping[str, float]]) -> str:
    return "; ".join(
        f"{family} " + ", ".join(f"{arm} {100 * rate:.0f}" for arm, rate in rates.items())
        for family, rates in families.items()
    )
