"""memento bench: ways to choose cases, side by side, in simulated worlds or with the real agent."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from memento.commands.common import JsonOption, dated, make_out, notice, print_json, say_models, settings_for
from memento.commands.stopping import heeded_interrupt
from memento.errors import UsageError

if TYPE_CHECKING:
    from memento.bench.agents import Plan, Result
    from memento.bench.simulation import How

_IN_WORLDS = "none,similarity,auto,oracle"
_ON_DATASETS = "none,similarity,auto"
_FEWEST = 8  # tasks of which some will be held out


def bench(
    dataset: Annotated[
        Path | None, typer.Argument(help="A file of tasks, for the real agent; none: simulated worlds.")
    ] = None,
    world: Annotated[
        str | None, typer.Option(help="A world, several with commas between them, all, or FILE.npz.")
    ] = None,
    arms: Annotated[
        str | None,
        typer.Option(
            help=f"Ways to choose cases, commas between them, or all. Default: {_IN_WORLDS}; with a dataset "
            f"{_ON_DATASETS}."
        ),
    ] = None,
    mode: Annotated[
        Literal["prequential", "held-out"],
        typer.Option(help="Learn from every task, or test on a last quarter that is unlike the rest."),
    ] = "prequential",
    attempts: Annotated[int, typer.Option(min=1, max=64, help="Times that each task is tried.")] = 1,
    seeds: Annotated[int | None, typer.Option(min=1, help="Draws of each world. Default: 3.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="The first of them. Default: 0.")] = None,
    tasks: Annotated[
        int | None, typer.Option(min=1, max=100_000, help="Tasks. Default: 2,000, or all of a file.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A folder. One of an earlier run goes on.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare ways to choose cases: in simulated worlds, where the expected success of every choice is
    known, or with the real agent on a dataset, each in a home of its own.

    Ctrl-C keeps what is finished; the same command with the same --out goes on.

    \b
    Example: memento bench --world misleading,quality --seeds 5 --out runs/a
    Other cases shown than were chosen, in worlds or with a dataset:
             memento bench --arms random,kernel,kernel:placebo
    Tested on tasks unlike those that taught:
             memento bench --world quality --mode held-out
    Three tries a task, without memory too:
             memento bench --arms none,kernel --attempts 3
    A world of your own, with arrays tasks, cases, base, effects and luck
    (memento/bench/world_file.py says what they are):
             memento bench --world mine.npz
    The real agent on lines such as {"task": "...", "reference": "..."}:
             memento bench mine.jsonl --arms none,similarity,neural,auto
    """  # noqa: D301 - a real \\b keeps the lines below it
    if dataset is not None:
        for name, value in (("--world", world), ("--seeds", seeds), ("--seed", seed)):
            if value is not None:
                raise UsageError(f"{name} is for simulated worlds: leave it out with a dataset")
        _bench_dataset(
            dataset, _ON_DATASETS if arms is None else arms, mode, attempts, tasks, out, as_json=as_json
        )
        return
    from memento.bench.arms import ARMS, PLACEBO
    from memento.bench.simulation import How

    worlds, steps = _worlds("all" if world is None else world, tasks, mode)
    chosen = _chosen("arm", _IN_WORLDS if arms is None else arms, ARMS, PLACEBO)
    folder = out or dated("bench-runs")
    make_out(folder)
    first = seed or 0
    draws = range(first, first + (seeds or 3))
    _bench_worlds(folder, worlds, chosen, draws, How(steps, mode, attempts), as_json=as_json)


def _worlds(given: str, tasks: int | None, mode: str) -> tuple[list[str], int]:
    """The worlds' names, and how many tasks each has."""
    from memento.bench.split import held_out
    from memento.bench.world_file import read_world
    from memento.bench.worlds import KINDS

    if not given.endswith(".npz"):
        if mode == "held-out" and tasks is not None and tasks < _FEWEST:
            raise UsageError(f"--mode held-out needs at least {_FEWEST} tasks: --tasks {_FEWEST}")
        return _chosen("world", given, tuple(KINDS)), tasks or 2000
    world = read_world(Path(given), seed=0, steps=tasks or 100_000)
    if mode == "held-out":
        held_out(world.sources.tolist())
    return [given], len(world.tasks)


def _chosen(what: str, given: str, known: tuple[str, ...], suffix: str = "") -> list[str]:
    names = list(dict.fromkeys(name.strip() for name in given.split(",") if name.strip()))
    if names == ["all"]:
        return list(known)
    wrong = ", ".join(name for name in names if name.removesuffix(suffix) not in known)
    if wrong or not names:
        raise UsageError(f"there is no {what} {wrong or repr(given)}: use some of {', '.join(known)}, or all")
    return names


def _bench_worlds(
    folder: Path, worlds: list[str], arms: list[str], seeds: range, how: "How", *, as_json: bool
) -> None:
    from rich.console import Console
    from rich.progress import track

    from memento.bench.report import print_report, summary
    from memento.bench.simulation import Cell, run_cells, whole_seeds

    cells: list[Cell] = []
    total = len(worlds) * len(arms) * len(seeds)
    found = run_cells(folder, worlds, arms, seeds, how)
    screen = Console(stderr=True, quiet=as_json)
    try:
        with heeded_interrupt():
            cells.extend(track(found, total=total, description="worlds × arms × seeds", console=screen))
    except KeyboardInterrupt:
        _say_stopped(folder)
    comparable = whole_seeds(cells, arms)
    if as_json:
        print_json({**summary(comparable, folder), "finished": len(cells), "wanted": total})
    else:
        print_report(comparable, folder)


def _bench_dataset(
    file: Path,
    arms: str,
    mode: Literal["prequential", "held-out"],
    attempts: int,
    tasks: int | None,
    out: Path | None,
    *,
    as_json: bool,
) -> None:
    from memento.api import check_models
    from memento.bench.agents import ARMS, make_plan, run_dataset
    from memento.bench.dataset import read_dataset
    from memento.bench.dataset_report import print_report, summary
    from memento.settings import default_models

    plan = make_plan(read_dataset(file, tasks), _arms_for_agents(arms, ARMS), mode, attempts)
    given = settings_for()
    settings = default_models(given)
    check_models(settings)
    folder = out or dated("bench-runs")
    make_out(folder)
    found = run_dataset(folder, plan, settings)
    if not as_json:
        say_models(given)
    results: list[Result] = []
    try:
        results.extend(_shown(found, plan, quiet=as_json))
    except KeyboardInterrupt:
        _say_stopped(folder)
    if as_json:
        print_json(summary(plan, results, folder, settings.namespace))
    else:
        print_report(plan, results, folder, settings.namespace)


def _arms_for_agents(given: str, known: tuple[str, ...]) -> list[str]:
    from memento.bench.arms import ARMS, PLACEBO

    for name in given.split(","):
        bare = name.strip().removesuffix(PLACEBO)
        if bare in ARMS and bare not in known:
            raise UsageError(
                f"the arm {name.strip()} is only for simulated worlds: with a dataset use some of "
                f"{', '.join(known)}, or all"
            )
    return _chosen("arm", given, known, PLACEBO)


def _shown(found: Iterable["Result"], plan: "Plan", *, quiet: bool) -> Iterator["Result"]:
    """The results, with a progress bar that says how the arms do."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True, quiet=quiet)) as progress:
        bar = progress.add_task("runs", total=plan.total)
        right, made = dict.fromkeys(plan.arms, 0.0), dict.fromkeys(plan.arms, 0)
        for result in found:
            right[result.arm] += result.reward or 0.0
            made[result.arm] += 1
            rates = ", ".join(f"{arm} {right[arm] / n:.0%}" for arm, n in made.items() if n)
            progress.update(bar, advance=1, description=rates)
            yield result


def _say_stopped(folder: Path) -> None:
    notice(f"stopped; what is finished is in {folder}, and the same --out goes on from there")
