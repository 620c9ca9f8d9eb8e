"""Many runs at once over one home, in threads and in async tasks: is anything lost, is the loop blocked?

    PYTHONPATH=. python bench/many_runs.py --threads 8 --runs 200 --tasks 200

Each run goes through the whole graph, with a model that answers at once, and leaves a run, its reward, a
case and a correction of its reward. Counted are what the ledger or the case bank has not got, or has twice,
and runs that failed. While the async tasks are under way, all at once, a heartbeat says how long the event
loop was not free, at worst, and how much of such a gap its thread was at work itself: the rest, other
threads and other processes had the processor. Exit code 1 where anything was lost or a run failed.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from graph_overhead import HashEncoder, InstantModel, demonstrations, look_up

from memento import Settings, build_graph
from memento.graph import Agent
from memento.memory import CaseBank

CASES = 100
BEAT = 0.005
"""Seconds."""
CORRECTED = 0.25


@dataclass(frozen=True)
class Found:
    """How many runs there were, and what went wrong. `gap` is the event loop's worst and `work` the most that
    its thread worked in one, in milliseconds.
    """

    runs: int
    seconds: float
    errors: int
    lost: int
    gap: float | None = None
    work: float | None = None

    @property
    def ok(self) -> bool:
        return not (self.errors or self.lost)


def asked(name: str) -> dict[str, Any]:
    return {"task": f"Look x up, {name}", "reference": "value of x"}


def in_threads(bank: CaseBank, graph: Agent, threads: int, runs: int) -> Found:
    def one(name: str) -> bool:
        try:
            out = graph.invoke(asked(name))
            bank.ledger.feedback(out["run_id"], CORRECTED)
        except Exception as error:  # noqa: BLE001 - counted, and shown
            return _failed(error)
        return out["reward"] == 1.0

    names = [f"thread {thread}, run {number}" for number in range(runs) for thread in range(threads)]
    before, began = bank.count(), time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        done = list(pool.map(one, names))
    seconds = time.perf_counter() - began
    return Found(len(names), round(seconds, 1), done.count(False), lost(bank, names, before))


async def in_tasks(bank: CaseBank, graph: Agent, tasks: int) -> Found:
    async def one(name: str) -> bool:
        try:
            out = await graph.ainvoke(asked(name))
            await asyncio.to_thread(bank.ledger.feedback, out["run_id"], CORRECTED)
        except Exception as error:  # noqa: BLE001 - counted, and shown
            return _failed(error)
        return out["reward"] == 1.0

    names = [f"task {number}" for number in range(tasks)]
    before, began = bank.count(), time.perf_counter()
    gaps: list[tuple[float, float]] = []
    heart = asyncio.create_task(_beat(gaps))
    done = await asyncio.gather(*map(one, names))
    heart.cancel()
    seconds = time.perf_counter() - began
    missing = lost(bank, names, before)
    gap, work = (round(1000 * max(each), 1) for each in zip(*gaps, strict=True))
    return Found(tasks, round(seconds, 1), done.count(False), missing, gap, work)


async def _beat(gaps: list[tuple[float, float]]) -> None:
    while True:
        began, worked = time.perf_counter(), time.thread_time()
        await asyncio.sleep(BEAT)
        gaps.append((time.perf_counter() - began - BEAT, time.thread_time() - worked))


def lost(bank: CaseBank, names: list[str], cases_before: int) -> int:
    """How much of what these runs left is not there, or is there twice."""
    wanted = {asked(name)["task"] for name in names}
    runs = bank.ledger.runs()
    theirs = [run for run in runs if run["task"] in wanted]
    rewards = [
        [said["reward"] for said in (bank.ledger.run(run["run_id"]) or {})["rewards"]] for run in theirs
    ]
    numbers = Counter(run["number"] for run in runs)
    cases = [case for case in bank.all() if case.task in wanted]
    findable = len(bank.search(np.ones(bank.embed(["x"]).shape[1], np.float32), bank.count() + 1))
    return sum(
        (
            abs(len(names) - len(theirs)),
            sum(said != [1.0, CORRECTED] for said in rewards),
            sum(count - 1 for count in numbers.values()) + len(runs) - max(numbers),
            abs(len(names) - len(cases)) + sum(case.reward != CORRECTED for case in cases),
            abs(cases_before + len(names) - findable),
        )
    )


def _failed(error: Exception) -> bool:
    print(f"{type(error).__name__}: {error}"[:200], file=sys.stderr)
    return False


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--runs", type=int, default=200, help="in each thread")
    parser.add_argument("--tasks", type=int, default=200, help="async, all at once")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, CaseBank(home, HashEncoder()) as bank:
        bank.add_many(demonstrations(CASES))
        model = InstantModel()
        settings = Settings(planner=model, executor=model, policy="auto")
        graph = build_graph(settings=settings, tools=[look_up], bank=bank)
        found = {
            "threads": in_threads(bank, graph, options.threads, options.runs),
            "tasks": asyncio.run(in_tasks(bank, graph, options.tasks)),
        }
    if options.json:
        print(json.dumps({name: asdict(one) for name, one in found.items()}))
    else:
        for name, one in found.items():
            worst = f"; the event loop's worst gap was {one.gap} ms, its own work in one {one.work} ms"
            loop = "" if one.gap is None else worst
            print(f"{name}: {one.runs} runs in {one.seconds} s, {one.errors} errors, {one.lost} lost{loop}")
    sys.exit(not all(one.ok for one in found.values()))


if __name__ == "__main__":
    main()
