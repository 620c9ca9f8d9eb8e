"""What memento bench says of simulated worlds: figures, and a table of them."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from memento.bench.accounts import accounts, told
from memento.bench.arms import compared_with
from memento.bench.calibration import calibration
from memento.bench.plots import draw
from memento.bench.simulation import Cell
from memento.intervals import interval, signed

if TYPE_CHECKING:
    from rich.table import Table

Part = Callable[[Cell], slice]

_PLAIN = ("none", "similarity", "random")
_SPAN = 500  # at most so many first and last tasks are reported


def summary(cells: Sequence[Cell], folder: Path) -> dict[str, Any]:
    """The figures as JSON: per world and arm, success over the first and last `span` tasks, the paired
    differences to the arms "none", "similarity" and "random" and to the arm's own placebo over seeds with
    their 95 % intervals, in points, what was shown, and how well predictions came true. For an arm with a
    floor the same over the tasks in which it was not on it. "last" is what was held out, where tasks were;
    "best_of" any of the attempts. Every arm has the same seeds.
    """
    worlds = list(dict.fromkeys(cell.world for cell in cells))
    span = min([_SPAN, *(min(cell.taught, max(1, len(cell.success) // 2)) for cell in cells)])
    found = {world: _world([cell for cell in cells if cell.world == world], span) for world in worlds}
    plots = [str(draw(world, cells, folder)) for world in worlds]
    how = {"mode": cells[0].mode, "attempts": cells[0].attempts} if cells else {}
    return {"worlds": found, "span": span, **how, "folder": str(folder), "plots": plots}


def print_report(cells: Sequence[Cell], folder: Path) -> None:
    """A table a world, and where the plots are."""
    from rich.console import Console

    screen = Console(highlight=False)
    figures = summary(cells, folder)
    if not cells:
        screen.print("no seed was finished by every arm")
        return
    for world, arms in figures["worlds"].items():
        screen.print(_table(world, arms, figures))
        if figures["attempts"] > 1:
            screen.print(_best_of(world, arms, figures))
        for name, arm in arms.items():
            if "first_without_floor" in arm:
                screen.print(_without_floor(name, arm))
            for account in arm["effect_of_memory"]:
                screen.print(f"{name}, effect of memory by {told(account)}", soft_wrap=True)
    screen.print(_legend(figures))
    for plot in figures["plots"]:
        screen.print(f"plot: {plot}")


def _table(world: str, arms: dict[str, dict[str, Any]], figures: dict[str, Any]) -> "Table":
    seeds = max(arm["seeds"] for arm in arms.values())
    predicts = any(arm["calibration_last"] for arm in arms.values())
    table = _empty(f"{world}: expected success, %, {seeds} seeds", figures)
    for name in ("shown", "poison", *(["in σ"] if predicts else [])):
        table.add_column(name, no_wrap=True)
    for name, arm in arms.items():
        found = [_coverage(arm)] if predicts else []
        table.add_row(name, *_span(arm, "last"), *_span(arm, "first"), *_shown(arm), *found)
    return table


def _best_of(world: str, arms: dict[str, dict[str, Any]], figures: dict[str, Any]) -> "Table":
    table = _empty(f"{world}: expected success of any of {figures['attempts']} attempts, %", figures)
    for name, arm in arms.items():
        table.add_row(name, *_span(arm, "best_of_last"), *_span(arm, "best_of_first"))
    return table


def _empty(title: str, figures: dict[str, Any]) -> "Table":
    from rich.table import Column, Table

    last = "held out" if figures["mode"] == "held-out" else "last"
    gaps = ("− none", "− simil.")
    columns = (Column(name, no_wrap=True) for name in ("arm", last, *gaps, "first", *gaps))
    return Table(*columns, title=title, box=None, padding=(0, 1, 0, 0))


def _legend(figures: dict[str, Any]) -> str:
    held = figures["mode"] == "held-out"
    spans = f"first: {figures['span']} tasks" if held else f"first and last: {figures['span']} tasks"
    lines = [
        f"{spans}; differences in points with 95 % intervals, by seed;",
        f"shown and poison: cases a task over the {'held-out' if held else 'last'} tasks",
    ]
    if any(arm["calibration_last"] for arms in figures["worlds"].values() for arm in arms.values()):
        lines[-1] += "; in σ: how often, in %,"
        lines.append(
            "the truth is within one standard deviation of what was predicted (68 where that is right)"
        )
    return "\n".join(lines)


def _world(cells: Sequence[Cell], span: int) -> dict[str, dict[str, Any]]:
    arms = list(dict.fromkeys(cell.arm for cell in cells))
    by_arm = {arm: [cell for cell in cells if cell.arm == arm] for arm in arms}
    return {arm: _arm(arm, by_arm, span) for arm in arms}


def _arm(arm: str, by_arm: dict[str, list[Cell]], span: int) -> dict[str, Any]:
    mine = by_arm[arm]
    others = {label: by_arm[other] for label, other in compared_with(arm, by_arm, _PLAIN)}
    found: dict[str, Any] = {"seeds": len(mine), "effect_of_memory": accounts(mine)}
    for name in ("last", "first"):
        part = partial(_last if name == "last" else _first, span)
        for figure, column in ((name, "success"), (f"best_of_{name}", "best_of")):
            means = [_mean(cell, column, part) for cell in mine]
            found[figure] = fmean(means)
            for label, theirs in others.items():
                pairs = zip(means, (_mean(cell, column, part) for cell in theirs), strict=True)
                found[f"{figure}_minus_{label}"] = interval([100 * (a - b) for a, b in pairs], student=True)
        found |= _off_floor(name, part, mine, others)
        rows = [row for cell in mine for step in cell.predicted[part(cell)] for row in step]
        found[f"calibration_{name}"] = calibration(rows)
        for column in ("shown", "poison", "oracle"):
            found[f"{column}_{name}"] = fmean(_mean(cell, column, part) for cell in mine)
    return found


def _first(span: int, cell: Cell) -> slice:
    del cell
    return slice(span)


def _last(span: int, cell: Cell) -> slice:
    """The last tasks; in mode "held-out" all that were held out."""
    return slice(cell.taught, None) if cell.mode == "held-out" else slice(-span, None)


def _mean(cell: Cell, column: str, part: Part) -> float:
    return fmean(getattr(cell, column)[part(cell)])


def _off_floor(name: str, part: Part, mine: Sequence[Cell], others: dict[str, list[Cell]]) -> dict[str, Any]:
    """Success over the steps in which the arm was not on its floor, and its differences on the same steps;
    nothing for an arm that never was.
    """
    floors = [cell.floor[part(cell)] for cell in mine]
    if not any(any(floor) for floor in floors):
        return {}

    def means(cells: Sequence[Cell]) -> list[float]:
        kept = [
            [value for value, on in zip(cell.success[part(cell)], floor, strict=True) if not on]
            for cell, floor in zip(cells, floors, strict=True)
        ]
        return [fmean(values) for values in kept if values]

    ours = means(mine)
    found: dict[str, Any] = {
        f"floor_{name}": fmean(fmean(floor) for floor in floors),
        f"{name}_without_floor": fmean(ours) if ours else None,
    }
    for label, theirs in others.items():
        gaps = [100 * (a - b) for a, b in zip(ours, means(theirs), strict=True)]
        found[f"{name}_without_floor_minus_{label}"] = interval(gaps, student=True)
    return found


def _span(arm: dict[str, Any], span: str) -> list[str]:
    """Success over the first or the last tasks, and what it is over the two plain arms."""
    gaps = [signed(arm.get(f"{span}_minus_{other}")) for other in ("none", "similarity")]
    return [f"{100 * arm[span]:.1f}", *gaps]


def _shown(arm: dict[str, Any]) -> list[str]:
    return [f"{arm['shown_last']:.2f}", f"{arm['poison_last']:.2f}"]


def _coverage(arm: dict[str, Any]) -> str:
    found = arm["calibration_last"]
    return f"{100 * found['coverage']:.0f}" if found else ""


def _without_floor(name: str, arm: dict[str, Any]) -> str:
    """What the first tasks would be without the runs that are spent on measuring what memory is worth."""
    success = arm["first_without_floor"]
    if success is None:
        return f"{name}: all of the first tasks were on its floor"
    names = {"none": "none", "similarity": "simil."}
    gaps = [(short, signed(arm.get(f"first_without_floor_minus_{other}"))) for other, short in names.items()]
    differences = "".join(f", − {short} {gap}" for short, gap in gaps if gap)
    share = f"{100 * arm['floor_first']:.1f} % of runs"
    return f"{name}, first, off its floor ({share}): {100 * success:.1f}{differences}"
