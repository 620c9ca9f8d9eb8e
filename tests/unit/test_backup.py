"""A backup is one file with all that a home knows."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from memento.memory import CaseBank, Home, Ledger, backup
from memento.memory.errors import HomeInUseError, UsageError
from memento.memory.repair import look
from tests.memory_tools import add_run, axis, memento, open_bank, run_case

if TYPE_CHECKING:
    from pathlib import Path


def remember(bank: CaseBank, number: int) -> None:
    add_run(bank.ledger, f"r{number}", run_case(f"r{number}", f"task {number}"), axis(number))
    bank.sync()


def test_a_backup_brings_back_what_was_there_and_keeps_what_came_since(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "memory.backup"
    with open_bank(home) as bank:
        remember(bank, 1)
        bank.ledger.feedback("r1", 1.0)
        made = backup.create(home, file)
        remember(bank, 2)
    assert (made.runs, made.cases) == (1, 1)
    restored, kept = backup.restore(home, file)
    assert (restored.runs, restored.cases) == (1, 1)
    with open_bank(home) as bank:
        assert [case.task for case in bank.all()] == ["task 1"]
        assert [found.similarity for found in bank.search(axis(1), 5)] == [pytest.approx(1)]
        assert (bank.ledger.run("r1") or {})["reward"] == 1.0
    with Home.open(home) as opened:
        assert look(opened).ok
    assert kept is not None
    backup.restore(home, kept)
    with open_bank(home) as bank:
        assert [case.task for case in bank.all()] == ["task 1", "task 2"]


def test_a_backup_makes_a_home_of_its_own(home: Path, tmp_path: Path) -> None:
    with open_bank(home) as bank:
        remember(bank, 1)
    backup.create(home, tmp_path / "b")
    assert backup.restore(tmp_path / "elsewhere", tmp_path / "b")[1] is None
    with open_bank(tmp_path / "elsewhere") as bank:
        assert len(bank.search(axis(1), 5)) == bank.count() == 1


def test_a_backup_while_others_write_is_of_one_moment(home: Path, tmp_path: Path) -> None:
    with open_bank(home) as bank:
        remember(bank, 0)
        stop = threading.Event()

        def write() -> None:
            number = 1
            while not stop.is_set():
                add_run(bank.ledger, f"w{number}", run_case(f"w{number}", f"task {number}"))
                number += 1

        writer = threading.Thread(target=write)
        writer.start()
        made = [backup.create(home, tmp_path / f"b{number}") for number in range(4)]
        stop.set()
        writer.join()
    for one in made:
        with closing(sqlite3.connect(one.file)) as held:
            orphans = "SELECT count(*) FROM cases WHERE source_run NOT IN (SELECT run_id FROM runs)"
            assert held.execute(orphans).fetchone() == (0,)
            assert held.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_damaged_ledger_is_replaced_and_kept(home: Path, tmp_path: Path) -> None:
    with open_bank(home) as bank:
        remember(bank, 1)
    backup.create(home, tmp_path / "b")
    (home / "ledger.sqlite3").write_bytes(b"no database " * 500)
    _, kept = backup.restore(home, tmp_path / "b")
    assert kept is not None
    assert kept.read_bytes().startswith(b"no database")
    with open_bank(home) as bank:
        assert bank.count() == 1


def test_what_is_no_backup_is_refused_and_the_home_stays(home: Path, tmp_path: Path) -> None:
    with open_bank(home) as bank:
        remember(bank, 1)
    good = backup.create(home, tmp_path / "b").file
    (tmp_path / "text").write_text("no backup")
    (tmp_path / "cut").write_bytes(good.read_bytes()[:9_000])
    with closing(sqlite3.connect(tmp_path / "other")) as other:
        other.execute("CREATE TABLE bookmarks (url TEXT)")
    before = (home / "ledger.sqlite3").read_bytes()
    for name in ("text", "cut", "other", "absent"):
        with pytest.raises(UsageError, match=name) as told:
            backup.restore(home, tmp_path / name)
        assert "\n" not in str(told.value)
    with pytest.raises(UsageError, match="already"):
        backup.create(home, good)
    with pytest.raises(UsageError, match="no Memento home"):
        backup.create(tmp_path / "nowhere", tmp_path / "b2")
    assert (home / "ledger.sqlite3").read_bytes() == before
    assert sorted(path.name for path in home.iterdir() if "restoring" in path.name) == []


def test_a_home_that_is_in_use_is_not_restored(home: Path, tmp_path: Path) -> None:
    with open_bank(home) as bank:
        remember(bank, 1)
        backup.create(home, tmp_path / "b")
    with Ledger(home), pytest.raises(HomeInUseError, match="close it first"):
        backup.restore(home, tmp_path / "b")


def test_the_command_line_backs_up_and_restores(home: Path, tmp_path: Path) -> None:
    with open_bank(home) as bank:
        remember(bank, 1)
        made = memento("backup", "create", tmp_path / "b", "--home", home, "--json", cwd=tmp_path)
        assert (made.returncode, made.stderr) == (0, "")
        assert json.loads(made.stdout)["cases"] == 1
        busy = memento("backup", "restore", tmp_path / "b", "--home", home, cwd=tmp_path)
        assert busy.returncode == 1
        assert "is in use by pid" in busy.stderr
    again = memento("backup", "restore", tmp_path / "b", "--home", home, "--json", cwd=tmp_path)
    assert (again.returncode, again.stderr) == (0, "")
    assert json.loads(again.stdout)["runs"] == 1
