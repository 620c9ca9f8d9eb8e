"""The demo's experiment: three arms over the same tasks, on the real local model, tools and banks."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from memento.api import build_graph
from memento.demo.families import FAMILIES, SALES_CSV, DemoTask, Family, draw_tasks, seed_task
from memento.demo.records import read_rows, record
from memento.errors import UsageError
from memento.memory import Case, CaseBank, Step, ToolCall
from memento.memory.embeddings import CachedEncoder, MiniLM
from memento.settings import Settings
from memento.tools import ToolConfig, basic_tools

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool
    from rich.progress import Progress

    from memento.graph import Agent

Arm = Literal["no memory", "frozen seeds", "learning"]
ARMS: tuple[Arm, ...] = ("no memory", "frozen seeds", "learning")

RESULTS = "results.jsonl"
DEMO_FILES = ToolConfig(files=(SALES_CSV.parent,))

# The same for every arm, whatever the environment says. A plan in the families has at most two subtasks.
CAPS: dict[str, Any] = {
    "judge": None,
    "grow": True,
    "tool_calls": "auto",
    "timeout": 600,
    "max_cycles": 1,
    "max_subtasks": 3,
    "max_tool_calls": 2,
    "max_model_calls": 3,
    "k": 3,
}
_HOW: dict[Arm, dict[str, Any]] = {
    "no memory": {"policy": "none", "learn": False},
    "frozen seeds": {"policy": "similarity", "learn": False},
    "learning": {"policy": "auto", "learn": True},
}


@dataclass(frozen=True)
class Result:
    """How one arm did on one task; `number` is the task's place in the order, from 0."""

    seed: int
    number: int
    arm: Arm
    family: str
    reward: float
    seconds: float
    tokens_in: int
    tokens_out: int
    shown: int
    task: str
    reference: str
    answer: str


def run_demo(folder: Path, tasks: int, seeds: Iterable[int], *, quiet: bool = False) -> list[Result]:
    """Run the arms over the tasks of each seed, and write every result to `folder`/results.jsonl at once.
    Ctrl-C ends it with what there is.
    """

    def rows(progress: "Progress") -> Iterator[Result]:
        for seed in seeds:
            yield from _run_seed(folder / f"seed-{seed}", tasks, seed, progress)

    return record(folder / RESULTS, rows, quiet=quiet)


def read_results(folders: Sequence[Path]) -> list[Result]:
    """The results that earlier demos wrote.

    Raises:
        UsageError: a folder holds none.
    """
    results: list[Result] = []
    for folder in folders:
        try:
            results.extend(read_rows(folder / RESULTS, Result))
        except (OSError, ValueError, TypeError):
            raise UsageError(f"{folder} is no demo's folder: its {RESULTS} cannot be read") from None
    return results


def demonstration(family: Family) -> Case:
    """A family's one seed case."""
    return worked_case(seed_task(family), basic_tools(DEMO_FILES))


def worked_case(task: DemoTask, tools: "Sequence[BaseTool]") -> Case:
    """A task's worked solution as a case that succeeded, with the tools' real results."""
    by_name = {tool.name: tool for tool in tools}
    steps: list[Step] = []
    for step in task.steps:
        result = str(by_name[step.tool].invoke(step.args))
        call = ToolCall(name=step.tool, args=step.args, result=result, error=None)
        steps.append(Step(subtask=step.subtask, tool_calls=[call], result=result))
    return Case.from_demonstration(task=task.task, trajectory=steps, answer=steps[-1]["result"])


def _run_seed(folder: Path, tasks: int, seed: int, progress: "Progress") -> Iterator[Result]:
    drawn = draw_tasks(tasks, seed)
    encoder = CachedEncoder(MiniLM())
    bar = progress.add_task(f"seed {seed}", total=len(drawn) * len(ARMS))
    right = dict.fromkeys(ARMS, 0.0)
    with ExitStack() as stack:
        agents = {
            arm: seeded_agent(
                folder / arm.replace(" ", "-"), basic_tools(DEMO_FILES), _HOW[arm], seed, encoder, stack
            )
            for arm in ARMS
        }
        for number, task in enumerate(drawn):
            for arm, agent in agents.items():
                result = _run_task(agent, task, seed=seed, number=number, arm=arm)
                right[arm] += result.reward
                rates = ", ".join(f"{name} {right[name] / (number + 1):.0%}" for name in ARMS)
                progress.update(bar, advance=1, description=f"seed {seed}: {rates}")
                yield result


def seeded_agent(
    home: Path,
    tools: "Sequence[BaseTool]",
    how: dict[str, Any],
    seed: int,
    encoder: CachedEncoder,
    stack: ExitStack,
) -> "Agent":
    """An agent on the local model over a home of its own that holds the seed demonstrations; `how` are the
    settings in which it differs from others.
    """
    # Draws are keyed by namespace and run number: another seed's policy draws otherwise.
    bank = stack.enter_context(CaseBank(home, encoder, namespace=f"demo-{seed}"))
    bank.add_many(demonstration(family) for family in FAMILIES)
    settings = Settings(
        planner="local", executor="local", home=home, files=(SALES_CSV.parent,), **CAPS, **how
    )
    return build_graph(settings=settings, tools=tools, bank=bank)


def _run_task(agent: "Agent", task: DemoTask, *, seed: int, number: int, arm: Arm) -> Result:
    began = time.perf_counter()
    out = agent.invoke({"task": task.task, "reference": task.reference})
    return Result(
        seed=seed,
        number=number,
        arm=arm,
        family=task.family,
        reward=float(out["reward"] or 0.0),
        seconds=round(time.perf_counter() - began, 3),
        tokens_in=out["usage"]["input_tokens"],
        tokens_out=out["usage"]["output_tokens"],
        shown=len(out["retrieved"]),
        task=task.task,
        reference=task.reference,
        answer=out["answer"],
    )
