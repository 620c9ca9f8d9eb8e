"""Many runs at once over one home lose nothing. `bench/many_runs.py` makes 1,800 of them."""

from __future__ import annotations

from tests.memory_tools import bench


def test_runs_in_threads_and_in_tasks_lose_nothing_and_leave_the_event_loop_free() -> None:
    found = bench("many_runs.py", "--threads", "4", "--runs", "4", "--tasks", "16")
    assert {name: (one["runs"], one["errors"], one["lost"]) for name, one in found.items()} == {
        "threads": (16, 0, 0),
        "tasks": (16, 0, 0),
    }
    assert 0 < found["tasks"]["work"] < 1000
