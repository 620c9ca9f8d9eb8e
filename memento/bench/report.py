"""What memento bench prints and draws of simulated worlds."""

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

from memento.bench.arms import PLACEBO
from memento.bench.simulation import Cell

_SPAN = 500  # at most so many first and last tasks are reported
_SMOOTH = 100


def summary(cells: Sequence[Cell], folder: Path) -> dict[str, Any]:
    """The figures as JSON: per world and arm, success over the first and last `span` tasks, the paired
    differences to the arms "none", "similarity" and "random" and to the arm's own placebo over seeds with
    their 95 % intervals, in points, and what was shown. Every arm has the same seeds.
    """
    worlds = list(dict.fromkeys(cell.world for cell in cells))
    span = min(_SPAN, max(1, len(cells[0].success) // 2)) if cells else _SPAN
    found = {world: _world([cell for cell in cells if cell.world == world], span) for world in worlds}
    plots = [str(_draw(world, cells, folder)) for world in worlds]
    return {"worlds": found, "span": span, "folder": str(folder), "plots": plots}


def print_report(cells: Sequence[Cell], folder: Path) -> None:
    """A table a world, and where the plots are."""
    from rich.console import Console
    from rich.table import Column, Table

    screen = Console(highlight=False)
    figures = summary(cells, folder)
    if not cells:
        screen.print("no seed was finished by every arm")
        return
    for world, arms in figures["worlds"].items():
        seeds = max(arm["seeds"] for arm in arms.values())
        gaps = ("− none", "− simil.")
        names = ("arm", "last", *gaps, "first", *gaps, "shown", "poison")
        columns = (Column(name, no_wrap=True) for name in names)
        title = f"{world}: expected success, %, {seeds} seeds"
        table = Table(*columns, title=title, box=None, padding=(0, 1, 0, 0))
        for name, arm in arms.items():
            table.add_row(name, *_span(arm, "last"), *_span(arm, "first"), *_shown(arm))
        screen.print(table)
    screen.print(
        f"first and last: {figures['span']} tasks; differences in points with 95 % intervals, by seed;\n"
        "shown and poison: cases a task over the last tasks"
    )
    for plot in figures["plots"]:
        screen.print(f"plot: {plot}")


def _world(cells: Sequence[Cell], span: int) -> dict[str, dict[str, Any]]:
    arms = list(dict.fromkeys(cell.arm for cell in cells))
    by_arm = {arm: [cell for cell in cells if cell.arm == arm] for arm in arms}
    return {arm: _arm(arm, by_arm, span) for arm in arms}


def _arm(arm: str, by_arm: dict[str, list[Cell]], span: int) -> dict[str, Any]:
    mine = by_arm[arm]
    found: dict[str, Any] = {"seeds": len(mine)}
    for name, part in (("last", slice(-span, None)), ("first", slice(span))):
        found[name] = fmean(fmean(cell.success[part]) for cell in mine)
        for label, other in _others(arm, by_arm):
            pairs = zip(mine, by_arm[other], strict=True)
            gaps = [100 * (fmean(a.success[part]) - fmean(b.success[part])) for a, b in pairs]
            found[f"{name}_minus_{label}"] = interval(gaps)
        found[f"shown_{name}"] = fmean(fmean(cell.shown[part]) for cell in mine)
        found[f"poison_{name}"] = fmean(fmean(cell.poison[part]) for cell in mine)
        found[f"oracle_{name}"] = fmean(fmean(cell.oracle[part]) for cell in mine)
    return found


def _others(arm: str, by_arm: dict[str, list[Cell]]) -> list[tuple[str, str]]:
    """The arms that this one is compared with, each with what it is called in the figures."""
    pairs = [(name, name) for name in ("none", "similarity", "random")] + [("placebo", arm + PLACEBO)]
    return [(label, other) for label, other in pairs if other in by_arm and other != arm]


def interval(values: Sequence[float]) -> dict[str, float | None]:
    """The mean and its 95 % interval (Student's t, over the values); no interval from a single value."""
    mean = fmean(values)
    if len(values) == 1:
        return {"points": mean, "low": None, "high": None}
    from scipy.stats import t

    half = float(t.ppf(0.975, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
    return {"points": mean, "low": mean - half, "high": mean + half}


def _span(arm: dict[str, Any], span: str) -> list[str]:
    """Success over the first or the last tasks, and what it is over the two plain arms."""
    gaps = [_points(arm.get(f"{span}_minus_{other}")) for other in ("none", "similarity")]
    return [f"{100 * arm[span]:.1f}", *gaps]


def _shown(arm: dict[str, Any]) -> list[str]:
    return [f"{arm['shown_last']:.2f}", f"{arm['poison_last']:.2f}"]


def _points(gap: dict[str, float | None] | None) -> str:
    if gap is None:
        return ""
    half = "" if gap["high"] is None else f"±{gap['high'] - (gap['points'] or 0.0):.1f}"
    return f"{gap['points']:+.1f}{half}"


def _draw(world: str, cells: Sequence[Cell], folder: Path) -> Path:
    """Success, regret and exposure to poison over the tasks, means over the seeds, as a PNG."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(14, 4.2), dpi=110)
    mine = [cell for cell in cells if cell.world == world]
    for arm in dict.fromkeys(cell.arm for cell in mine):
        rows = [cell for cell in mine if cell.arm == arm]
        success = np.mean([cell.success for cell in rows], axis=0)
        oracle = np.mean([cell.oracle for cell in rows], axis=0)
        poison = np.mean([cell.poison for cell in rows], axis=0)
        for axis, curve in zip(
            axes, (_smooth(success), np.cumsum(oracle - success), _smooth(poison)), strict=True
        ):
            axis.plot(np.arange(1, len(curve) + 1), curve, label=arm, linewidth=1.6)
    names = ("expected success", "regret against the oracle, summed", "poisoned cases shown a task")
    for axis, name in zip(axes, names, strict=True):
        axis.set(title=name, xlabel="tasks so far")
        axis.grid(alpha=0.3)
    lines, labels = axes[0].get_legend_handles_labels()
    figure.legend(lines, labels, loc="lower center", ncols=len(labels), frameon=False)
    figure.suptitle(f"world: {world}, {len({cell.seed for cell in mine})} seeds")
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    file = folder / f"{world}.png"
    figure.savefig(file)
    plt.close(figure)
    return file


def _smooth(curve: Any) -> Any:
    """The mean of the last hundred values at each place."""
    sums = np.cumsum(np.concatenate([[0.0], curve]))
    ends = np.arange(1, len(curve) + 1)
    starts = np.maximum(0, ends - _SMOOTH)
    return (sums[ends] - sums[starts]) / (ends - starts)
