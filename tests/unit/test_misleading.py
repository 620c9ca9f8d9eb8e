"""The banks of which a quarter misleads, the second families, and what is reported of them."""

from __future__ import annotations

import random
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from bench.misleading_bank import plans
from memento.demo import families, families_second
from memento.demo.families import DemoTask, solution
from memento.demo.misleading import SETS, Lure, TaskSet, make_bank, seed_case, stream
from memento.demo.misleading_report import summary
from memento.demo.misleading_run import Outcome, Plan, is_right, judge
from memento.demo.paired import difference
from memento.demo.records import go_on, record
from memento.errors import UsageError
from memento.graph import RunView

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EACH_SET = pytest.mark.parametrize("tasks", SETS.values(), ids=SETS)
EACH_LURE = pytest.mark.parametrize(
    ("tasks", "lure"),
    [(tasks, lure) for tasks in SETS.values() for lure in tasks.lures],
    ids=[f"{tasks.name}-{lure.family.name}" for tasks in SETS.values() for lure in tasks.lures],
)


def result(tasks: TaskSet, task: DemoTask) -> str:
    """What the real tools make of a task's solution."""
    tools = {tool.name: tool for tool in tasks.tools()}
    (step,) = task.steps
    return str(tools[step.tool].invoke(step.args))


def test_the_two_sets_share_neither_families_nor_the_tools_that_solve_them() -> None:
    demo, second = ({f.name for f in tasks.families} for tasks in (SETS["demo"], SETS["second"]))
    assert len(demo) == len(second) == 6
    assert not demo & second
    assert second == {family.name for family in families_second.FAMILIES}
    assert not {tool.name for tool in SETS["demo"].tools()} & {tool.name for tool in SETS["second"].tools()}
    assert demo < {family.name for family in families.FAMILIES}


@EACH_SET
@pytest.mark.parametrize("seed", [0, 1, 7])
def test_a_quarter_of_the_bank_misleads_and_is_marked_as_a_success(tasks: TaskSet, seed: int) -> None:
    bank = make_bank(tasks, seed)
    assert (len(bank.good), len(bank.misleading)) == (18, 6)
    assert {case.outcome for case in (*bank.good, *bank.misleading)} == {"success"}
    assert len({case.id for case in (*bank.good, *bank.misleading)}) == 24
    assert len({case.task for case in (*bank.good, *bank.misleading)}) == 24


@EACH_SET
def test_of_the_misleading_cases_four_called_the_wrong_tool_and_two_the_right_one_wrongly(
    tasks: TaskSet,
) -> None:
    rng = random.Random(5)
    wrong = 0
    for lure in tasks.lures:
        task = lure.family.make(rng)
        (right,), (lured,) = task.steps, lure.mislead(task).steps
        wrong += right.tool != lured.tool
        assert (right.tool, right.args) != (lured.tool, lured.args)
    assert wrong == 4


@EACH_LURE
def test_following_a_misleading_case_fails_and_following_a_good_one_does_not(
    tasks: TaskSet, lure: Lure
) -> None:
    rng = random.Random(11)
    for _ in range(60):
        task = lure.family.make(rng)
        assert is_right(task.task, result(tasks, task), task.reference)
        assert not is_right(task.task, result(tasks, lure.mislead(task)), task.reference)


@EACH_LURE
def test_a_misleading_case_has_a_task_like_its_familys_and_the_tools_real_result(
    tasks: TaskSet, lure: Lure
) -> None:
    bank = make_bank(tasks, 3)
    place = tasks.lures.index(lure)
    case = bank.misleading[place]
    task = bank.tasks[len(bank.good) + place]
    assert (case.task, task.family) == (task.task, lure.family.name)
    (step,) = case.trajectory
    (call,) = step["tool_calls"]
    assert call["error"] is None
    assert call["result"] == case.answer == result(tasks, lure.mislead(task))


@EACH_SET
def test_the_seed_decides_the_bank(tasks: TaskSet) -> None:
    ids = [{case.id for case in make_bank(tasks, seed).good} for seed in (4, 4, 5)]
    assert ids[0] == ids[1] != ids[2]


@EACH_SET
def test_a_bank_of_one_good_case_is_of_another_family_for_another_seed(tasks: TaskSet) -> None:
    banks = [seed_case(tasks, seed) for seed in range(6)]
    assert all((len(bank.good), len(bank.misleading)) == (1, 0) for bank in banks)
    assert {bank.tasks[0].family for bank in banks} == {family.name for family in tasks.families}


@EACH_SET
def test_more_tasks_begin_like_fewer_and_repeat_neither_each_other_nor_the_bank(tasks: TaskSet) -> None:
    bank = make_bank(tasks, 2)
    drawn = list(islice(stream(tasks.families, 2, bank.tasks), 300))
    assert drawn[:40] == list(islice(stream(tasks.families, 2, bank.tasks), 40))
    assert len({solution(task) for task in (*drawn, *bank.tasks)}) == 324
    assert len({task.task for task in (*drawn, *bank.tasks)}) == 324
    for start in range(0, 300, 6):
        assert {task.family for task in drawn[start : start + 6]} == {f.name for f in tasks.families}


def test_a_family_that_is_used_up_is_reported() -> None:
    tasks = SETS["second"]
    with pytest.raises(ValueError, match="no more different tasks"):
        list(islice(stream(tasks.families, 0, ()), 3000))


def test_the_noisy_judge_calls_every_fourth_failure_a_success() -> None:
    tasks = list(islice(stream(SETS["second"].families, 0, ()), 8))
    told = {mode: judge(mode, tasks) for mode in ("growing", "noisy-judge")}  # type: ignore[arg-type]

    def said(mode: str, task: DemoTask, answer: str) -> float:
        run = RunView(task=task.task, reference=task.reference, answer=answer, plan=[], trajectory=[])
        return told[mode](run)

    assert [said("noisy-judge", task, "wrong") for task in tasks] == [0, 0, 0, 1, 0, 0, 0, 1]
    assert [said("growing", task, "wrong") for task in tasks] == [0] * 8
    assert {said(mode, task, task.reference) for mode in told for task in tasks} == {1.0}


PLAN = Plan(set_name="demo", mode="fixed", arms=("similarity", "auto"), seeds=(0, 1), tasks=120)


def outcome(seed: int, number: int, arm: str, reward: float, **other: Any) -> Outcome:
    values: dict[str, Any] = {
        "plan": PLAN.name, "family": "loan", "seed_family": "loan", "judged": reward, "shown": 4, "bad": 0,
        "single": False, "seconds": 1.0, "made": None, "floor": False, "task": "t", "reference": "r",
        "answer": "a",
    }  # fmt: skip
    return Outcome(seed=seed, number=number, arm=arm, reward=reward, **{**values, **other})


def test_spans_are_by_seed_and_a_task_that_an_arm_lacks_does_not_count() -> None:
    rows = [
        outcome(seed, number, arm, float(arm == "auto" and number >= 60), bad=number < 50)
        for seed in (0, 1)
        for number in range(120)
        for arm in PLAN.arms
    ]
    rows.append(outcome(1, 120, "similarity", 1.0))
    figures = summary(PLAN, rows)
    assert (figures["tasks"], figures["seeds"]) == (240, [0, 1])
    auto = figures["arms"]["auto"]
    assert [auto[span]["success"] for span in ("all", "first", "last")] == [0.5, 0.0, 1.0]
    assert [auto[span]["bad"] for span in ("all", "first", "last")] == [50 / 120, 1.0, 0.0]
    gap = figures["differences"]["auto - similarity"]
    assert (gap["last"]["points"], gap["last"]["low"], gap["last"]["high"]) == (100, 100, 100)
    assert {seed: by["points"] for seed, by in gap["all"]["by_seed"].items()} == {0: 50, 1: 50}
    assert list(figures["differences"]) == ["auto - similarity"]


def test_the_difference_is_also_told_without_the_runs_of_the_floor() -> None:
    rows = [
        outcome(
            0, number, arm, float(arm == "similarity" or number < 90), floor=arm == "auto" and number >= 90
        )
        for number in range(120)
        for arm in PLAN.arms
    ]
    gap = summary(PLAN, rows)["differences"]["auto - similarity"]
    assert (gap["all"]["points"], gap["all"]["without_floor"]["points"]) == (-25, 0)
    assert (gap["last"]["points"], gap["last"]["without_floor"]["points"]) == (-50, 0)


@pytest.mark.parametrize("tasks", [1, 2, 3, 51])
def test_any_number_of_finished_tasks_is_compared_in_whole_tasks(tasks: int) -> None:
    rows = [
        outcome(0, number, arm, float(number == tasks - 1)) for number in range(tasks) for arm in PLAN.arms
    ]
    figures = summary(PLAN, rows)
    gaps = figures["differences"]["auto - similarity"]
    assert [gaps[span]["points"] for span in ("all", "first", "last")] == [0, 0, 0]
    last = 1 / ((tasks + 1) // 2)
    assert {arm: spans["last"]["success"] for arm, spans in figures["arms"].items()} == pytest.approx(
        dict.fromkeys(PLAN.arms, last)
    )


def test_ctrl_c_keeps_what_is_there_and_more_rows_are_added_to_it(tmp_path: Path) -> None:
    wanted = [outcome(0, number, "auto", 1.0, answer="a\u2028b") for number in range(3)]

    def stopped(_progress: object) -> Iterator[Outcome]:
        yield from wanted[:2]
        raise KeyboardInterrupt

    file = tmp_path / "new" / "rows.jsonl"
    assert record(file, stopped, quiet=True) == wanted[:2]
    assert record(file, lambda _progress: iter(wanted[2:]), quiet=True) == wanted[2:]
    assert go_on(file, Outcome) == wanted


def test_nothing_finished_is_reported_as_such() -> None:
    assert summary(PLAN, [outcome(0, 0, "auto", 1.0)])["tasks"] == 0


def test_the_difference_is_paired() -> None:
    ours = [outcome(0, number, "auto", reward) for number, reward in enumerate((1, 1, 0, 1))]
    theirs = [outcome(0, number, "similarity", reward) for number, reward in enumerate((1, 0, 0, 0))]
    gap = difference(ours, list(reversed(theirs)))
    assert gap["points"] == 50
    # Gaps of 0, 100, 0, 100 points: standard deviation 57.7, its error 28.9.
    assert (round(gap["low"], 1), round(gap["high"], 1)) == (-6.6, 106.6)


def options(**given: Any) -> Any:
    usual = {
        "families": "both", "mode": "fixed", "arms": None, "tasks": 9, "seeds": 2, "seed": 3, "k": 4,
    }  # fmt: skip
    return type("Options", (), {**usual, **given})()


def test_both_sets_are_two_plans_with_the_modes_arms() -> None:
    fixed = plans(options())
    assert [plan.set_name for plan in fixed] == ["demo", "second"]
    assert {plan.seeds for plan in fixed} == {(3, 4)}
    assert set(fixed[0].arms) == {"clean", "similarity", "auto"}
    assert set(plans(options(mode="single"))[0].arms) == {"none", "similarity", "auto"}


@pytest.mark.parametrize(
    "wrong", [{"arms": "auto,best"}, {"arms": ","}, {"tasks": 0}, {"seeds": 0}, {"k": 0}]
)
def test_options_that_cannot_be_meant_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        plans(options(**wrong))
