"""What the tests of the memory share: cases, runs and child processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from memento.memory import Case, CaseBank, Ledger, RunRecord
from tests.conftest import WordEncoder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
DIMENSIONS = 64


def open_bank(home: Any, **options: Any) -> CaseBank:
    return CaseBank(home, WordEncoder(), **options)


def axis(index: int, lean: float = 0.0, towards: int = DIMENSIONS - 1) -> NDArray[np.float32]:
    """A unit vector along one axis; `lean` turns it towards another."""
    vector = np.zeros(DIMENSIONS, dtype=np.float32)
    vector[index] = 1.0
    vector[towards] += lean
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def step(*tools: str, subtask: str = "do it") -> dict[str, Any]:
    calls = [{"name": tool, "args": {}, "result": "done", "error": None} for tool in tools]
    return {"subtask": subtask, "tool_calls": calls, "result": "done"}


def demonstration(task: str, *tools: str) -> Case:
    return Case.from_demonstration(task=task, trajectory=[step(*tools)], answer="done")


def add_run(
    ledger: Ledger,
    run_id: str,
    case: Case | None = None,
    vector: NDArray[np.float32] | None = None,
    **about: Any,
) -> str | None:
    """Commit a run, with a case where one is given."""
    place = axis(0) if vector is None else vector
    record = RunRecord(
        run_id=run_id,
        namespace=about.pop("namespace", "default"),
        number=ledger.next_number("default"),
        vector=place,
        arm="learned",
        **{"task": "a task", **about},
    )
    return ledger.commit_run(record, about.get("reward"), case, place)


def run_case(run_id: str, task: str = "a task", *tools: str, **about: Any) -> Case:
    return Case(task=task, trajectory=[step(*tools)], source_run=run_id, namespace="default", **about)  # type: ignore[list-item]


def child_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without what would set Memento or OpenAI up."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MEMENTO_", "OPENAI_", "TAVILY_"))
    }
    return {**kept, "PYTHONPATH": str(ROOT), **(extra or {})}


def python(code: str, *arguments: object, cwd: Path, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run code in a new process, with the arguments as sys.argv[1:]."""
    return _python(["-c", code, *arguments], cwd=cwd, timeout=timeout)


def bench(script: str, *arguments: object) -> Any:
    """Run a script of bench/ in a new process, and return the JSON that it prints."""
    return json.loads(_python([f"bench/{script}", *arguments, "--json"], cwd=ROOT, timeout=300).stdout)


def memento(
    *arguments: object, cwd: Path, env: Mapping[str, str] | None = None, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a new process."""
    return _python(["-m", "memento", *arguments], cwd=cwd, timeout=timeout, env=env)


def started(*arguments: object, cwd: Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """The command line under way in a new process."""
    return subprocess.Popen(
        [sys.executable, "-m", "memento", *map(str, arguments)],
        env=child_environment(env),
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _python(
    arguments: Sequence[object], *, cwd: Path, timeout: float, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=child_environment(env),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
