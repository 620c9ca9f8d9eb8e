"""Whether a run with every tool installed does as well as one with the demo's own set.

The demo's tasks on the real local model, each set with its own bank of the demo's seed cases.

With "every tool" all built-in tools are there, also those that would need a program or a key, and a run is
offered the dozen that the encoder and its cases choose. Cases are chosen by similarity and none is added, so
that the two arms differ in nothing but their tools; with --learning they learn as in the demo.

The full figures, about half an hour on one core; the same --out goes on where it was stopped:
    OMP_NUM_THREADS=1 python bench/tool_success.py --tasks 200 --out bench-runs/tool-success
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from langchain_core.tools import BaseTool
from rich.progress import Progress

from memento.demo.experiment import DEMO_FILES, RESULTS, seeded_agent
from memento.demo.families import DemoTask, draw_tasks
from memento.demo.paired import complete, difference, told
from memento.demo.records import go_on, record
from memento.errors import UsageError
from memento.graph import Agent
from memento.local_model import weights
from memento.memory.embeddings import CachedEncoder, MiniLM
from memento.tools import ToolConfig, all_tools, basic_tools
from memento.tools.boundary import find_boundary
from memento.tools.code_session import CodeSessions
from memento.tools.run_folder import RunFolders

Arm = Literal["demo's tools", "every tool"]
ARMS: tuple[Arm, ...] = ("demo's tools", "every tool")
LOWEST = -3.0  # points that every tool may cost


@dataclass(frozen=True, kw_only=True)
class Row:
    """How one arm did on one task. `lacking`: tools of the worked solution that were not offered."""

    seed: int
    number: int
    arm: str
    family: str
    reward: float
    seconds: float
    offered: int
    lacking: list[str]
    task: str
    reference: str
    answer: str


def run(folder: Path, tasks: int, seed: int, *, learning: bool, quiet: bool) -> list[Row]:
    """The rows that an earlier run left in the folder, and then what is missing.

    Raises:
        UsageError: the folder holds something else.
    """
    file = folder / ("learning" if learning else "frozen") / RESULTS
    try:
        earlier = go_on(file, Row)
    except (OSError, ValueError, TypeError):
        raise UsageError(f"{file} cannot be read: give a new folder with --out DIR") from None
    known = {(row.seed, row.number, row.arm): row for row in earlier}

    def rows(progress: Progress) -> Iterator[Row]:
        encoder = CachedEncoder(MiniLM(), size=4096)
        drawn = draw_tasks(tasks, seed)
        bar = progress.add_task("", total=len(drawn) * len(ARMS))
        done: dict[str, list[float]] = {arm: [] for arm in ARMS}
        with ExitStack() as stack:
            agents = {
                arm: agent(file.parent / f"seed-{seed}", arm, encoder, seed, stack, learning=learning)
                for arm in ARMS
            }
            for number, task in enumerate(drawn):
                for arm in ARMS:
                    row = known.get((seed, number, arm))
                    new = row or met(agents[arm], task, seed=seed, number=number, arm=arm)
                    done[arm].append(new.reward)
                    rates = ", ".join(f"{name} {fmean(done[name] or [0]):.0%}" for name in ARMS)
                    progress.update(bar, advance=1, description=rates)
                    if row is None:
                        yield new

    wanted = [row for row in earlier if row.seed == seed and row.number < tasks]
    return wanted + record(file, rows, quiet=quiet)


def agent(
    folder: Path, arm: Arm, encoder: CachedEncoder, seed: int, stack: ExitStack, *, learning: bool
) -> Agent:
    home = folder / arm.replace(" ", "-").replace("'", "")
    how = {"policy": "auto", "learn": True} if learning else {"policy": "similarity", "learn": False}
    tools = basic_tools(DEMO_FILES) if arm == "demo's tools" else everything(home, encoder, stack)
    return seeded_agent(home, tools, how, seed, encoder, stack)


def everything(home: Path, encoder: CachedEncoder, stack: ExitStack) -> list[BaseTool]:
    folders = RunFolders(home / "workspaces")
    boundary, _ = find_boundary()
    code = stack.enter_context(CodeSessions(boundary, folders)) if boundary else None
    return all_tools(ToolConfig(files=DEMO_FILES.files, embed=encoder.embed, folders=folders, code=code))


def met(agent: Agent, task: DemoTask, *, seed: int, number: int, arm: Arm) -> Row:
    began = time.perf_counter()
    out = agent.invoke({"task": task.task, "reference": task.reference})
    return Row(
        seed=seed,
        number=number,
        arm=arm,
        family=task.family,
        reward=float(out["reward"] or 0.0),
        seconds=round(time.perf_counter() - began, 3),
        offered=len(out["offered"]),
        lacking=sorted({step.tool for step in task.steps} - set(out["offered"])),
        task=task.task,
        reference=task.reference,
        answer=out["answer"],
    )


def summary(rows: Sequence[Row], folder: Path) -> dict[str, Any]:
    """The figures as JSON. Only tasks that both arms have finished count."""
    rows = complete(rows, ARMS)
    arms = {arm: [row for row in rows if row.arm == arm] for arm in ARMS}
    gap = difference(arms["every tool"], arms["demo's tools"])
    return {
        "tasks": len(arms["every tool"]),
        "success": {arm: fmean(row.reward for row in mine) if mine else None for arm, mine in arms.items()},
        "every_tool_minus_demos_tools": gap,
        "differ": sum(a.reward != b.reward for a, b in zip(*arms.values(), strict=True)),
        "offered": max((row.offered for row in rows), default=0),
        "lacking": sum(bool(row.lacking) for row in arms["every tool"]),
        "seconds_a_task": {
            arm: fmean(row.seconds for row in mine) if mine else None for arm, mine in arms.items()
        },
        "within": gap["points"] is not None and gap["points"] >= LOWEST,
        "folder": str(folder),
    }


def print_report(figures: dict[str, Any]) -> None:
    for arm, rate in figures["success"].items():
        print(f"{arm:13} {rate:.1%} of {figures['tasks']} tasks, {figures['seconds_a_task'][arm]:.1f} s each")
    print(f"every tool − demo's tools: {told(figures['every_tool_minus_demos_tools'])} (paired)")
    print(f"{figures['differ']} tasks ended otherwise; at most {figures['offered']} tools were offered;")
    print(f"{figures['lacking']} tasks of every tool lacked one that their worked solution uses")
    print(f"rows and memories: {figures['folder']} (the same --out goes on)")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--learning", action="store_true", help="both arms learn, as in the demo")
    dated = Path("bench-runs") / datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    parser.add_argument("--out", type=Path, default=dated, help="a folder; one of an earlier run goes on")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    given = parser.parse_args()
    if given.tasks < 1 or given.seed < 0:
        parser.error("--tasks is a whole number from 1, --seed from 0")
    try:
        weights()
        rows = run(given.out, given.tasks, given.seed, learning=given.learning, quiet=given.json)
    except UsageError as error:
        parser.error(str(error))
    figures = summary(rows, given.out)
    if given.json:
        print(json.dumps(figures))
    elif figures["tasks"]:
        print_report(figures)
    else:
        print("no task was finished")


if __name__ == "__main__":
    main()
