"""The Cholesky factor of a covariance that grows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memento.memory.factor import Factor


@given(seed=st.integers(0, 10_000), first=st.integers(0, 6), more=st.integers(0, 6))
@settings(deadline=None)
def test_a_factor_that_grew_row_by_row_is_that_of_the_whole(seed: int, first: int, more: int) -> None:
    rng, count = np.random.default_rng(seed), first + more
    root = rng.standard_normal((count, 3))
    covariance = root @ root.T + np.diag(rng.uniform(0.2, 1.0, count))
    factor = Factor.of(covariance[:first, :first].astype(np.float32))
    for row in range(first, count):
        factor, along, left = factor.followed_by(
            covariance[row, :row].astype(np.float32), covariance[row, row]
        )
        assert along @ along + left**2 == pytest.approx(covariance[row, row], rel=1e-4)
    columns = rng.standard_normal((count, 2)).astype(np.float32)
    white = factor.whitened(columns)
    assert len(factor) == count
    assert white.T @ white == pytest.approx(
        columns.T @ np.linalg.solve(covariance, columns), rel=1e-3, abs=1e-3
    )
    assert factor.whitened(columns[:, 0]) == pytest.approx(white[:, 0], abs=1e-4)
    solved = np.linalg.solve(covariance, columns[:, 0])
    assert factor.weights(white[:, 0].copy()) == pytest.approx(solved, rel=1e-3, abs=1e-3)


def test_what_a_factor_was_is_left_as_it_is_when_it_grows() -> None:
    factor = Factor.of(np.asarray([[2.0]], np.float32))
    grown, _, _ = factor.followed_by(np.ones(1, np.float32), 3.0)
    grown.followed_by(np.ones(2, np.float32), 3.0)
    assert (len(factor), len(grown)) == (1, 2)
    assert factor.whitened(np.ones(1, np.float32)) == pytest.approx(1 / np.sqrt(2.0))


def test_a_row_that_says_nothing_new_does_not_break_the_factor() -> None:
    factor = Factor.of(np.asarray([[1.0]], np.float32))
    _, _, left = factor.followed_by(np.ones(1, np.float32), 1.0)
    assert left > 0
