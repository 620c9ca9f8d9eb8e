"""memento bench: ways to choose cases, side by side in simulated worlds."""

from pathlib import Path
from typing import Annotated

import typer

from memento.commands.common import JsonOption, dated, make_out, notice, print_json
from memento.errors import UsageError


def bench(
    world: Annotated[
        str, typer.Option(help="A world, several with commas between them, or all.", show_default=True)
    ] = "all",
    arms: Annotated[
        str,
        typer.Option(help="The ways to choose cases, commas between them, or all; NAME:placebo too."),
    ] = "none,similarity,kernel,oracle",
    seeds: Annotated[int, typer.Option(min=1, help="How many draws of each world.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="The first of them.")] = 0,
    tasks: Annotated[int, typer.Option(min=1, max=100_000, help="Tasks a draw.")] = 2000,
    out: Annotated[Path | None, typer.Option(help="A folder. One of an earlier run goes on.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Let arms choose cases in simulated worlds, where the expected success of every choice is known.

    Ctrl-C keeps what is finished; the same command with the same --out goes on.
    Example: memento bench --world misleading,quality --arms none,similarity,kernel --seeds 5 --out runs/a
    """
    from memento.bench.arms import ARMS, PLACEBO
    from memento.bench.worlds import KINDS

    worlds = _chosen("world", world, tuple(KINDS))
    names = _chosen("arm", arms, ARMS, PLACEBO)
    folder = out or dated("bench-runs")
    make_out(folder)
    _run(folder, worlds, names, range(seed, seed + seeds), tasks, as_json=as_json)


def _chosen(what: str, given: str, known: tuple[str, ...], suffix: str = "") -> list[str]:
    names = list(dict.fromkeys(name.strip() for name in given.split(",") if name.strip()))
    if names == ["all"]:
        return list(known)
    wrong = ", ".join(name for name in names if name.removesuffix(suffix) not in known)
    if wrong or not names:
        raise UsageError(f"there is no {what} {wrong or repr(given)}: use some of {', '.join(known)}, or all")
    return names


def _run(
    folder: Path, worlds: list[str], arms: list[str], seeds: range, tasks: int, *, as_json: bool
) -> None:
    from rich.console import Console
    from rich.progress import track

    from memento.bench.report import print_report, summary
    from memento.bench.simulation import Cell, run_cells, whole_seeds

    cells: list[Cell] = []
    total = len(worlds) * len(arms) * len(seeds)
    found = run_cells(folder, worlds, arms, seeds, tasks)
    screen = Console(stderr=True, quiet=as_json)
    try:
        cells.extend(track(found, total=total, description="worlds × arms × seeds", console=screen))
    except KeyboardInterrupt:
        notice(f"stopped; what is finished is in {folder}, and the same --out goes on from there")
    comparable = whole_seeds(cells, arms)
    if as_json:
        print_json({**summary(comparable, folder), "finished": len(cells), "wanted": total})
    else:
        print_report(comparable, folder)
