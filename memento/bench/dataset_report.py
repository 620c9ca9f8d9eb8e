"""What memento bench says of a dataset: figures, and a table of them."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from memento.bench.agents import Plan, Result, effects_of_memory
from memento.bench.arms import compared_with
from memento.bench.plots import draw_rewards
from memento.intervals import interval, signed
from memento.memory.effect import Effect, describe

if TYPE_CHECKING:
    from rich.table import Table


_PLOT = "success.png"


def summary(plan: Plan, results: Sequence[Result], folder: Path, namespace: str) -> dict[str, Any]:
    """The figures as JSON, per arm, over the tasks that every arm has finished; in mode "held-out" over those
    of them that were held out.

    `success` is that of the first attempt and `best_of` that of any; a reward that is not known counts as
    none, and `unknown` says how often. Differences to the arm "none" and to the arm's own placebo are paired,
    in points, with 95 % intervals (normal, over tasks). Tokens and seconds are a task's, all attempts
    together. What the arms' ledgers say of the effect of memory in that namespace is of all runs that taught.
    """
    scored = plan.test or plan.teach
    kept = _complete(plan, results, scored)
    by_arm = {
        arm: [
            [kept[arm, place, n] for n in range(plan.attempts)] for place in scored if (arm, place, 0) in kept
        ]
        for arm in plan.arms
    }
    groups = [plan.rows[place].group for place in [*plan.teach, *plan.test]]
    return {
        "arms": {
            arm: _arm(tasks, {label: by_arm[other] for label, other in compared_with(arm, by_arm, ("none",))})
            for arm, tasks in by_arm.items()
        },
        "tasks": len(by_arm[plan.arms[0]]),
        "scored": len(scored),
        "repeats": len(groups) - len(set(groups)),
        "mode": plan.mode,
        "attempts": plan.attempts,
        "finished": len(results),
        "wanted": plan.total,
        "effect_of_memory": {
            arm: [asdict(effect) for effect in found]
            for arm, found in effects_of_memory(folder, plan, namespace).items()
        },
        "plot": str(_plot(by_arm, folder)) if by_arm[plan.arms[0]] else None,
        "folder": str(folder),
    }


def print_report(plan: Plan, results: Sequence[Result], folder: Path, namespace: str) -> None:
    """The table, and what it leaves out."""
    from rich.console import Console

    screen = Console(highlight=False)
    figures = summary(plan, results, folder, namespace)
    if not figures["tasks"]:
        screen.print(f"no task was finished by every arm; what there is is in {folder}")
        return
    screen.print(_table(figures))
    kind = "held-out tasks" if plan.mode == "held-out" else "tasks"
    screen.print(
        f"{figures['tasks']} of {figures['scored']} {kind} were finished by every arm and count; "
        f"{figures['repeats']} of all repeat another;\n"
        "differences in points, paired, with 95 % intervals over tasks; s and tokens: a task, all attempts"
    )
    for name, arm in figures["arms"].items():
        if arm["unknown"]:
            screen.print(f"{name}: {arm['unknown']} runs, whose reward is not known, count as failures")
    for name, found in figures["effect_of_memory"].items():
        for effect in found:
            screen.print(f"{name}, effect of memory by {describe(Effect(**effect))}", soft_wrap=True)
    screen.print(f"plot: {figures['plot']}\nresults and memories: {figures['folder']}", soft_wrap=True)


def _plot(by_arm: dict[str, list[list[Result]]], folder: Path) -> Path:
    rewards = {arm: [_first(task) for task in tasks] for arm, tasks in by_arm.items()}
    return draw_rewards(rewards, folder / _PLOT)


def _complete(
    plan: Plan, results: Sequence[Result], places: Sequence[int]
) -> dict[tuple[str, int, int], Result]:
    """The results by arm, place and attempt, of tasks whose every attempt every arm has finished."""
    found = {(row.arm, row.number, row.attempt): row for row in results}
    whole = {
        place
        for place in places
        if all((arm, place, n) in found for arm in plan.arms for n in range(plan.attempts))
    }
    return {key: row for key, row in found.items() if key[1] in whole}


def _arm(tasks: list[list[Result]], others: dict[str, list[list[Result]]]) -> dict[str, Any]:
    if not tasks:
        return {"tasks": 0}
    runs = [run for task in tasks for run in task]
    figures: dict[str, Any] = {"tasks": len(tasks)}
    for name, score in (("success", _first), ("best_of", _best), ("f1", _f1)):
        figures[name] = fmean(score(task) for task in tasks)
        for label, other in others.items():
            gaps = [100 * (score(ours) - score(theirs)) for ours, theirs in zip(tasks, other, strict=True)]
            figures[f"{name}_minus_{label}"] = interval(gaps, student=False)
    figures["unknown"] = sum(run.reward is None for run in runs)
    figures["failed"] = sum(run.status == "failed" for run in runs)
    for name in ("shown", "seconds", "tokens_in", "tokens_out"):
        per = len(runs) if name == "shown" else len(tasks)
        figures[name] = sum(getattr(run, name) for run in runs) / per
    return figures


def _first(task: list[Result]) -> float:
    return float(task[0].reward or 0.0)


def _best(task: list[Result]) -> float:
    return max(float(run.reward or 0.0) for run in task)


def _f1(task: list[Result]) -> float:
    return task[0].f1


def _table(figures: dict[str, Any]) -> "Table":
    from rich.table import Column, Table

    several, arms = figures["attempts"] > 1, figures["arms"]
    others = ["none", *(["placebo"] if any("success_minus_placebo" in arm for arm in arms.values()) else [])]
    minus = [f"− {other}" for other in others]
    names = ["arm", "success", *minus, *([f"best of {figures['attempts']}", *minus] if several else [])]
    columns = (Column(name, no_wrap=True) for name in (*names, "F1", "shown", "s", "tok. in", "out"))
    title = f"success, %, {figures['tasks']} tasks"
    table = Table(*columns, title=title, box=None, padding=(0, 1, 0, 0))
    for name, arm in arms.items():
        scores = [*_score(arm, "success", others), *(_score(arm, "best_of", others) if several else [])]
        spent = (f"{arm['seconds']:.1f}", f"{arm['tokens_in']:.0f}", f"{arm['tokens_out']:.0f}")
        table.add_row(name, *scores, f"{100 * arm['f1']:.1f}", f"{arm['shown']:.2f}", *spent)
    return table


def _score(arm: dict[str, Any], name: str, others: Sequence[str]) -> list[str]:
    return [f"{100 * arm[name]:.1f}", *(signed(arm.get(f"{name}_minus_{other}")) for other in others)]
