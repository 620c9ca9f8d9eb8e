"""A misleading bank's experiment over real graphs, tools and banks, with a scripted model in the model's
place.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from memento.demo.experiment import RESULTS
from memento.demo.misleading import SETS, make_bank
from memento.demo.misleading_run import Outcome, Plan, run_plan
from memento.errors import UsageError
from memento.memory import CaseBank, Ledger
from tests.agent import final
from tests.openai_stub import OpenAIStub, chat_model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from memento.memory.embeddings import Encoder


@pytest.fixture
def wrong() -> Iterator[OpenAIStub]:
    """A model that answers every task, and always wrongly."""
    with OpenAIStub(lambda _request: final("wrong", used=[])) as server:
        yield server


def plan(**given: Any) -> Plan:
    usual: dict[str, Any] = {"set_name": "second", "mode": "fixed", "arms": ("similarity",), "seeds": (0,)}
    return Plan(**{**usual, "tasks": 3, **given})


def run(of: Plan, folder: Path, encoder: Encoder, stub: OpenAIStub) -> list[Outcome]:
    return run_plan(of, folder, encoder=encoder, model=chat_model(stub), quiet=True)


def timeless(rows: list[Outcome]) -> list[dict[str, Any]]:
    """The rows without what differs from one run to the next."""
    return [{**asdict(row), "seconds": 0, "made": row.made is not None} for row in rows]


def test_the_arms_meet_the_same_tasks_and_clean_never_sees_a_misleading_case(
    tmp_path: Path, encoder: Encoder, wrong: OpenAIStub
) -> None:
    arms = ("none", "similarity", "auto", "clean")
    rows = run(plan(arms=arms, tasks=4), tmp_path, encoder, wrong)
    by_arm = {arm: [row for row in rows if row.arm == arm] for arm in arms}
    assert len({tuple(row.task for row in mine) for mine in by_arm.values()}) == 1
    assert [len(mine) for mine in by_arm.values()] == [4, 4, 4, 4]
    assert all(row.shown == 0 for row in by_arm["none"])
    assert all(row.bad == 0 for row in by_arm["clean"])
    assert all(row.shown == 4 for row in by_arm["similarity"])
    assert sum(row.bad for row in by_arm["similarity"]) > 0


def test_a_run_of_the_floor_is_marked_as_one_and_shows_nothing(
    tmp_path: Path, encoder: Encoder, wrong: OpenAIStub
) -> None:
    rows = run(plan(arms=("none", "auto"), tasks=30), tmp_path, encoder, wrong)
    floor = [row for row in rows if row.floor]
    assert floor
    assert {(row.arm, row.shown) for row in floor} == {("auto", 0)}


@pytest.mark.parametrize(("mode", "made"), [("fixed", False), ("growing", True)])
def test_only_a_growing_bank_takes_runs_in(
    mode: Any, made: bool, tmp_path: Path, encoder: Encoder, wrong: OpenAIStub
) -> None:
    rows = run(plan(mode=mode), tmp_path, encoder, wrong)
    assert [row.made is not None for row in rows] == [made] * 3


def test_where_the_judge_errs_the_true_success_is_reported_and_the_false_one_misleads_from_then_on(
    tmp_path: Path, encoder: Encoder, wrong: OpenAIStub
) -> None:
    rows = run(plan(mode="noisy-judge", tasks=12, k=64), tmp_path, encoder, wrong)
    assert [row.judged for row in rows] == [0, 0, 0, 1] * 3
    assert [row.reward for row in rows] == [0] * 12
    # 64 cases are all there are: 6 that mislead from the first, and the false successes of tasks 4 and 8.
    assert [row.bad for row in rows] == [6] * 4 + [7] * 4 + [8] * 4


def test_from_one_seed_case_it_is_told_when_that_case_was_shown(
    tmp_path: Path, encoder: Encoder, wrong: OpenAIStub
) -> None:
    rows = run(plan(mode="single", arms=("none", "similarity"), seeds=(1,)), tmp_path, encoder, wrong)
    assert [row.single for row in rows] == [False, True] * 3
    assert {row.seed_family for row in rows} == {SETS["second"].families[1].name}
    assert {row.bad for row in rows} == {0}


# What runs add has ids that are drawn, and of equally near cases the lower id comes first: where the bank
# grows, what `auto` shows is only the same in the same bank.
@pytest.mark.parametrize(("mode", "same"), [("growing", {"similarity"}), ("fixed", {"similarity", "auto"})])
def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(
    mode: Any, same: set[str], tmp_path: Path, encoder: Encoder, wrong: OpenAIStub
) -> None:
    arms = ("similarity", "auto")
    whole = run(plan(mode=mode, arms=arms, tasks=5), tmp_path / "whole", encoder, wrong)
    first = run(plan(mode=mode, arms=arms, tasks=2), tmp_path / "parts", encoder, wrong)
    asked = len(wrong.requests)
    rest = run(plan(mode=mode, arms=arms, tasks=5), tmp_path / "parts", encoder, wrong)
    resumed, at_once = ([row for row in rows if row.arm in same] for rows in (rest, whole))
    assert timeless(resumed) == timeless(at_once)
    assert [row.arm for row in rest] == [row.arm for row in whole]
    assert rest[:4] == first
    assert len(wrong.requests) - asked == 6
    assert run(plan(mode=mode, arms=arms, tasks=5), tmp_path / "parts", encoder, wrong) == rest
    assert len(wrong.requests) - asked == 6


def test_a_row_that_was_cut_short_is_written_anew_from_the_ledger_without_another_run(
    tmp_path: Path, encoder: Encoder, wrong: OpenAIStub
) -> None:
    of = plan(mode="growing")
    rows = run(of, tmp_path, encoder, wrong)
    file = tmp_path / of.name / RESULTS
    file.write_bytes(file.read_bytes()[:-20])
    asked = len(wrong.requests)
    assert run(of, tmp_path, encoder, wrong) == rows
    assert len(wrong.requests) == asked
    assert [Outcome(**json.loads(line)) for line in file.read_text().splitlines()] == rows
    with Ledger(tmp_path / of.name / "seed-0" / "similarity", create=False) as ledger:
        assert len(ledger.runs()) == 3


def test_more_tasks_than_the_families_have_and_a_folder_of_something_else_are_refused(
    tmp_path: Path, encoder: Encoder, wrong: OpenAIStub
) -> None:
    with pytest.raises(UsageError, match="9000 tasks are too many"):
        run(plan(tasks=9000), tmp_path, encoder, wrong)
    (tmp_path / plan().name).mkdir()
    (tmp_path / plan().name / RESULTS).write_text('{"no": "row"}\n')
    with pytest.raises(UsageError, match="--out"):
        run(plan(), tmp_path, encoder, wrong)
    assert not wrong.requests


def test_the_banks_hold_what_was_made_for_the_seed(
    tmp_path: Path, encoder: Encoder, wrong: OpenAIStub
) -> None:
    of = plan(arms=("similarity", "clean"), tasks=1)
    run(of, tmp_path, encoder, wrong)
    made = make_bank(SETS["second"], 0)
    held = {}
    for arm in of.arms:
        with CaseBank(tmp_path / of.name / "seed-0" / arm, encoder) as bank:
            held[arm] = {case.id for case in bank.all("seed-0")}
    assert held["clean"] == {case.id for case in made.good}
    assert held["similarity"] - held["clean"] == {case.id for case in made.misleading}
