"""Many threads share a home; closing waits for them, and a fork is refused."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from memento.memory import build_policy
from memento.memory.errors import UsageError
from tests.memory_tools import add_run, axis, demonstration, open_bank, run_case

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from memento.memory import CaseBank


def rewarded_run(bank: CaseBank, name: str, case: str | None = None) -> None:
    """What the graph does with the memory in a run, and a correction after it."""
    policy = build_policy("auto", bank=bank)
    selection = policy.select(axis(len(name) % 8))
    policy.record(selection, reward=1.0, task=name)
    bank.ledger.feedback(selection.run_id, 0.0)
    if case is not None:
        add_run(bank.ledger, name, run_case(name, case))
        bank.ledger.feedback(name, 1.0)
        bank.sync()


def test_threads_that_choose_record_and_correct_at_once_lose_nothing(home: Path) -> None:
    with open_bank(home) as bank:
        bank.add_many(
            [demonstration(f"task {n}", f"tool {n}") for n in range(8)], [axis(n) for n in range(8)]
        )
        names = [(f"run {n}", f"new task {n}" if n % 4 == 0 else None) for n in range(96)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda one: rewarded_run(bank, *one), names))
        runs = bank.ledger.runs()
        chosen = [run for run in runs if not run["run_id"].startswith("run ")]
        assert len(chosen) == 96
        assert sorted(run["number"] for run in runs) == list(range(1, 96 + 24 + 1))
        assert all(run["reward"] == 0.0 for run in chosen)
        assert all(len((bank.ledger.run(run["run_id"]) or {})["rewards"]) == 2 for run in chosen)
        assert bank.count() == 8 + 24
        assert len(bank.search(axis(0), 99)) == 8 + 24


async def test_the_event_loop_goes_on_while_tasks_share_a_home(home: Path) -> None:
    turns = 0

    async def watch() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    with open_bank(home) as bank:
        bank.add(demonstration("a task", "tool"), axis(0))
        watching = asyncio.create_task(watch())
        async with asyncio.TaskGroup() as group:
            for number in range(40):
                group.create_task(asyncio.to_thread(rewarded_run, bank, f"run {number}"))
        watching.cancel()
        runs = bank.ledger.runs()
    assert sorted(run["number"] for run in runs) == list(range(1, 41))
    assert all(run["reward"] == 0.0 for run in runs)
    assert turns > 40


def started(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_closing_waits_for_a_write_under_way(home: Path) -> None:
    bank = open_bank(home)
    under_way, go_on = threading.Event(), threading.Event()

    def write() -> None:
        with bank.home.at_work():
            under_way.set()
            go_on.wait(timeout=30)
            bank.add(demonstration("a late task"), axis(0))

    writing = started(write)
    assert under_way.wait(timeout=30)
    closing = started(bank.close)
    closing.join(timeout=0.2)
    assert closing.is_alive()
    go_on.set()
    closing.join(timeout=30)
    writing.join(timeout=30)
    assert not closing.is_alive()
    with open_bank(home) as again:
        assert [case.task for case in again.all()] == ["a late task"]
        assert len(again.search(axis(0), 5)) == 1


def test_a_closed_home_takes_no_write(home: Path) -> None:
    bank = open_bank(home)
    bank.close()
    with pytest.raises(UsageError, match="closed"):
        bank.add(demonstration("a task"), axis(0))


def in_a_fork(work: Callable[[], object]) -> str:
    """What a forked process is told."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            work()
            told = "nothing"
        except BaseException as error:  # noqa: BLE001
            told = f"{type(error).__name__}: {error}"
        os.write(writer, told.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as said:
        text = said.read()
    os.waitpid(child, 0)
    return text


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_is_refused_and_leaves_the_parents_home_alone(home: Path) -> None:
    with open_bank(home) as bank:
        kept = bank.add(demonstration("a task"), axis(0))
        uses: list[Callable[[], object]] = [
            lambda: bank.add(demonstration("from the fork"), axis(1)),
            lambda: bank.search(axis(0), 1),
            lambda: bank.get(kept),
            lambda: bank.ledger.fact("a", "b"),
        ]
        for use in uses:
            told = in_a_fork(use)
            assert told.startswith("UsageError: ")
            assert f"opened by process {os.getpid()}" in told
            assert "\n" not in told
        assert in_a_fork(lambda: open_bank(home)).startswith("HomeInUseError: ")
        assert in_a_fork(bank.close) == "nothing"
        assert in_a_fork(lambda: open_bank(home)).startswith("HomeInUseError: ")
        bank.add(demonstration("another task"), axis(1))
    with open_bank(home) as again:
        assert again.count() == 2
