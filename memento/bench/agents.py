"""The real agent over a dataset, once for each way to choose cases, each in a home of its own."""

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memento.bench.arms import PLACEBO
from memento.bench.dataset import Row
from memento.bench.placebo import PlaceboBank
from memento.bench.simulation import Mode
from memento.bench.split import held_out
from memento.errors import MementoError, UsageError
from memento.evaluators import token_f1
from memento.models import model_name

if TYPE_CHECKING:
    from memento.graph import Agent
    from memento.memory.effect import Effect
    from memento.memory.embeddings import Encoder
    from memento.settings import Settings

ARMS = ("none", "similarity", "kernel", "neural", "auto")
"""Any but the first also with ":placebo" behind it."""
_DRAWN = ("kernel", "neural", "auto")  # that might show nothing, so that what memory is worth can be said
_PLAN = "bench.json"
_RESULTS = "tasks.jsonl"
_MOST_FAILED = 5  # runs in a row that end because a model cannot be reached


@dataclass(frozen=True)
class Plan:
    """What is run: `teach` and `test` are places in `rows`, in the order in which the arms meet them."""

    rows: list[Row]
    arms: list[str]
    mode: Mode
    attempts: int
    teach: list[int]
    test: list[int]

    @property
    def total(self) -> int:
        return len(self.rows) * len(self.arms) * self.attempts


@dataclass(frozen=True)
class Result:
    """How an arm did in one attempt at one task. `reward` is 1 where the answer is a reference up to case,
    punctuation and number formats, and None where that is unknown; `f1` the share of words in common;
    `status` the agent's: answered, not solved, or failed where a service cut the run short.
    """

    arm: str
    number: int
    attempt: int
    id: str
    source: str
    teaches: bool
    status: str
    reward: float | None
    f1: float
    shown: int
    seconds: float
    tokens_in: int
    tokens_out: int
    run_id: str
    answer: str

    @property
    def key(self) -> tuple[int, str, int]:
        return self.number, self.arm, self.attempt


def make_plan(rows: list[Row], arms: list[str], mode: Mode, attempts: int) -> Plan:
    """In the order of the file; in mode "held-out" the tasks that teach come first.

    Raises:
        UsageError: the tasks cannot be split.
    """
    everything = list(range(len(rows)))
    teach, test = held_out([row.group for row in rows]) if mode == "held-out" else (everything, [])
    return Plan(rows, arms, mode, attempts, teach, test)


def run_dataset(folder: Path, plan: Plan, settings: "Settings") -> Iterator[Result]:
    """Every result, those first that `folder`, which is there, has from before. It is read at once, and each
    new result is written to the arm's tasks.jsonl as it is known.

    All arms attempt a task before the next one comes. A run that a service cut short counts as one without
    success, and is made again when the bench goes on; so is one that a kill caught between its end and its
    line in tasks.jsonl, which then has taught twice.

    Raises:
        UsageError: the folder is of another bench.
        MementoError: several runs in a row were cut short.
    """
    _check_plan(folder / _PLAN, plan, settings)
    done = {row.key: row for arm in plan.arms for row in _read(_place(folder, arm) / _RESULTS)}
    return _go_on(folder, plan, settings, done)


def effects_of_memory(folder: Path, plan: Plan, namespace: str) -> dict[str, list["Effect"]]:
    """What memory did to success, by each arm's own ledger: from its runs that taught."""
    from memento.memory import Ledger
    from memento.memory.logged import effect_of_memory

    found = {}
    for arm in plan.arms:  # a placebo's own would be an artefact
        home = _place(folder, arm) / "home"
        if arm in _DRAWN and home.is_dir():
            with Ledger(home, create=False, read_only=True) as ledger:
                found[arm] = effect_of_memory(ledger, namespace)
    return found


def _go_on(
    folder: Path, plan: Plan, settings: "Settings", done: dict[tuple[int, str, int], Result]
) -> Iterator[Result]:
    from memento.memory.embeddings import CachedEncoder, MiniLM

    encoder = CachedEncoder(MiniLM()) if settings.embedding is None else settings.embedding
    agents: dict[str, Agent] = {}
    failed = 0
    with ExitStack() as stack:
        for place in [*plan.teach, *plan.test]:
            for arm in plan.arms:
                for attempt in range(plan.attempts):
                    old = done.get((place, arm, attempt))
                    if old is not None and old.status != "failed":
                        yield old
                        continue
                    if arm not in agents:
                        agents[arm] = _agent(_place(folder, arm), arm, settings, encoder, stack)
                    result = _run(agents[arm], plan, place, arm, attempt)
                    with (_place(folder, arm) / _RESULTS).open("a", encoding="utf-8") as log:
                        log.write(json.dumps(asdict(result), ensure_ascii=False) + "\n")
                    failed = failed + 1 if result.status == "failed" else 0
                    if failed == _MOST_FAILED:
                        raise MementoError(
                            f"{failed} runs in a row were cut short ({result.answer}): "
                            f"the same command with --out {folder} goes on"
                        )
                    yield result


def _agent(folder: Path, arm: str, settings: "Settings", encoder: "Encoder", stack: ExitStack) -> "Agent":
    from memento.api import build_graph, open_bank
    from memento.memory import CaseBank

    policy = arm.removesuffix(PLACEBO)
    own = {"home": folder / "home", "policy": policy, "embedding": encoder, "chroma_url": None}
    chosen = settings.model_copy(update=own)
    bank = open_bank(chosen, kind=CaseBank if arm == policy else PlaceboBank)
    return build_graph(settings=chosen, bank=stack.enter_context(bank))


def _place(folder: Path, arm: str) -> Path:
    """The arm's folder."""
    return folder / arm.replace(":", "-")


def _run(agent: "Agent", plan: Plan, place: int, arm: str, attempt: int) -> Result:
    from memento.graph import Context

    row, teaches = plan.rows[place], place not in plan.test
    context = Context() if teaches else Context(learn=False)
    began = time.perf_counter()
    out: dict[str, Any] = agent.invoke({"task": row.task, "reference": list(row.references)}, context=context)
    return Result(
        arm=arm,
        number=row.number,
        attempt=attempt,
        id=row.id,
        source=row.source,
        teaches=teaches,
        status=out["status"],
        reward=out["reward"],
        f1=round(token_f1(out["answer"], row.references), 4) if out["status"] == "answered" else 0.0,
        shown=len(out["retrieved"]),
        seconds=round(time.perf_counter() - began, 3),
        tokens_in=out["usage"]["input_tokens"],
        tokens_out=out["usage"]["output_tokens"],
        run_id=out["run_id"],
        answer=out["answer"],
    )


def _check_plan(file: Path, plan: Plan, settings: "Settings") -> None:
    """Write down what this folder's results are of, or make sure that it is the same."""
    texts = json.dumps([[row.task, *row.references] for row in plan.rows])
    wanted = {
        "tasks": len(plan.rows),
        "dataset": hashlib.sha256(texts.encode()).hexdigest()[:16],
        "mode": plan.mode,
        "attempts": plan.attempts,
        "planner": model_name(settings.planner),
        "executor": model_name(settings.executor),
        "k": settings.k,
    }
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        file.write_text(json.dumps(wanted) + "\n", encoding="utf-8")
        return
    except (OSError, ValueError):
        raise UsageError(f"{file} cannot be read: give another folder with --out") from None
    for name, value in wanted.items():
        if not isinstance(found, dict) or found.get(name) != value:
            raise UsageError(f"{file} is of another bench (other {name}): give another folder with --out")


def _read(file: Path) -> Sequence[Result]:
    """The results in a file; a line that a kill cut off is taken off it."""
    if not file.is_file():
        return []
    text = file.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    results = []
    for number, line in enumerate(whole.split("\n")[:-1], start=1):
        try:
            results.append(Result(**json.loads(line)))
        except (ValueError, TypeError):
            raise UsageError(
                f"{file}, line {number}, is no result: remove it, or give another folder with --out"
            ) from None
    if whole != text:
        file.write_text(whole, encoding="utf-8")
    return results
