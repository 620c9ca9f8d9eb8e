"""Home: one folder, counted, guarded, and clear about what it cannot be."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from memento.memory import Home, Ledger
from memento.memory.errors import MementoError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_path_is_one_home_however_it_is_written(home: Path) -> None:
    home.mkdir()
    link = home.parent / "link"
    link.symlink_to(home)
    with (
        Home.open(home) as first,
        Home.open(str(home / ".." / home.name)) as second,
        Home.open(link) as third,
    ):
        assert first is second is third
        assert Home.open(first) is first
        first.close()


def test_a_home_is_open_until_its_last_user_closes_it(home: Path) -> None:
    first, second = Ledger(home), Ledger(home)
    first.close()
    first.close()
    assert second.home is Home.open(home)
    second.home.close()
    second.close()
    with Home.open(home) as again:
        assert again is not second.home
    with pytest.raises(UsageError, match="closed"):
        Home.open(second.home)
    second.home.close()


def test_a_closed_home_takes_no_lock(home: Path) -> None:
    opened = Home.open(home)
    opened.close()
    with pytest.raises(UsageError, match="closed"):
        opened.claim()
    with Home.open(home) as again:
        again.claim()


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "what? a#b 100%25 ünï"
    with Ledger(folder) as ledger:
        ledger.fact("a", "b")
    with Ledger(folder) as ledger:
        assert ledger.fact("a") == "b"
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith("what")] == [folder.name]


def test_the_folder_and_those_above_it_are_made(tmp_path: Path) -> None:
    with Home.open(tmp_path / "a" / "b" / "c") as opened:
        assert opened.path.is_dir()


def test_the_users_folder_may_be_written_as_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with Home.open("~/memory") as opened:
        assert opened.path == tmp_path / "memory"


def test_a_home_that_should_be_there_and_is_not_is_named(home: Path) -> None:
    with pytest.raises(UsageError, match=f"no Memento home at {home}"):
        Home.open(home, create=False)
    assert not home.exists()
    home.mkdir()
    with pytest.raises(UsageError, match="no Memento home"):
        Home.open(home, create=False)
    assert list(home.iterdir()) == []


def test_a_file_or_a_path_through_a_file_is_no_home(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UsageError, match="--home DIR") as told:
            Home.open(path)
        assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "path", ["x" * 300, "zero\0byte", "/proc/nonsense"], ids=["long", "zero byte", "nowhere"]
)
def test_a_path_that_no_folder_can_have_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(UsageError, match="cannot be used"):
        Home.open(tmp_path / path)


def test_a_home_that_may_not_be_written_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.mkdir()
    monkeypatch.setattr(os, "access", lambda *_: False)  # chmod does not keep root out
    with pytest.raises(UsageError, match="permissions"):
        Home.open(home)
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("content", [b"no database " * 500, b"SQLite format 3\0 and no more"])
def test_a_ledger_that_is_no_database_is_refused_and_left_alone(home: Path, content: bytes) -> None:
    home.mkdir()
    (home / "ledger.sqlite3").write_bytes(content)
    with pytest.raises(MementoError, match=r"ledger\.sqlite3 is damaged .*memento backup restore") as told:
        Home.open(home)
    assert "\n" not in str(told.value)
    assert (home / "ledger.sqlite3").read_bytes() == content


def test_a_ledger_that_is_a_folder_is_refused(home: Path) -> None:
    (home / "ledger.sqlite3").mkdir(parents=True)
    with pytest.raises(MementoError, match=r"ledger\.sqlite3"):
        Home.open(home)
