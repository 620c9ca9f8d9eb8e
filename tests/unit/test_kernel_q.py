"""KernelQ against its formulas written out, and as a function of the ledger alone."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memento.memory import Candidate, Ledger, RunRecord, Shown, kernel_q
from memento.memory.components import components, directions
from memento.memory.kernel_q import KernelQ
from memento.memory.outcomes import NEWEST, Outcomes
from memento.memory.q_function import QValues
from tests.memory_tools import DIMENSIONS, axis

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CASES = ("a", "b", "c")
USUAL = 0.2


@pytest.fixture
def ledger(home: Path) -> Iterator[Ledger]:
    with Ledger(home) as opened:
        yield opened


@dataclass(frozen=True)
class Past:
    """One run: a number for its task, what it showed, with cosines, what it used, and its reward."""

    task: int
    shown: dict[str, float]
    used: frozenset[str] | None
    reward: float
    weight: float


@st.composite
def pasts(draw: st.DrawFn) -> Past:
    shown = draw(st.dictionaries(st.sampled_from(CASES), st.floats(-0.2, 0.9), max_size=3))
    used = draw(st.none() | st.frozensets(st.sampled_from(CASES)))
    return Past(
        task=draw(st.integers(0, 4)),
        shown=shown,
        used=None if used is None else used & shown.keys(),
        reward=draw(st.sampled_from([0.0, 0.3, 1.0])),
        weight=draw(st.sampled_from([0.5, 1.0])),
    )


def place(task: int) -> NDArray[np.float32]:
    """Tasks that are near each other and not the same."""
    vector = np.random.default_rng(task // 2).standard_normal(DIMENSIONS)
    vector += 0.4 * np.random.default_rng(100 + task).standard_normal(DIMENSIONS)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def record(number: int, past: Past) -> RunRecord:
    slots = [
        Shown(
            case_id=case_id,
            rank=rank,
            similarity=cosine,
            q=0.5,
            q_std=0.1,
            propensity=0.5,
            used=None if past.used is None else case_id in past.used,
        )
        for rank, (case_id, cosine) in enumerate(past.shown.items())
    ]
    return RunRecord(
        run_id=f"r{number}",
        namespace="default",
        number=number,
        vector=place(past.task),
        arm="learned",
        shown=slots,
        usual_cosine=USUAL,
    )


def candidates() -> list[Candidate]:
    outcomes = ("success", "failure", "unknown")
    return [
        Candidate(case_id, 0.6 - 0.2 * number, axis(number), outcomes[number], ())  # type: ignore[arg-type]
        for number, case_id in enumerate(CASES)
    ]


def values(ledger: Ledger, task: int = 1) -> QValues:
    outcomes = Outcomes(ledger, "default")
    outcomes.refresh()
    return KernelQ().evaluate(place(task), candidates(), outcomes)


def fill(ledger: Ledger, history: Sequence[Past], *, first: int = 1) -> None:
    for number, past in enumerate(history, start=first):
        ledger.commit_run(record(number, past))
        ledger.feedback(f"r{number}", past.reward, weight=past.weight)


def same(one: QValues, other: QValues) -> bool:
    """To the last bit."""
    return all(np.array_equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(QValues))


# -- the textbook, a loop at a time


def written_out(task: int, history: Sequence[Past], width: float) -> tuple[Floats, float]:
    """Q of each candidate, and of nothing."""
    mean = [0.5, *[0.0] * 24, 0.05, 0.6, -0.6]
    std = [0.5, *[0.06] * 24, 0.4, 0.6, 0.3]
    rows, targets = [], []
    for at in range(28):  # the prior, as if it had been seen
        rows.append([float(at == other) / std[at] for other in range(28)])
        targets.append(mean[at] / std[at])
    for past in history:
        scale = np.sqrt(past.weight / 0.21)
        rows.append([scale * value for value in regressors(past)])
        targets.append(scale * past.reward)
    solved = np.linalg.lstsq(np.asarray(rows), np.asarray(targets), rcond=None)[0]

    here = Past(task, {}, None, 0.0, 1.0)
    void = float(regressors(here) @ solved)
    found = []
    usual = (sum(c.similarity for c in candidates()) + 0.15 * 61) / 64
    for candidate in candidates():
        doubt = {"success": 0.0, "failure": 1.0, "unknown": 1 / 6}[candidate.outcome]
        prior = void + solved[25] + solved[26] * (candidate.similarity - usual) + solved[27] * doubt
        near = pulled = total = surplus = 0.0
        for past in history:
            share = shares(past).get(candidate.case_id, 0.0)
            error = past.reward - float(regressors(past) @ solved)
            kernel = np.exp((float(look(task) @ look(past.task)) - 1.0) / width)
            near += past.weight * share**2 * kernel
            pulled += past.weight * share * kernel * error
            total += past.weight * share**2
            surplus += past.weight * share * error
        found.append(prior + (pulled + 2.0 * surplus / (total + 5.0)) / (near + 2.0))
    return np.asarray(found), void


def look(task: int) -> Floats:
    return directions(components(place(task)[None, :]))[0]


def shares(past: Past) -> dict[str, float]:
    credited = (past.used or frozenset()) or frozenset(past.shown)
    return {case_id: (1 / len(credited) if case_id in credited else 0.0) for case_id in past.shown}


def regressors(past: Past) -> Floats:
    deviation = sum(share * (past.shown[case_id] - USUAL) for case_id, share in shares(past).items())
    parts = components(place(past.task)[None, :])[0, :24]
    return np.asarray([1.0, *parts, float(bool(past.shown)), deviation, 0.0])


@given(history=st.lists(pasts(), max_size=12), task=st.integers(0, 5))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_q_is_the_textbooks(history: list[Past], task: int) -> None:
    with tempfile.TemporaryDirectory() as folder, Ledger(folder) as ledger:
        fill(ledger, history)
        found = values(ledger, task)
    q, void = written_out(task, history, 0.25)  # before 64 runs the width is the prior's
    np.testing.assert_allclose(found.q, q, atol=1e-4)
    assert found.void == pytest.approx(void, abs=1e-4)
    counts = [sum(shares(past).get(case_id, 0.0) * past.weight for past in history) for case_id in CASES]
    np.testing.assert_allclose(found.outcomes, counts)


# -- the width


@pytest.mark.parametrize(("local", "narrow"), [(True, True), (False, False)])
def test_the_width_is_narrow_where_a_case_helps_on_some_tasks_only(
    ledger: Ledger, local: bool, narrow: bool
) -> None:
    """Tasks 0 and 1 are near each other, and so are 2 and 3."""
    rng = np.random.default_rng(0)
    history = []
    for number in range(64):
        task = number % 4
        helps = (task < 2) if local else (number // 4 % 2 == 0)
        reward = float(rng.random() < (0.95 if helps else 0.05))
        shown = {"a": 0.4} if local or helps else {"b": 0.4}
        history.append(Past(task, shown, None, reward, 1.0))
    fill(ledger, history)
    outcomes = Outcomes(ledger, "default")
    outcomes.refresh()
    width = kernel_q.fitted_width(outcomes.recent()[1])
    assert (width <= 0.25) if narrow else (width >= 0.25)
    q = [values(ledger, task).q[0] for task in (0, 2)]
    assert (q[0] - q[1] > 0.4) if local else (abs(q[0] - q[1]) < 0.2)


@given(history=st.lists(pasts(), min_size=2, max_size=14))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_width_is_that_with_the_least_left_out_error(history: list[Past]) -> None:
    with tempfile.TemporaryDirectory() as folder, Ledger(folder) as ledger:
        fill(ledger, history)
        outcomes = Outcomes(ledger, "default")
        outcomes.refresh()
        lessons = outcomes.recent()[1]
    solved = kernel_q.regression(lessons)[0]
    errors = [past.reward - float(regressors(past) @ solved) for past in history]

    def density(width: float) -> float:
        lost = 0.0
        for case_id in CASES:
            share = [shares(past).get(case_id, 0.0) for past in history]
            weights = [past.weight for past in history]
            for left, past in enumerate(history):
                near = pulled = total = surplus = 0.0
                for other, there in enumerate(history):
                    if other != left:
                        kernel = np.exp((float(look(past.task) @ look(there.task)) - 1.0) / width)
                        near += weights[other] * share[other] ** 2 * kernel
                        pulled += weights[other] * share[other] * kernel * errors[other]
                        total += weights[other] * share[other] ** 2
                        surplus += weights[other] * share[other] * errors[other]
                foretold = (pulled + 2.0 * surplus / (total + 5.0)) / (near + 2.0)
                if share[left]:
                    lost += weights[left] * (errors[left] - share[left] * foretold) ** 2
        return float(-lost / 0.42 - 0.5 * np.log(width / 0.25) ** 2)

    densities = {width: density(width) for width in kernel_q.WIDTHS}
    assert densities[kernel_q.fitted_width(lessons)] == pytest.approx(max(densities.values()), abs=1e-5)


# -- a function of the ledger


@given(data=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_rewards_in_any_order_lead_to_the_same_values(data: st.DataObject) -> None:
    history = data.draw(st.lists(pasts(), min_size=1, max_size=70))
    count = len(history)
    order = data.draw(st.permutations(range(count)), label="order of writing")
    rewarded = data.draw(st.permutations(range(count)), label="order of the rewards")
    wrong = data.draw(st.sets(st.integers(0, count - 1)), label="first said wrong")
    with (
        tempfile.TemporaryDirectory() as folder,
        Ledger(f"{folder}/a") as at_once,
        Ledger(f"{folder}/b") as late,
    ):
        fill(at_once, history)
        following, function = Outcomes(late, "default"), KernelQ()
        for place_ in order:
            late.commit_run(record(place_ + 1, history[place_]))
        for place_ in wrong:
            late.feedback(f"r{place_ + 1}", 0.5, weight=history[place_].weight)
        for turn, place_ in enumerate(rewarded):
            for _ in range(1 + turn % 2):
                late.feedback(f"r{place_ + 1}", history[place_].reward, weight=history[place_].weight)
            if turn % 16 == 0:
                following.refresh()
                function.evaluate(place(0), candidates(), following)
        following.refresh()
        expected = values(at_once)
        assert same(values(late), expected)
        assert same(function.evaluate(place(1), candidates(), following), expected)


def test_of_a_case_the_newest_outcomes_count_whenever_their_rewards_came(ledger: Ledger) -> None:
    history = [Past(number % 5, {"a": 0.4}, None, float(number % 3 > 0), 1.0) for number in range(NEWEST + 8)]
    following = Outcomes(ledger, "default")
    for number in range(1, len(history) + 1):
        ledger.commit_run(record(number, history[number - 1]))
    for number in [*range(9, len(history) + 1), *range(1, 9)]:
        ledger.feedback(f"r{number}", history[number - 1].reward)
        if number % 20 == 0:
            following.refresh()
            following.of(["a"])
    following.refresh()
    opened = Outcomes(ledger, "default")
    opened.refresh()
    for outcomes in (following, opened):
        assert list(outcomes.of(["a"])[0].rewards) == [past.reward for past in history[8:]]
