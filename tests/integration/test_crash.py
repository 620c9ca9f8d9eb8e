"""What was acknowledged survives being killed at any moment. `make crash-test` does so 250 times."""

from __future__ import annotations

from tests.memory_tools import bench


def test_nothing_that_was_acknowledged_is_lost_by_being_killed() -> None:
    found = bench("crash.py", "--kills", "12", "--terms", "3")
    assert sum(found["trials"].values()) == 15
    assert found["acknowledged"] > 0
    assert (found["lost"], found["homes that do not open"], found["differences"]) == ([], [], [])
