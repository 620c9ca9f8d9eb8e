"""Chroma writes a new index as it found that in memory: nothing of it may stay in the files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.memory_tools import demonstration, open_bank, python

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MARK = "xyzzy-of-another-namespace"
LONG = f"{MARK} " * 60


def told_of(home: Path) -> list[str]:
    files = [file for file in (home / "chroma").glob("*/*") if MARK.encode() in file.read_bytes()]
    return [file.name for file in files]


def with_texts_in_memory(home: Path, namespaces: Iterable[str]) -> None:
    with open_bank(home, namespace="talkative") as bank:
        for part in range(5):
            bank.add_many([demonstration(f"{LONG} {part} {n}") for n in range(60)])
        for namespace in namespaces:
            with open_bank(bank.home, namespace=namespace) as quiet:
                quiet.add(demonstration("a short task"))
                assert told_of(home) == []


def test_texts_of_one_namespace_do_not_reach_the_index_of_another(home: Path) -> None:
    with_texts_in_memory(home, [f"quiet {number}" for number in range(5)])
    assert told_of(home) == []
    with open_bank(home, namespace="quiet 0") as bank:
        [found] = bank.search(bank.embed(["a short task"])[0], 5)
        assert found.similarity == pytest.approx(1)
        assert told_of(home) == []


def test_what_a_killed_process_left_in_them_goes_at_the_next_opening(home: Path, tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom memento.memory import chroma_index\nfrom tests.memory_tools import *\n"
        "chroma_index.wipe_unused = lambda folder: None\n"
        "from tests.faults.test_index_files import LONG\n"
        "bank = open_bank(sys.argv[1])\n"
        "for part in range(5):\n"
        "    bank.add_many([demonstration(f'{LONG} {part} {n}') for n in range(60)])\n"
        "for n in range(5):\n"
        "    open_bank(bank.home, namespace=f'quiet {n}').add(demonstration('a short task'))\n"
        "os._exit(9)"
    )
    assert python(code, home, cwd=tmp_path).returncode == 9
    if not told_of(home):
        pytest.skip("this machine's memory is not handed out as it was left")
    with open_bank(home) as bank:
        bank.sync()
        assert told_of(home) == []
        assert bank.count() == 300
