"""What the runs before the window still say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memento.memory import CaseBank, build_policy
from memento.memory.advantage_q import AdvantageQ
from memento.memory.advantage_terms import Cases, Trials
from memento.memory.earlier import records
from memento.memory.why import explain
from tests.memory_tools import axis, demonstration, open_bank

if TYPE_CHECKING:
    from pathlib import Path

    from memento.memory.fold import State
    from memento.memory.policy import Policy

WINDOW = 64
RUNS = st.lists(
    st.tuples(st.lists(st.integers(0, 5), max_size=3, unique=True), st.booleans(), st.floats(0.2, 2.0)),
    max_size=20,
)


def trials_of(runs: list[tuple[list[int], bool, float]]) -> Trials:
    codes = np.asarray([case for shown, _, _ in runs for case in shown], np.int64)
    nothing = np.zeros(len(codes))
    return Trials(
        tasks=np.zeros((len(runs), 48), np.float32),
        parts=np.zeros((len(runs), 24)),
        sizes=np.asarray([len(shown) for shown, _, _ in runs], np.int64),
        rewards=np.asarray([float(reward) for _, reward, _ in runs]),
        weights=np.asarray([weight for _, _, weight in runs]),
        slots=Cases(
            codes, codes, codes, np.zeros((len(codes), 48), np.float32), np.column_stack([nothing] * 7)
        ),
        slot_runs=np.repeat(np.arange(len(runs)), [len(shown) for shown, _, _ in runs]).astype(np.int64),
        slot_shares=np.asarray([1 / len(shown) for shown, _, _ in runs for _ in shown]),
    )


@given(runs=RUNS)
def test_a_record_is_the_shrunk_mean_of_how_much_better_than_others_a_cases_runs_ended(
    runs: list[tuple[list[int], bool, float]],
) -> None:
    found = records(trials_of(runs))
    shown = [run for run in runs if run[0]]
    assert set(found) == {case for cases, _, _ in shown for case in cases}
    for case, record in found.items():
        usual = sum(reward * weight for _, reward, weight in shown) / sum(weight for *_, weight in shown)
        mine = [(reward, weight, 1 / len(cases)) for cases, reward, weight in shown if case in cases]
        total = sum(share * weight * (reward - usual) for reward, weight, share in mine)
        assert record == pytest.approx(total / (sum(w * a * a for _, w, a in mine) + 0.21 / 0.014))


@pytest.fixture
def small_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """And hyperparameters that are found every 128 runs from the 64th on."""
    for name, value in (("WINDOW", WINDOW), ("_FITTED_AT", (8, 16, 32, 64)), ("_FITTED_EVERY", 128)):
        monkeypatch.setattr(f"memento.memory.fold.{name}", value)


def fill(bank: CaseBank) -> list[str]:
    cases = [demonstration(f"task {n}", f"tool{n}") for n in range(3)]
    return bank.add_many(cases, [axis(n) for n in range(3)])


def learned(policy: Policy) -> State:
    assert isinstance(policy.q_function, AdvantageQ)
    selection = policy.select(axis(0))
    return policy.q_function.before(policy.bank.namespace, selection.number, axis(0)).state


def show(policy: Policy, number: int, reward: float) -> None:
    """A run on a task of its own that shows its nearest case."""
    selection = policy.select(axis(number))
    policy.record(selection, reward=reward)


@pytest.mark.usefixtures("small_window")
def test_a_case_that_did_badly_before_the_window_is_still_known_by_it(quick_bank: CaseBank) -> None:
    ids = fill(quick_bank)
    nearest, nothing = (build_policy(name, bank=quick_bank, k=1) for name in ("similarity", "none"))
    for number in range(60):
        show(nearest, number % 2, reward=float(number % 2))
    for _ in range(WINDOW + 70):
        show(nothing, 0, reward=0.5)
    why = {
        one.case_id: one.made_of["record"]
        for one in explain(build_policy("auto", bank=quick_bank), axis(5)).candidates
    }
    assert why[ids[0]] < -0.05
    assert why[ids[1]] > 0.05
    assert why[ids[2]] == 0


@pytest.mark.usefixtures("small_window")
def test_runs_without_cases_before_the_window_say_what_happens_without_cases(quick_bank: CaseBank) -> None:
    quick_bank.add_many([demonstration("task", "tool")], [axis(0)])
    nearest, nothing = (build_policy(name, bank=quick_bank, k=1) for name in ("similarity", "none"))
    for number in range(60):
        show(nothing, 1 + number % 9, reward=float(number % 5 == 0))
    for _ in range(WINDOW + 70):
        show(nearest, 0, reward=1.0)
    selection = build_policy("auto", bank=quick_bank).select(axis(1))
    assert selection.without == pytest.approx(0.2, abs=0.08)
    assert learned(build_policy("auto", bank=quick_bank)).doubt < 0.01


@pytest.mark.usefixtures("small_window")
def test_a_reward_that_comes_when_its_run_has_left_the_window_counts_as_if_it_had_come_at_once(
    tmp_path: Path,
) -> None:
    states = []
    for late in (False, True):
        with open_bank(tmp_path / str(late)) as bank:
            fill(bank)
            policy = build_policy("similarity", bank=bank, k=2)
            watching = build_policy("auto", bank=bank)
            first = policy.select(axis(0))
            policy.record(first, reward=None if late else 1.0)
            for number in range(WINDOW + 140):
                show(policy, number % 3, reward=float(number % 3 == 0))
            learned(watching)
            if late:
                bank.ledger.feedback(first.run_id, 1.0)
            states.append(learned(watching))
    one, other = states
    assert (one.marks.records, one.doubt) == (other.marks.records, other.doubt)
    assert one.posterior.hyper == other.posterior.hyper
    asked = np.eye(24)
    assert (one.posterior.baseline_of(asked) == other.posterior.baseline_of(asked)).all()
