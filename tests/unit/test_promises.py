"""How far slates keep what was promised of them, what exploring cost, and whether cases help at all."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from memento.memory.advantage_terms import NOISE
from memento.memory.promises import (
    KINDS,
    Account,
    cost_of_exploring,
    credible_gain,
    doubt_of_help,
    faded,
    kept,
)

accounts = st.lists(
    st.builds(
        Account,
        kind=st.integers(0, len(KINDS) - 1),
        promised=st.floats(-1, 1),
        came=st.sampled_from([0.0, 1.0, 0.3, math.nan]),
        weight=st.floats(0.1, 2),
        gained=st.floats(-0.5, 0.5),
        number=st.integers(1, 500),
        forgone=st.floats(0, 0.5),
    ),
    max_size=12,
)


def table(rows: list[Account], without: float = 0.0) -> NDArray[np.float64]:
    """The accounts, with what came beyond what happens without cases."""
    return np.asarray([row._replace(came=row.came - without) for row in rows], np.float64).reshape(-1, 7)


def some(kind: str, count: int, *, promised: float, came: float) -> NDArray[np.float64]:
    account = Account(KINDS.index(kind), promised, came, 1.0, promised, 1)
    return table([account] * count)


@given(rows=accounts, kind=st.sampled_from(KINDS))
def test_what_is_kept_is_the_bayesian_regression_of_what_came_on_what_was_promised(
    rows: list[Account], kind: str
) -> None:
    found, prior = kept(kind, table(rows, 0.1)), kept(kind, table([]))
    mine = [row for row in rows if KINDS[row.kind] == kind and math.isfinite(row.came)]
    # The prior as two observations more, each row scaled by its noise: ordinary least squares.
    root = np.linalg.cholesky(np.linalg.inv(prior.covariance)).T
    scale = np.sqrt([row.weight / NOISE for row in mine])
    rows_of_design = np.asarray([(1.0, row.promised) for row in mine]).reshape(-1, 2)
    design = np.vstack([root, scale[:, None] * rows_of_design])
    target = np.r_[root @ prior.mean, scale * np.asarray([row.came - 0.1 for row in mine])]
    assert found.mean == pytest.approx(np.linalg.lstsq(design, target, rcond=None)[0], abs=1e-8)
    assert found.covariance == pytest.approx(np.linalg.inv(design.T @ design), abs=1e-8)


def test_what_came_is_counted_from_what_is_known_of_runs_without_cases_now() -> None:
    rows = [Account(1, 0.2, 0.6, 1.0, 0.0, 1)] * 50
    low, high = kept("learned", table(rows, 0.1)), kept("learned", table(rows, 0.6))
    assert low.worth(0.2) > 0.35
    assert abs(high.worth(0.2)) < 0.1


def test_exploring_costs_what_it_is_known_to_fall_behind() -> None:
    poor, rich = some("explored", 30, promised=0.2, came=-0.2), some("explored", 30, promised=0.2, came=0.3)
    assert cost_of_exploring(poor, kept("explored", poor)) > 30 * 0.08
    assert cost_of_exploring(rich, kept("explored", rich)) == 0
    unknown, prior = some("explored", 4, promised=0.1, came=math.nan), kept("explored", table([]))
    assert cost_of_exploring(unknown, prior) == pytest.approx(-4 * float(prior.worth(0.1)))
    unknown[:, 4] = 0.0  # instead of cases of which as much is promised
    assert cost_of_exploring(unknown, prior) == pytest.approx(4 * (0.1 - float(prior.worth(0.1))))
    unknown[:, 6] = 0.3  # or of the best known, which is worth so much more
    assert cost_of_exploring(unknown, prior) == pytest.approx(4 * (0.4 - float(prior.worth(0.1))))


@given(rows=accounts, kind=st.sampled_from(KINDS), promised=st.floats(-1, 1), hope=st.floats(0, 2))
def test_hope_adds_standard_deviations_of_what_is_expected_and_makes_no_exploring_dearer(
    rows: list[Account], kind: str, promised: float, hope: float
) -> None:
    known, row = kept(kind, table(rows, 0.1)), np.asarray([1.0, promised])
    more = float(known.worth(promised, hope) - known.worth(promised))
    assert more == pytest.approx(hope * math.sqrt(row @ known.covariance @ row), abs=1e-9)
    told = table(rows, 0.1)
    assert cost_of_exploring(told, known, hope) <= cost_of_exploring(told, known) + 1e-9


def test_what_learned_slates_kept_long_ago_fades_and_what_the_nearest_cases_did_does_not() -> None:
    for kind in KINDS:
        rows = some(kind, 50, promised=0.2, came=0.6)
        now, later = (kept(kind, faded(rows, number)).worth(0.2) for number in (1, 3000))
        prior = kept(kind, table([])).worth(0.2)
        assert later == pytest.approx(now if kind == "similarity" else prior, abs=0.01)


def test_gains_within_chance_are_no_gains() -> None:
    assert credible_gain(some("learned", 4, promised=0.2, came=0.2)) == 0
    assert credible_gain(some("learned", 100, promised=0.2, came=0.2)) == pytest.approx(
        20 - math.sqrt(100 * NOISE)
    )
    assert credible_gain(table([])) == 0


@given(helps=st.integers(0, 30), fails=st.integers(0, 30), alone=st.integers(0, 30))
def test_the_doubt_that_cases_help_is_a_probability_and_falls_with_every_success(
    helps: int, fails: int, alone: int
) -> None:
    def doubt(rewards: list[float]) -> float:
        shown = np.asarray([True] * len(rewards) + [False] * alone, dtype=bool)
        return doubt_of_help(shown, np.asarray(rewards + [0.0] * alone), np.ones(len(shown)))

    rewards = [1.0] * helps + [0.0] * fails
    assert 0 <= doubt(rewards) <= 0.5 + 1e-9
    if fails and alone:
        assert doubt([1.0] * (helps + 1) + [0.0] * (fails - 1)) < doubt(rewards)


def test_before_any_run_it_is_as_likely_as_not_that_cases_help() -> None:
    nothing = np.zeros(0)
    assert doubt_of_help(nothing > 0, nothing, nothing) == 0.5
    clear = np.asarray([True] * 20 + [False] * 4)
    assert doubt_of_help(clear, np.where(clear, 0.9, 0.0), np.ones(24)) < 0.01
    assert doubt_of_help(~clear, np.where(clear, 0.9, 0.0), np.ones(24)) > 0.99
