"""What the demo prints and draws."""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from memento.demo.experiment import ARMS, Result
from memento.demo.families import FAMILIES
from memento.demo.paired import complete, difference, last_share, told

_WINDOW = 30
_PARTS = 3  # the last third is reported
_PLOT = "learning_curve.png"


def summary(results: Sequence[Result], folder: Path) -> dict[str, Any]:
    """The demo's figures as JSON. Only tasks that every arm has finished count."""
    rows = complete(results, ARMS)
    arms = {arm: [row for row in rows if row.arm == arm] for arm in ARMS}
    return {
        "tasks": len(arms[ARMS[0]]),
        "seeds": sorted({row.seed for row in rows}),
        "success": {arm: _mean(rows, "reward") for arm, rows in arms.items()},
        "last_third": {arm: _mean(last_share(rows, _PARTS), "reward") for arm, rows in arms.items()},
        "families": {
            family.name: {
                arm: _mean([r for r in rows if r.family == family.name], "reward")
                for arm, rows in arms.items()
            }
            for family in FAMILIES
        },
        "learning_minus_frozen_seeds": difference(arms["learning"], arms["frozen seeds"]),
        "learning_minus_no_memory": difference(arms["learning"], arms["no memory"]),
        "seconds_a_task": {arm: _mean(rows, "seconds") for arm, rows in arms.items()},
        "tokens_in_a_task": {arm: _mean(rows, "tokens_in") for arm, rows in arms.items()},
        "tokens_out_a_task": {arm: _mean(rows, "tokens_out") for arm, rows in arms.items()},
        "folder": str(folder),
        "plot": str(folder / _PLOT) if rows and draw(rows, folder / _PLOT) else None,
    }


def print_report(results: Sequence[Result], folder: Path) -> None:
    """The table, the paired differences and where the plot is."""
    from rich.console import Console
    from rich.table import Table

    screen = Console(highlight=False)
    figures = summary(results, folder)
    if not figures["tasks"]:
        screen.print("no task was finished")
        return
    table = Table("family", *ARMS, title=f"success, {figures['tasks']} tasks, seeds {figures['seeds']}")
    for name, rates in figures["families"].items():
        if rates[ARMS[0]] is not None:
            table.add_row(name, *(f"{rates[arm]:.0%}" for arm in ARMS))
    table.add_section()
    for label, key in (("all", "success"), ("last third", "last_third")):
        table.add_row(label, *(f"{figures[key][arm]:.1%}" for arm in ARMS))
    table.add_section()
    for label, key, form in (
        ("seconds a task", "seconds_a_task", ".1f"),
        ("tokens in a task", "tokens_in_a_task", ".0f"),
        ("tokens out a task", "tokens_out_a_task", ".0f"),
    ):
        table.add_row(label, *(format(figures[key][arm], form) for arm in ARMS))
    screen.print(table)
    for other in ("frozen_seeds", "no_memory"):
        gap = figures[f"learning_minus_{other}"]
        screen.print(f"learning − {other.replace('_', ' ')}: {told(gap)} (paired, {figures['tasks']} tasks)")
    screen.print(f"learning curve: {figures['plot']}\nresults and memories: {figures['folder']}")


def draw(results: Sequence[Result], file: Path) -> bool:
    """The moving success rate of each arm over the tasks, the mean over seeds, as a PNG."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(8, 4.5), dpi=120)
    axes = figure.subplots()
    colors = {"no memory": "#999999", "frozen seeds": "#4477aa", "learning": "#cc3311"}
    for arm in ARMS:
        rows = [row for row in results if row.arm == arm]
        curves, last = _curves(rows), _mean(last_share(rows, _PARTS), "reward")
        length = min(len(curve) for curve in curves)
        mean = [fmean(curve[i] for curve in curves) for i in range(length)]
        steps = range(1, length + 1)
        label = f"{arm}: {last:.0%}"
        axes.plot(steps, mean, label=label, color=colors[arm], linewidth=2)
        if len(curves) > 1:
            low, high = ([pick(curve[i] for curve in curves) for i in range(length)] for pick in (min, max))
            axes.fill_between(steps, low, high, color=colors[arm], alpha=0.15, linewidth=0)
    seeds = len({row.seed for row in results})
    axes.set(
        xlabel="tasks so far",
        ylabel=f"success over the last {_WINDOW} tasks",
        ylim=(-0.03, 1.03),
        title=f"A frozen 135M model, {seeds} seed{'s' if seeds > 1 else ''}"
        + (", band: least to most" if seeds > 1 else ""),
    )
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.grid(alpha=0.3)
    title = "success in the last third"
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=3, frameon=False, title=title)
    figure.tight_layout()
    figure.savefig(file)
    return True


def _curves(rows: Sequence[Result]) -> list[list[float]]:
    """One arm's moving success rate, a list a seed."""
    curves = []
    for seed in sorted({row.seed for row in rows}):
        rewards = [r.reward for r in sorted((r for r in rows if r.seed == seed), key=lambda r: r.number)]
        curves.append([fmean(rewards[max(0, i - _WINDOW + 1) : i + 1]) for i in range(len(rewards))])
    return curves


def _mean(rows: Sequence[Result], name: str) -> float | None:
    return fmean(float(getattr(row, name)) for row in rows) if rows else None
