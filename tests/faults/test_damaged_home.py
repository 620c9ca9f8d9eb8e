"""A home whose files were damaged, deleted or cannot be written: repaired, or refused in one line."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from memento.memory import Home, Ledger
from memento.memory.errors import MementoError, UsageError
from memento.memory.home import CHROMA
from memento.memory.repair import look, repair
from tests.memory_tools import DIMENSIONS, demonstration, memento, open_bank, python

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CASES = 1200
"""Enough for Chroma to have written its index to disk, and to have more that is not there yet."""
VECTORS = np.random.default_rng(0).standard_normal((CASES, DIMENSIONS)).astype(np.float32)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed home that the tests copy."""
    home = tmp_path_factory.mktemp("filled") / "home"
    with open_bank(home) as bank:
        bank.add_many([demonstration(f"task {number}") for number in range(CASES)], VECTORS)
        bank.add_many([demonstration(f"other {number}") for number in range(3)], VECTORS[:3])
    return home


@pytest.fixture
def home(filled: Path, tmp_path: Path) -> Path:
    return shutil.copytree(filled, tmp_path / "home")


def segment(home: Path) -> Path:
    return next(path for path in (home / CHROMA).iterdir() if path.is_dir())


def cut(name: str, share: float) -> Callable[[Path], None]:
    def damage(home: Path) -> None:
        file = home / CHROMA / name if name.endswith("sqlite3") else segment(home) / name
        os.truncate(file, int(file.stat().st_size * share))

    return damage


def remove(name: str) -> Callable[[Path], None]:
    return lambda home: (segment(home) / name).unlink()


DAMAGE: dict[str, Callable[[Path], None]] = {
    "an index without its vectors": cut("data_level0.bin", 0),
    "an index without its header": remove("header.bin"),
    "an index without its ids": remove("index_metadata.pickle"),
    "half of the index's ids": cut("index_metadata.pickle", 0.5),
    "no index": lambda home: shutil.rmtree(segment(home)),
    "half of Chroma's database": cut("chroma.sqlite3", 0.5),
    "an empty database": cut("chroma.sqlite3", 0),
    "no database": lambda home: (home / CHROMA / "chroma.sqlite3").unlink(),
    "no folder": lambda home: shutil.rmtree(home / CHROMA),
}


def assert_whole(home: Path) -> None:
    """All cases are there and are found, and a further one can be added."""
    with open_bank(home) as bank:
        assert bank.count() == CASES + 3
        asked = range(0, CASES, 40)
        assert [bank.search(VECTORS[n], 1)[0].similarity for n in asked] == pytest.approx([1] * 30, abs=1e-5)
        kept = bank.add(demonstration("one more"), -VECTORS[0])
        assert [found.case_id for found in bank.search(-VECTORS[0], 1)] == [kept]
    with Home.open(home) as opened:
        assert look(opened).ok


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_case_bank_is_filled_anew_from_the_ledger(
    home: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    damage(home)
    assert_whole(home)
    warned = [record.getMessage() for record in caplog.records if record.name == "memento"]
    aside = [path.name for path in home.glob("chroma.broken-*")]
    assert len(warned) == len(aside) <= 1
    for line in warned:
        assert "\n" not in line
        assert aside[0] in line


def test_a_bank_that_was_not_closed_is_read_whole_at_the_next_opening(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Half of the vectors are gone from the index, which neither opening nor searching it shows."""
    cut("data_level0.bin", 0.5)(home)
    (home / "chroma.open").write_text("open")
    assert_whole(home)
    assert [record.getMessage().count("filled anew") for record in caplog.records] == [1]


def test_a_bank_that_kills_whoever_opens_it_is_filled_anew_at_the_second_opening(
    home: Path, tmp_path: Path
) -> None:
    level = segment(home) / "data_level0.bin"
    level.write_bytes(np.random.default_rng(0).bytes(level.stat().st_size))
    code = "import sys; from tests.memory_tools import *; open_bank(sys.argv[1]).search(axis(0), 5)"
    first = python(code, home, cwd=tmp_path)
    if first.returncode == 0:
        pytest.skip("this Chroma reads it without dying")
    assert first.returncode < 0
    assert python(code, home, cwd=tmp_path).returncode == 0
    assert_whole(home)


def test_a_process_that_was_killed_while_it_opened_a_bank_costs_no_filling_anew(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (home / "chroma.open").write_text("opening")
    assert_whole(home)
    assert list(home.glob("chroma.broken-*")) == []
    assert [record.getMessage().split(":")[-1] for record in caplog.records] == [" it is tried first"]


def test_who_tries_a_bank_first_does_not_outlive_who_asked(home: Path, tmp_path: Path) -> None:
    code = "import sys; from memento.memory.trial_opening import main; main(sys.argv[1])"
    # Nobody holds the other end of its input.
    assert python(code, home / CHROMA, cwd=tmp_path).returncode == 1


def test_a_folder_that_is_deleted_while_the_bank_is_open_is_filled_anew(home: Path) -> None:
    with open_bank(home) as bank:
        assert bank.search(VECTORS[0], 1)
        shutil.rmtree(home / CHROMA)
        bank.add(demonstration("later"), VECTORS[5])
        assert bank.count() == CASES + 4
    assert_whole_but(home, 1)


def assert_whole_but(home: Path, more: int) -> None:
    with open_bank(home) as bank:
        assert bank.count() == CASES + 3 + more
        assert len(bank.search(VECTORS[0], 99)) == 99
    with Home.open(home) as opened:
        assert look(opened).ok


def test_repair_says_what_it_found_and_leaves_nothing_to_do(home: Path, tmp_path: Path) -> None:
    with Home.open(home) as opened:
        collection = opened.chroma.list_collections()[0]
        collection.delete(ids=collection.get(limit=7, include=[])["ids"])
        collection.add(ids=["stray"], embeddings=[VECTORS[0].tolist()], documents=["stray"])
    looked = memento("cases", "repair", "--check", "--json", "--home", home, cwd=tmp_path)
    found = json.loads(looked.stdout)
    assert (found["ok"], found["repaired"]) == (False, False)
    counted = {"cases": CASES + 3, "missing": 7, "stray": 1, "behind": 0}
    assert found["namespaces"] == [{"namespace": "default", **counted}]
    assert json.loads(memento("cases", "repair", "--json", "--home", home, cwd=tmp_path).stdout)["repaired"]
    with Home.open(home) as opened:
        assert look(opened).ok
    assert_whole(home)


def test_checking_puts_nothing_right(home: Path) -> None:
    cut("data_level0.bin", 0.5)(home)
    (home / "chroma.open").write_text("open")
    ledger = (home / "ledger.sqlite3").read_bytes()
    for _ in range(2):
        with Home.open(home) as opened:
            assert not look(opened).ok
        assert (home / "chroma.open").read_text() == "open"
    assert (home / "ledger.sqlite3").read_bytes() == ledger
    assert list(home.glob("chroma.broken-*")) == []


def test_repair_fills_anew_where_that_is_asked(home: Path) -> None:
    with Home.open(home) as opened:
        assert repair(opened, anew=True).ok
    assert len(list(home.glob("chroma.broken-*"))) == 1
    assert_whole(home)


def read_all(home: Path) -> None:
    with open_bank(home) as bank:
        bank.all()


@pytest.mark.parametrize("share", [0, 0.4])
def test_a_cut_ledger_is_refused_and_the_way_out_is_named(home: Path, share: float) -> None:
    ledger = home / "ledger.sqlite3"
    os.truncate(ledger, int(ledger.stat().st_size * share) + 100)
    size = ledger.stat().st_size
    with pytest.raises(MementoError, match=r"ledger\.sqlite3.*`memento backup restore FILE`") as told:
        read_all(home)
    assert "\n" not in str(told.value)
    assert ledger.stat().st_size == size


def test_a_home_of_a_newer_version_is_refused_by_every_command(home: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(home / "ledger.sqlite3")) as connection, connection:
        connection.execute("UPDATE facts SET value = '99' WHERE name = 'schema'")
    for command in (["cases", "list"], ["cases", "repair"], ["runs", "list"], ["feedback", "x", "1"]):
        told = memento(*command, "--home", home, cwd=tmp_path)
        assert told.returncode in {1, 2}
        assert told.stderr.count("\n") == 1
        assert "newer version" in told.stderr


@pytest.mark.parametrize("namespace", ["../x", "../../etc/passwd", "a/../b", "."])
def test_a_namespace_is_a_name_and_never_a_path(tmp_path: Path, namespace: str) -> None:
    with pytest.raises(UsageError, match="namespace") as told:
        open_bank(tmp_path / "home", namespace=namespace)
    assert "\n" not in str(told.value)
    assert not (tmp_path / "home").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Any:
    """A disk of 48 MB, where one can be mounted here."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", folder], check=False)
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=False)


def add_until_it_fails(home: Path, kept: list[str]) -> None:
    with open_bank(home) as bank:
        for number in range(1_000):
            kept += [bank.add(demonstration(f"task {number} {'word ' * 1_000}"), VECTORS[number])]


def test_a_full_disk_loses_nothing_that_was_acknowledged(small_disk: Path) -> None:
    home, kept = small_disk / "home", list[str]()
    with open_bank(home) as bank:
        kept += bank.add_many([demonstration(f"early {number}") for number in range(20)], VECTORS[-20:])
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * (shutil.disk_usage(small_disk).free - 500_000))
    with pytest.raises(MementoError, match=r"the disk of .* is full") as told:
        add_until_it_fails(home, kept)
    assert "\n" not in str(told.value)
    assert len(kept) > 20
    with Ledger(home) as ledger, pytest.raises(MementoError, match="full"):
        ledger.fact("padding", "x" * 4_000_000)
    filler.unlink()
    with open_bank(home) as bank:
        assert [case.id for case in bank.all()] == kept
        assert len(bank.search(VECTORS[0], len(kept) + 5)) == len(kept)
        bank.add(demonstration("one more"), VECTORS[-1])


def test_a_home_that_cannot_be_written_is_refused(small_disk: Path) -> None:
    with open_bank(small_disk / "home") as bank:
        bank.add(demonstration("a task"))
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(UsageError, match="permissions") as told:
        open_bank(small_disk / "home")
    assert "\n" not in str(told.value)
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    with open_bank(small_disk / "home") as bank:
        assert bank.count() == 1
