"""Arms that meet the same tasks with a misleading bank: the real local model, tools, graph and banks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from memento.api import build_graph
from memento.demo.experiment import CAPS, RESULTS
from memento.demo.families import SALES_CSV, DemoTask
from memento.demo.misleading import SETS, Bank, TaskSet, make_bank, seed_case, stream
from memento.demo.records import go_on, record
from memento.errors import UsageError
from memento.evaluators import matching
from memento.graph import RunView
from memento.memory import CaseBank
from memento.memory.embeddings import CachedEncoder, Encoder
from memento.settings import Settings

if TYPE_CHECKING:
    from rich.progress import Progress

    from memento.graph import Agent

Arm = Literal["none", "similarity", "auto", "clean"]
Mode = Literal["fixed", "growing", "noisy-judge", "single"]
MODES: tuple[Mode, ...] = ("fixed", "growing", "noisy-judge", "single")
POLICIES: Mapping[Arm, str] = {"none": "none", "similarity": "similarity", "auto": "auto", "clean": "auto"}
_MISJUDGED = 4  # of the failures one in so many is called a success

_CAPS = {**CAPS, "max_subtasks": 1}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is run: `tasks` a seed, for each arm; `k` is how many cases may be shown."""

    set_name: str
    mode: Mode
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    tasks: int
    k: int = 4

    @property
    def name(self) -> str:
        return f"{self.set_name}-{self.mode}-k{self.k}"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one arm did on one task. `reward` is the true one, `judged` what the agent was told; `bad` counts
    the shown cases that are marked as a success and are none; `single` says whether the one seed case was
    shown; `made` is the id of the case that the run added or repeated; `floor` marks a run of `auto` that
    showed nothing only so that the effect of memory stays known.
    """

    plan: str
    seed: int
    number: int
    arm: str
    family: str
    seed_family: str
    reward: float
    judged: float | None
    shown: int
    bad: int
    single: bool
    seconds: float
    made: str | None
    floor: bool
    task: str
    reference: str
    answer: str


def run_plan(
    plan: Plan, folder: Path, *, encoder: Encoder, model: Any = "local", quiet: bool = False
) -> list[Outcome]:
    """The plan's outcomes: those that an earlier run left in `folder`, and then what is missing. Ctrl-C ends
    it with what there is.

    Raises:
        UsageError: the families have not so many tasks, or the folder holds something else.
    """
    # One cache for all arms: they meet the same tasks.
    encoder = CachedEncoder(encoder)
    drawn = {seed: _draw(plan, seed) for seed in plan.seeds}
    file = folder / plan.name / RESULTS
    try:
        earlier = go_on(file, Outcome)
    except (OSError, ValueError, TypeError):
        raise UsageError(f"{file} cannot be read: give a new folder with --out DIR") from None

    def rows(progress: "Progress") -> Iterator[Outcome]:
        for seed, (bank, tasks) in drawn.items():
            part = _Part(plan, seed, bank, tasks, file.parent / f"seed-{seed}")
            yield from part.run([row for row in earlier if row.seed == seed], encoder, model, progress)

    wanted = [
        row for row in earlier if row.seed in drawn and row.arm in plan.arms and row.number < plan.tasks
    ]
    return wanted + record(file, rows, quiet=quiet)


def is_right(task: str, answer: str, reference: str) -> float:
    """The true reward."""
    run = RunView(task=task, reference=reference, answer=answer, plan=[], trajectory=[])
    return float(matching(run).reward or 0.0)


def judge(mode: Mode, tasks: Sequence[DemoTask]) -> Callable[[RunView], float]:
    """What the agent is told of its answers: the truth, but in noisy-judge every fourth task is a success
    whatever came of it.
    """
    numbers = {task.task: number for number, task in enumerate(tasks, start=1)}

    def evaluate(run: RunView) -> float:
        if mode == "noisy-judge" and numbers[run.task] % _MISJUDGED == 0:
            return 1.0
        return is_right(run.task, run.answer, run.reference)

    return evaluate


def _draw(plan: Plan, seed: int) -> tuple[Bank, list[DemoTask]]:
    tasks = SETS[plan.set_name]
    bank = seed_case(tasks, seed) if plan.mode == "single" else make_bank(tasks, seed)
    try:
        return bank, list(islice(stream(tasks.families, seed, bank.tasks), plan.tasks))
    except ValueError as error:
        raise UsageError(f"{plan.tasks} tasks are too many: {error}") from None


@dataclass(frozen=True)
class _Part:
    """One seed's arms."""

    plan: Plan
    seed: int
    bank: Bank
    tasks: list[DemoTask]
    folder: Path

    def run(
        self, earlier: Sequence[Outcome], encoder: Encoder, model: Any, progress: "Progress"
    ) -> Iterator[Outcome]:
        plan = self.plan
        rows = {(row.arm, row.number): row for row in earlier}
        label = f"{plan.name} {self.seed}"
        bar = progress.add_task(label, total=len(self.tasks) * len(plan.arms))
        with ExitStack() as stack:
            arms = [_Runner(self, arm, encoder, model, stack) for arm in plan.arms]
            for number, task in enumerate(self.tasks):
                for runner in arms:
                    row = rows.get((runner.arm, number))
                    new = row or runner.run(number, task)
                    runner.note(new)
                    rates = ", ".join(f"{r.arm} {r.rate:.0%}" for r in arms)
                    progress.update(bar, advance=1, description=f"{label}: {rates}")
                    if row is None:
                        yield new


class _Runner:
    """One arm's agent over a home of its own."""

    def __init__(self, part: _Part, arm: Arm, encoder: Encoder, model: Any, stack: ExitStack) -> None:
        self.part, self.arm = part, arm
        plan, bank = part.plan, part.bank
        # Draws are keyed by namespace and run number: another seed's policy draws otherwise.
        self.bank = stack.enter_context(CaseBank(part.folder / arm, encoder, namespace=f"seed-{part.seed}"))
        misleading = () if arm == "clean" else bank.misleading
        self.bank.add_many([*bank.good, *misleading])
        self.bad = {case.id for case in misleading}
        self.done: list[float] = []
        self.agent = self._agent(plan, model)
        # A run that was committed when the process ended, before its row was written.
        self.committed = {str(run["task"]): run for run in self.bank.ledger.runs(self.bank.namespace)}

    def _agent(self, plan: Plan, model: Any) -> "Agent":
        tasks: TaskSet = SETS[plan.set_name]
        settings = Settings(
            planner=model,
            executor=model,
            home=self.bank.home.path,
            files=(SALES_CSV.parent,),
            policy=POLICIES[self.arm],
            **{**_CAPS, "k": plan.k, "learn": self.arm != "none", "grow": plan.mode != "fixed"},
        )
        evaluator = judge(plan.mode, self.part.tasks)
        return build_graph(settings=settings, tools=tasks.tools(), evaluator=evaluator, bank=self.bank)

    @property
    def rate(self) -> float:
        return sum(self.done) / max(len(self.done), 1)

    def note(self, row: Outcome) -> None:
        """Take an outcome down. A case that a false success made misleads as well."""
        self.done.append(row.reward)
        if row.made and row.judged and not row.reward:
            self.bad.add(row.made)

    def run(self, number: int, task: DemoTask) -> Outcome:
        if task.task in self.committed:
            run_id = str(self.committed[task.task]["run_id"])
        else:
            run_id = self.agent.invoke({"task": task.task, "reference": task.reference})["run_id"]
        run = self.bank.ledger.run(run_id)
        assert run is not None  # noqa: S101 - it was just written
        shown = {str(slot["case_id"]) for slot in run["retrieved"]}
        good = self.part.bank.good
        return Outcome(
            plan=self.part.plan.name,
            seed=self.part.seed,
            number=number,
            arm=self.arm,
            family=task.family,
            seed_family=self.part.bank.tasks[0].family,
            reward=is_right(task.task, run["answer"], task.reference),
            judged=run["reward"],
            shown=len(shown),
            bad=len(shown & self.bad),
            single=len(good) == 1 and good[0].id in shown,
            seconds=run["seconds"],
            made=run["case_id"],
            floor=POLICIES[self.arm] == "auto" and run["arm"] == "none",
            task=task.task,
            reference=task.reference,
            answer=run["answer"],
        )
