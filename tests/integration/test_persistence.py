"""What was learned is there after the process ended, however it ended; and two processes do not collide."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from memento.memory import CaseBank, Home, Ledger, build_policy
from memento.memory.errors import HomeInUseError, MementoError, UsageError
from tests.conftest import WordEncoder
from tests.memory_tools import (
    add_run,
    axis,
    child_environment,
    demonstration,
    memento,
    open_bank,
    python,
    run_case,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SETUP = """
import os, sys
from memento.memory import Case, CaseBank, Home, Ledger
from tests.conftest import WordEncoder
from tests.memory_tools import demonstration, add_run, run_case, axis
home = sys.argv[1]
bank = CaseBank(home, WordEncoder())
first = bank.add(demonstration("the first task"))
"""


def ids_in_chroma(home: Path) -> set[str]:
    """What Chroma itself holds, without the bank's opening that repairs it."""
    with Home.open(home) as opened:
        return {
            case_id for part in opened.chroma.list_collections() for case_id in part.get(include=[])["ids"]
        }


def found(bank: CaseBank, task: str) -> list[str]:
    cases = bank.get_many([c.case_id for c in bank.search(bank.embed([task])[0], 10)])
    return sorted(case.task for case in cases.values())


@contextlib.contextmanager
def owner(home: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the bank open until its input ends."""
    code = SETUP + "print('ready', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(home)],
        env=child_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    "death",
    [
        "CaseBank.sync = lambda *_: os._exit(9)",
        "import chromadb.api.models.Collection as c; c.Collection.upsert = lambda *_, **__: os._exit(9)",
        "from memento.memory import journal; journal.settle = lambda *_: os._exit(9)",
        "CaseBank.sync = lambda *_: os.kill(os.getpid(), 9)",
    ],
    ids=["before the bank is told", "before Chroma's write", "after Chroma's write", "by kill -9"],
)
def test_a_case_committed_by_a_process_that_died_is_found_at_the_next_opening(
    tmp_path: Path, death: str
) -> None:
    code = f"{SETUP}\n{death}\nbank.add(demonstration('the second task'))\n"
    died = python(code, tmp_path / "home", cwd=tmp_path)
    assert died.returncode in {9, -signal.SIGKILL}, died.stderr
    with open_bank(tmp_path / "home") as bank:
        assert found(bank, "the second task") == ["the first task", "the second task"]
        assert bank.count() == 2
    assert len(ids_in_chroma(tmp_path / "home")) == 2


def test_a_run_whose_process_died_before_the_banks_write_leaves_its_case(tmp_path: Path) -> None:
    code = f"{SETUP}\nadd_run(bank.ledger, 'r1', run_case('r1', 'the second task'))\nos._exit(9)"
    assert python(code, tmp_path / "home", cwd=tmp_path).returncode == 9
    with open_bank(tmp_path / "home") as bank:
        assert [c.case_id for c in bank.search(axis(0), 1)] == [run_case("r1", "the second task").id]


def test_a_deletion_that_a_crash_cut_short_is_finished_at_the_next_opening(tmp_path: Path) -> None:
    code = f"{SETUP}\nCaseBank.sync = lambda *_: os._exit(9)\nbank.delete(first)\n"
    died = python(code, tmp_path / "home", cwd=tmp_path)
    assert died.returncode == 9, died.stderr
    with open_bank(tmp_path / "home") as bank:
        assert found(bank, "the first task") == []
        assert bank.count() == 0
    assert ids_in_chroma(tmp_path / "home") == set()


def test_a_process_that_died_before_the_commit_leaves_nothing(tmp_path: Path) -> None:
    code = f"""{SETUP}
from memento.memory import ledger
ledger.add_case = lambda *_, **__: os._exit(9)
add_run(bank.ledger, "r1", run_case("r1"))
"""
    assert python(code, tmp_path / "home", cwd=tmp_path).returncode == 9
    with open_bank(tmp_path / "home") as bank:
        assert bank.ledger.runs() == []
        assert bank.count() == 1


def test_an_id_that_only_chroma_has_is_removed_at_the_next_opening(tmp_path: Path) -> None:
    with open_bank(tmp_path) as bank:
        kept = bank.add(demonstration("a task"), axis(0))
    with Home.open(tmp_path) as home:
        home.chroma.list_collections()[0].add(
            ids=["stray"], embeddings=[axis(1).tolist()], documents=["stray"]
        )
    assert ids_in_chroma(tmp_path) == {kept, "stray"}
    with open_bank(tmp_path) as bank:
        assert [c.case_id for c in bank.search(axis(1), 5)] == [kept]
    assert ids_in_chroma(tmp_path) == {kept}


@pytest.mark.parametrize("older", [{"ef_search": 10}, {"sync_threshold": 1000}])
def test_a_collection_that_was_made_otherwise_is_searched_and_kept_as_a_new_one(
    tmp_path: Path, older: dict[str, int]
) -> None:
    with open_bank(tmp_path) as bank:
        bank.add(demonstration("the first task"))
    with Home.open(tmp_path) as home:
        collection = home.chroma.list_collections()[0]
        usual = collection.configuration_json["hnsw"]
        assert not older.items() <= usual.items()
        with pytest.warns(DeprecationWarning, match="embedding function"):
            collection.modify(configuration={"hnsw": older})

    with open_bank(tmp_path) as bank:
        assert found(bank, "the first task") == ["the first task"]

    with Home.open(tmp_path) as home:
        assert home.chroma.list_collections()[0].configuration_json["hnsw"] == usual


def test_a_case_that_chroma_lost_is_put_back_at_the_next_opening(tmp_path: Path) -> None:
    with open_bank(tmp_path) as bank:
        kept = bank.add(demonstration("a task"), axis(0))
    with Home.open(tmp_path) as home:
        home.chroma.list_collections()[0].delete(ids=[kept])
    with open_bank(tmp_path) as bank:
        assert [c.case_id for c in bank.search(axis(0), 5)] == [kept]


def test_a_search_for_all_finds_a_case_that_chroma_does_not_reach(tmp_path: Path) -> None:
    with open_bank(tmp_path) as bank:
        missed = bank.add(demonstration("a task"), axis(0))
        reached = bank.add(demonstration("another"), axis(1))
        bank.home.chroma.list_collections()[0].delete(ids=[missed])
        assert [c.case_id for c in bank.search(axis(0), 2)] == [missed, reached]
        assert [c.case_id for c in bank.search(axis(0), 9)] == [missed, reached]
        assert [c.case_id for c in bank.search(axis(0), 9, exclude={reached})] == [missed]


def test_what_was_learned_is_there_after_a_restart(tmp_path: Path) -> None:
    def choice(bank: CaseBank) -> list[tuple[str, float]]:
        selection = build_policy("kernel", bank=bank, k=1).select(axis(0), explore=False)
        return [(shown.case_id, round(shown.q, 6)) for shown in selection.cases]

    with open_bank(tmp_path) as bank:
        near = bank.add(demonstration("near", "a"), axis(0, 0.2))
        far = bank.add(demonstration("far", "b"), axis(0, 0.6))
        assert [case_id for case_id, _ in choice(bank)] == [near]
        policy = build_policy("kernel", bank=bank, k=1)
        for _ in range(30):
            selection = policy.select(axis(0))
            good = bool(selection.cases) and selection.cases[0].case_id == far
            policy.record(selection, reward=float(good))
        before = choice(bank)
        runs = bank.ledger.runs()
        assert [case_id for case_id, _ in before] == [far]
    with open_bank(tmp_path) as bank:
        assert choice(bank) == before
        assert bank.ledger.runs() == runs
        assert build_policy("kernel", bank=bank).select(axis(0)).number > runs[0]["number"]


def test_the_second_process_is_told_within_a_second_who_has_the_home_and_what_to_do(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with owner(home) as process:
        started = time.perf_counter()
        with pytest.raises(HomeInUseError) as told:
            CaseBank(home, WordEncoder())
        assert time.perf_counter() - started < 1
        message = str(told.value)
        assert message.startswith(f"{home} is in use by pid {process.pid} (")
        assert "\n" not in message
        assert "--home DIR" in message

        with Ledger(home) as ledger:
            add_run(ledger, "r1")
            ledger.feedback("r1", 0.5)
        listed = memento("runs", "list", "--home", home, "--json", cwd=tmp_path)
        assert (listed.returncode, listed.stderr) == (0, "")
        assert '"r1"' in listed.stdout
        said = memento("feedback", "r1", "1", "--home", home, cwd=tmp_path)
        assert (said.returncode, said.stderr) == (0, "")

        refused = memento("cases", "repair", "--home", home, cwd=tmp_path)
        assert refused.returncode == 1
        assert refused.stderr.startswith(f"memento: {home} is in use by pid {process.pid} (")
        assert refused.stderr.count("\n") == 1

        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with open_bank(home) as bank:
            assert bank.count() == 1
            assert (bank.ledger.run("r1") or {})["reward"] == 1.0


def test_an_owner_in_another_container_is_told_at_once_whatever_its_pid(tmp_path: Path) -> None:
    with owner(tmp_path):
        told = {"pid": os.getpid(), "host": "another-container", "command": "memento serve"}
        (tmp_path / "home.owner.json").write_text(json.dumps(told))
        started = time.perf_counter()
        with pytest.raises(HomeInUseError, match=f"pid {os.getpid()} on another-container "):
            open_bank(tmp_path)
        assert time.perf_counter() - started < 1


def test_another_process_reads_the_cases_of_a_home_that_is_in_use_and_changes_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with owner(home), CaseBank(home, WordEncoder(), read_only=True) as bank:
        (case,) = bank.all()
        assert bank.get(case.id) == case
        assert bank.count() == 1
        changes: list[Callable[[], object]] = [
            lambda: bank.add(demonstration("another"), axis(1)),
            lambda: bank.note(case.id, "a note"),
            lambda: bank.delete(case.id),
            lambda: bank.purge(case.id),
            bank.undo,
            bank.sync,
            lambda: bank.search(axis(0), 1),
            lambda: build_policy(bank=bank).select(axis(0)),
        ]
        for change in changes:
            with pytest.raises(UsageError, match="only read"):
                change()
        with pytest.raises(MementoError, match="cannot be written"):
            bank.ledger.fact("a name", "a value")
        assert bank.all() == [case]


def test_a_bank_to_read_leaves_the_one_to_write_of_the_same_process_open(tmp_path: Path) -> None:
    with open_bank(tmp_path) as bank:
        kept = bank.add(demonstration("a task"), axis(0))
        with open_bank(tmp_path, read_only=True) as outside:
            assert [case.id for case in outside.all()] == [kept]
        assert [found.case_id for found in bank.search(axis(0), 1)] == [kept]
        with pytest.raises(UsageError, match="no Memento home"):
            open_bank(tmp_path / "nowhere", read_only=True)


def test_a_home_of_another_version_is_not_migrated_by_reading_it(tmp_path: Path) -> None:
    with open_bank(tmp_path) as bank:
        bank.add(demonstration("a task"), axis(0))
    for version, told in (("1", "older version"), ("99", "newer version")):
        with closing(sqlite3.connect(tmp_path / "ledger.sqlite3")) as ledger, ledger:
            ledger.execute("UPDATE facts SET value = ? WHERE name = 'schema'", [version])
        with pytest.raises(UsageError, match=told):
            open_bank(tmp_path, read_only=True)
    assert not list(tmp_path.glob("ledger.schema-*"))


def test_the_owner_is_named_as_its_user_called_it(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['/x/memento/__main__.py', 'run', 'a private task']\n"
        "from memento.memory import Home\n"
        "with Home.open(sys.path[0] or '.') as home:\n"
        "    home.claim()\n"
        "    print((home.path / 'home.owner.json').read_text())"
    )
    told = python(code, cwd=tmp_path)
    assert '"memento run"' in told.stdout, told.stderr


def test_a_bank_that_could_not_be_opened_leaves_the_home_free(tmp_path: Path) -> None:
    with owner(tmp_path), pytest.raises(HomeInUseError):
        open_bank(tmp_path)
    with open_bank(tmp_path) as bank:
        assert bank.count() == 1


def test_two_processes_that_write_the_ledger_at_once_lose_nothing(tmp_path: Path) -> None:
    code = """
import sys
from memento.memory import Ledger
from tests.memory_tools import add_run
with Ledger(sys.argv[1]) as ledger:
    for number in range(25):
        add_run(ledger, f"{sys.argv[2]}-{number}")
        ledger.feedback(f"{sys.argv[2]}-{number}", 1.0)
"""
    home = tmp_path / "home"
    with open_bank(home) as bank:
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", code, str(home), name], env=child_environment(), cwd=tmp_path
            )
            for name in ("a", "b")
        ]
        assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
        runs = bank.ledger.runs()
        assert len(runs) == 50
        assert all(run["reward"] == 1.0 for run in runs)
