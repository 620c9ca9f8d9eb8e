"""Ctrl-C, or SIGTERM, in the middle of an import."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest

from memento.memory import Ledger
from memento.memory.importing import BATCH
from tests.memory_tools import DIMENSIONS, memento, started

if TYPE_CHECKING:
    from pathlib import Path

CASES = 12 * BATCH


def many_cases(file: Path) -> Path:
    vectors = np.random.default_rng(0).standard_normal((CASES, DIMENSIONS)).round(3).tolist()
    rows = [{"task": f"task {number}", "vector": vector} for number, vector in enumerate(vectors)]
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return file


def interrupted(process: subprocess.Popen[str], home: Path, ending: signal.Signals) -> tuple[str, str]:
    """Send the signal once the first cases are in the ledger, and return what the process said."""
    with Ledger(home) as ledger, ledger.home.reader.connect() as connection:
        count = "SELECT count(*) FROM cases"
        while not connection.exec_driver_sql(count).scalar():
            connection.rollback()
            try:
                process.wait(timeout=0.02)
            except subprocess.TimeoutExpired:
                continue
            break
    process.send_signal(ending)
    return process.communicate(timeout=120)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_says_what_is_in_and_the_same_command_brings_the_rest(
    home: Path, tmp_path: Path, ending: signal.Signals
) -> None:
    file = many_cases(tmp_path / "cases.jsonl")
    command = ["cases", "import", str(file), "--home", str(home)]
    process = started(*command, cwd=tmp_path)
    out, err = interrupted(process, home, ending)
    assert (process.returncode, out, err.count("\n")) == (130, "", 1)
    assert "the same command again" in err
    stored = re.search(rf"the first ([\d,]+) of {CASES:,} cases", err)
    said = int(stored.group(1).replace(",", "")) if stored else 0
    with Ledger(home) as ledger, ledger.home.reader.connect() as connection:
        [kept] = connection.exec_driver_sql("SELECT count(*) FROM cases").one()
    assert said <= kept < CASES
    again = memento(*command, "--json", cwd=tmp_path, timeout=240)
    told = json.loads(again.stdout)
    assert (again.returncode, told["read"], told["added"]) == (0, CASES, CASES - kept)
