"""The real model that ships with the product: SmolLM2-135M in llama.cpp."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.own_tools import measure
from memento.demo.experiment import demonstration, run_demo
from memento.demo.families import FAMILIES
from memento.demo.report import summary
from memento.memory import CaseBank

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def memento(*arguments: str) -> dict[str, Any]:
    """Run a command in a process of its own and read its JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "memento", *arguments, "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_with_tools_of_ones_own_memory_beats_no_memory_by_far(tmp_path: Path) -> None:
    rates = measure(tasks=6, seed=1, home=tmp_path)
    assert rates["memory"] >= 0.6
    assert rates["memory"] - rates["no memory"] >= 0.4


def test_a_task_solved_before_is_solved_again_in_a_new_process_with_that_case_shown(tmp_path: Path) -> None:
    home = str(tmp_path / "home")
    cases = [demonstration(family) for family in FAMILIES if family.kind in {"percentages", "units"}]
    with CaseBank(home) as bank:
        bank.add_many(cases)
    task = ("What is 17% of 2340?", "--reference", "397.8", "--planner", "local", "--executor", "local")
    first = memento("run", *task, "--home", home)
    second = memento("run", *task, "--home", home)
    assert first["solved"]
    assert second["solved"]
    assert first["case_id"] in [shown["case_id"] for shown in second["retrieved"]]
    assert second["case_id"] == first["case_id"]
    with CaseBank(home, read_only=True) as bank:
        assert bank.count() == len(cases) + 1


def test_the_demo_reports_every_arm_over_the_same_tasks_and_draws_the_curve(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    results = run_demo(folder, tasks=2, seeds=[3], quiet=True)
    figures = summary(results, folder)
    assert figures["tasks"] == 2
    assert set(figures["success"]) == {"no memory", "frozen seeds", "learning"}
    assert len((folder / "results.jsonl").read_text().splitlines()) == 6
    assert Path(figures["plot"]).read_bytes().startswith(b"\x89PNG")


def test_the_bench_of_misleading_banks_runs_its_arms_on_the_same_task(tmp_path: Path) -> None:
    asked = ["--families=second", "--arms=similarity,clean", "--tasks=1", "--seeds=1", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "bench.misleading_bank", *asked, f"--out={tmp_path}"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    (figures,) = json.loads(done.stdout)["plans"]
    assert figures["tasks"] == 1
    assert {arm: spans["all"]["shown"] for arm, spans in figures["arms"].items()}["similarity"] == 4
    assert figures["arms"]["clean"]["all"]["bad"] == 0
    written = next(tmp_path.rglob("results.jsonl")).read_text()
    answers = [json.loads(line)["answer"] for line in written.splitlines()]
    assert len(answers) == 2
    assert not any(answer.startswith("not solved") for answer in answers)
