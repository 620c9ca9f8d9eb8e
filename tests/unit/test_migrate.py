"""Homes of older versions go on, after a copy; those of newer ones are left alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memento.memory import Home, Ledger, build_policy
from memento.memory.errors import MementoError, UsageError
from memento.memory.form import hash_of
from memento.memory.schema import SCHEMA_VERSION, metadata
from tests.memory_tools import add_run, axis, open_bank, run_case

if TYPE_CHECKING:
    from collections.abc import Iterator

DUMPS = Path(__file__).parents[1] / "data"
"""What the code of older versions wrote: three cases, one of them quarantined, and seven rewarded runs."""
OLDER = sorted(int(file.stem.rpartition("_")[2]) for file in DUMPS.glob("ledger_schema_*.sql"))


def old_home(home: Path, version: int) -> Path:
    home.mkdir()
    with closing(sqlite3.connect(home / "ledger.sqlite3")) as connection:
        connection.executescript((DUMPS / f"ledger_schema_{version}.sql").read_text())
        connection.execute("PRAGMA journal_mode=WAL")
    return home


def query(file: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(sql).fetchall()


@pytest.mark.parametrize("version", OLDER)
def test_an_older_home_goes_on_with_all_that_it_held(home: Path, version: int) -> None:
    with open_bank(old_home(home, version)) as bank:
        assert {case.task: case.status for case in bank.all()} == {
            "the first task": "active",
            "the second task": "quarantined",
            "a run's task": "active",
        }
        assert {bank.get_many([c.case_id])[c.case_id].task for c in bank.search(axis(0), 9)} == {
            "the first task",
            "a run's task",
        }
        assert (bank.ledger.run("r1") or {})["rewards"][0]["comment"] == "well done"
        assert sorted(run["reward"] for run in bank.ledger.runs()) == [0, 0, 0, 1, 1, 1, 1]
        policy = build_policy("auto", bank=bank)
        policy.record(policy.select(axis(0)), reward=1.0)
        add_run(bank.ledger, "r2", run_case("r2", "a new task"), axis(3))
        bank.sync()
    with open_bank(home) as bank:
        assert (bank.count(), len(bank.ledger.runs())) == (4, 9)


@pytest.mark.parametrize("version", OLDER)
def test_an_older_home_ends_with_the_tables_and_indexes_of_a_new_one(home: Path, version: int) -> None:
    def shape(file: Path) -> set[tuple[object, ...]]:
        columns = {
            (table.name, row[1]) for table in metadata.sorted_tables for row in _columns(file, table.name)
        }
        return columns | set(
            query(file, "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite%'")
        )

    Home.open(old_home(home, version)).close()
    Home.open(home.parent / "new").close()
    assert shape(home / "ledger.sqlite3") == shape(home.parent / "new" / "ledger.sqlite3")


def _columns(file: Path, table: str) -> list[tuple[object, ...]]:
    return query(file, f"PRAGMA table_info({table})")


@pytest.mark.parametrize("version", OLDER)
def test_a_copy_of_an_older_ledger_is_kept_as_it_was(home: Path, version: int) -> None:
    Home.open(old_home(home, version)).close()
    copy = home / f"ledger.schema-{version}.sqlite3"
    assert query(copy, "SELECT value FROM facts WHERE name = 'schema'") == [(str(version),)]
    assert query(copy, "SELECT count(*) FROM runs") == [(7,)]
    assert query(home / "ledger.sqlite3", "SELECT value FROM facts WHERE name = 'schema'") == [
        (str(SCHEMA_VERSION),)
    ]
    Home.open(home).close()
    assert [file.name for file in home.glob("ledger*.sqlite3")].count(copy.name) == 1


@pytest.mark.parametrize("version", OLDER)
def test_what_an_older_homes_cases_did_is_noted_there_and_where_they_were_shown(
    home: Path, version: int
) -> None:
    with open_bank(old_home(home, version)) as bank:
        forms = {case.id: hash_of(case.form) for case in bank.all()}
    assert len(set(forms.values())) > 1
    assert dict(query(home / "ledger.sqlite3", "SELECT id, form FROM cases")) == forms
    shown = query(home / "ledger.sqlite3", "SELECT DISTINCT case_id, form FROM retrievals")
    assert shown
    assert set(shown) <= set(forms.items())


def test_a_new_home_has_nothing_to_copy(home: Path) -> None:
    Home.open(home).close()
    assert [file.name for file in home.iterdir()] == ["ledger.sqlite3"]


@pytest.fixture
def newer(home: Path) -> Iterator[Path]:
    Home.open(home).close()
    with closing(sqlite3.connect(home / "ledger.sqlite3")) as connection:
        connection.execute("UPDATE facts SET value = '99' WHERE name = 'schema'")
        connection.execute("DROP TABLE rewards")
        connection.commit()
    return home


def test_what_a_newer_version_wrote_is_refused_and_left_alone(newer: Path) -> None:
    with pytest.raises(UsageError, match=r"newer version of Memento.*--home DIR") as told:
        Ledger(newer)
    assert "\n" not in str(told.value)
    assert query(newer / "ledger.sqlite3", "SELECT name FROM sqlite_master WHERE name = 'rewards'") == []
    assert list(newer.glob("ledger.schema*")) == []


def test_another_programs_database_is_refused_and_left_alone(home: Path) -> None:
    home.mkdir()
    with closing(sqlite3.connect(home / "ledger.sqlite3")) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    with pytest.raises(UsageError, match="no ledger"):
        Ledger(home)
    assert query(home / "ledger.sqlite3", "SELECT name FROM sqlite_master") == [("bookmarks",)]


def test_a_ledger_whose_copy_cannot_be_written_stays_as_it_is(home: Path) -> None:
    (old_home(home, 1) / "ledger.schema-1.sqlite3").mkdir()
    with pytest.raises(MementoError, match="cannot be copied first"):
        Ledger(home)
    assert query(home / "ledger.sqlite3", "SELECT value FROM facts WHERE name = 'schema'") == [("1",)]
    assert list(home.glob(".*")) == []
