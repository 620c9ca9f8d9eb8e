"""What was acknowledged survives being killed at any moment. `make crash-test` does so 250 times."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.memory_tools import ROOT, child_environment


def test_nothing_that_was_acknowledged_is_lost_by_being_killed() -> None:
    done = subprocess.run(
        [sys.executable, "bench/crash.py", "--kills", "12", "--terms", "3", "--json"],
        env=child_environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    found = json.loads(done.stdout)
    assert sum(found["trials"].values()) == 15
    assert found["acknowledged"] > 0
    assert (found["lost"], found["homes that do not open"], found["differences"]) == ([], [], [])
