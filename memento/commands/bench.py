"""memento bench: ways to choose cases, side by side in simulated worlds."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from memento.commands.common import JsonOption, dated, make_out, notice, print_json
from memento.errors import UsageError

if TYPE_CHECKING:
    from memento.bench.simulation import How


def bench(
    world: Annotated[
        str, typer.Option(help="A world, several with commas between them, all, or FILE.npz.")
    ] = "all",
    arms: Annotated[
        str, typer.Option(help="The ways to choose cases, commas between them, or all; NAME:placebo too.")
    ] = "none,similarity,kernel,oracle",
    mode: Annotated[
        Literal["prequential", "held-out"],
        typer.Option(help="Learn from every task, or test on a last quarter that is unlike the rest."),
    ] = "prequential",
    attempts: Annotated[int, typer.Option(min=1, max=64, help="Times that each task is tried.")] = 1,
    seeds: Annotated[int, typer.Option(min=1, help="How many draws of each world.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="The first of them.")] = 0,
    tasks: Annotated[
        int | None, typer.Option(min=1, max=100_000, help="Tasks a draw. Default: 2,000, or all of a file.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A folder. One of an earlier run goes on.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Let arms choose cases in simulated worlds, where the expected success of every choice is known.

    Ctrl-C keeps what is finished; the same command with the same --out goes on.
    Example: memento bench --world misleading,quality --arms none,similarity,kernel --seeds 5 --out runs/a
    """
    from memento.bench.arms import ARMS, PLACEBO
    from memento.bench.simulation import How

    worlds, steps = _worlds(world, tasks, mode)
    names = _chosen("arm", arms, ARMS, PLACEBO)
    folder = out or dated("bench-runs")
    make_out(folder)
    _run(folder, worlds, names, range(seed, seed + seeds), How(steps, mode, attempts), as_json=as_json)


def _worlds(given: str, tasks: int | None, mode: str) -> tuple[list[str], int]:
    """The worlds' names, and how many tasks each has."""
    from memento.bench.split import held_out
    from memento.bench.world_file import read_world
    from memento.bench.worlds import KINDS

    if not given.endswith(".npz"):
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


def _run(
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
        cells.extend(track(found, total=total, description="worlds × arms × seeds", console=screen))
    except KeyboardInterrupt:
        notice(f"stopped; what is finished is in {folder}, and the same --out goes on from there")
    comparable = whole_seeds(cells, arms)
    if as_json:
        print_json({**summary(comparable, folder), "finished": len(cells), "wanted": total})
    else:
        print_report(comparable, folder)
