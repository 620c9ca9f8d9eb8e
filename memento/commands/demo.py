"""memento demo: a frozen model gets better at real tasks because it remembers."""

from pathlib import Path
from typing import Annotated

import typer

from memento.commands.common import JsonOption, dated, make_out, print_json
from memento.errors import UsageError


def demo(
    tasks: Annotated[int, typer.Option(min=1, max=800, help="Tasks a seed.")] = 70,
    seed: Annotated[int, typer.Option(min=0, help="Which tasks, in which order.")] = 0,
    seeds: Annotated[int, typer.Option(min=1, help="Run so many seeds, from --seed on, and pool them.")] = 1,
    out: Annotated[Path | None, typer.Option(help="A new folder for homes, results and the plot.")] = None,
    report: Annotated[
        list[Path] | None,
        typer.Option(help="Run nothing: report on an earlier demo's folder; repeatable."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run tasks of 14 families with the local model: without memory, with frozen seed cases, with learning.

    Needs no key and no network. Ctrl-C keeps what was learned and prints the table so far.
    Example: memento demo --tasks 30 --out demo/first
    """
    from memento.demo.experiment import read_results, run_demo
    from memento.demo.report import print_report, summary
    from memento.local_model import weights

    if not report:
        weights()
    folder = out or dated("demo")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is there already and not empty: give a new folder with --out DIR")
    make_out(folder)
    if report:
        results = read_results(report)
    else:
        results = run_demo(folder, tasks=tasks, seeds=range(seed, seed + seeds), quiet=as_json)
    if as_json:
        print_json(summary(results, folder))
    else:
        print_report(results, folder)
