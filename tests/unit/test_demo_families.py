"""The demo's tasks: their variety, their references, and that the real tools solve them."""

import csv
import random
from collections import Counter
from datetime import date
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest

from memento.demo.experiment import DEMO_FILES
from memento.demo.families import FAMILIES, SALES_CSV, DemoTask, Family, draw_tasks, number_text, seed_task
from memento.demo.make_sales import COLUMNS, sales_text
from memento.evaluators import normalize, same_number
from memento.tools import basic_tools

KINDS = {"arithmetic", "percentages", "units", "dates", "text", "sales"}
BY_NAME = {family.name: family for family in FAMILIES}
EACH_FAMILY = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def first_result(task: DemoTask) -> str:
    """What the first of two steps yields, worked out from the second step's arguments."""
    args = task.steps[1].args
    if "expression" in args:
        return str(args["expression"]).rpartition(" of ")[2]
    return str(args["date"] if "date" in args else args["text"])


def same_answer(answer: str, reference: str) -> bool:
    return normalize(answer) == normalize(reference) or same_number(answer, reference, 1e-4)


def test_there_are_enough_families_of_every_kind() -> None:
    assert 12 <= len(FAMILIES) <= 14
    assert len(BY_NAME) == len(FAMILIES)
    assert {family.kind for family in FAMILIES} == KINDS
    assert sum(family.two_step for family in FAMILIES) >= 4


def test_tasks_are_distinct_and_none_is_a_seed() -> None:
    tasks = draw_tasks(400, seed=3)
    texts = {task.task for task in tasks}
    assert len(texts) == 400
    assert not texts & {seed_task(family).task for family in FAMILIES}


def test_no_task_is_another_one_reworded() -> None:
    tasks = [*draw_tasks(400, seed=5), *map(seed_task, FAMILIES)]
    assert len({repr([(step.tool, step.args) for step in task.steps]) for task in tasks}) == len(tasks)


def test_the_seed_decides_the_tasks() -> None:
    assert draw_tasks(60, seed=1) == draw_tasks(60, seed=1)
    assert draw_tasks(60, seed=1) != draw_tasks(60, seed=2)
    assert [seed_task(family) for family in FAMILIES] == [seed_task(family) for family in FAMILIES]


@pytest.mark.parametrize("n", [0, 5, 14, 200, 211])
def test_families_are_balanced(n: int) -> None:
    counts = Counter(task.family for task in draw_tasks(n, seed=7))
    assert sum(counts.values()) == n
    shares = [counts[family.name] for family in FAMILIES]
    assert max(shares) - min(shares) <= 1


def test_families_come_in_random_order() -> None:
    names = [task.family for task in draw_tasks(200, seed=11)]
    assert len(set(names[:20])) >= 6
    assert sum(one == other for one, other in pairwise(names)) < 40


def test_a_used_up_family_is_reported() -> None:
    with pytest.raises(ValueError, match="different tasks"):
        draw_tasks(5000, seed=1)


@EACH_FAMILY
def test_a_family_varies_its_wording(family: Family) -> None:
    rng = random.Random(1)
    openings = (family.make(rng).task.split()[:4] for _ in range(60))
    assert len({(words[0], words[3] if words[3].isalpha() else "") for words in openings}) >= 2
    assert all(len(family.make(rng).task) < 110 for _ in range(60))


@EACH_FAMILY
def test_solutions_have_the_stated_number_of_steps(family: Family) -> None:
    task = seed_task(family)
    assert task.family == family.name
    assert len(task.steps) == 1 + family.two_step


@EACH_FAMILY
def test_everything_a_first_step_needs_stands_in_the_task(family: Family) -> None:
    rng = random.Random(2)
    for _ in range(40):
        task = family.make(rng)
        for name, value in task.steps[0].args.items():
            if name not in {"expression", "sql", "measure"}:
                assert str(value) in task.task


def test_a_second_step_builds_on_the_first_result() -> None:
    for task in draw_tasks(200, seed=13):
        if BY_NAME[task.family].two_step:
            assert "the result" in task.steps[1].subtask
            assert first_result(task) not in task.steps[1].subtask


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(3978, 10), "397.8"),
        (Fraction(1200), "1200"),
        (Fraction(1, 3), "0.333333"),
        (Fraction(-5, 2), "-2.5"),
        (Fraction(0), "0"),
    ],
)
def test_numbers_are_short_plain_decimals(value: Fraction, text: str) -> None:
    assert number_text(value) == text


def test_the_sales_table_is_what_its_script_writes() -> None:
    assert SALES_CSV.read_text(encoding="utf-8") == sales_text()


def test_the_sales_table_is_consistent() -> None:
    with SALES_CSV.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len({row["order_id"] for row in rows}) == 400
    assert tuple(rows[0]) == COLUMNS
    assert {row["region"] for row in rows} == {"North", "South", "East", "West"}
    assert len({row["product"] for row in rows}) == 8
    for row in rows:
        assert date.fromisoformat(row["date"]).year == 2024
        assert Fraction(row["revenue"]) == int(row["units"]) * Fraction(row["unit_price"])


@pytest.fixture(scope="module")
def tools() -> dict[str, Any]:
    return {tool.name: tool for tool in basic_tools(DEMO_FILES)}


@EACH_FAMILY
def test_the_real_tools_reach_the_reference(family: Family, tools: dict[str, Any]) -> None:
    rng = random.Random(17)
    for task in (seed_task(family), *(family.make(rng) for _ in range(8))):
        results = [str(tools[step.tool].invoke(step.args)) for step in task.steps]
        assert same_answer(results[-1], task.reference), (task, results)
        if family.two_step:
            assert same_answer(results[0], first_result(task)), (task, results)
