"""Calibration: predictions that are right are said to be right."""

import numpy as np
import pytest

from memento.bench.calibration import calibration
from memento.bench.simulation import run_cell


def test_right_predictions_cover_68_percent_and_lie_on_the_diagonal() -> None:
    rng = np.random.default_rng(0)
    means, stds = rng.uniform(0, 1, 4000), rng.uniform(0.05, 0.2, 4000)
    rows = np.stack([means, stds, means + stds * rng.standard_normal(4000)], axis=1)
    found = calibration(rows.tolist())
    assert found is not None
    assert found["coverage"] == pytest.approx(0.683, abs=0.02)
    assert found["bias"] == pytest.approx(0, abs=0.01)
    assert [point[1] for point in found["curve"]] == pytest.approx(
        [point[0] for point in found["curve"]], abs=0.03
    )


def test_predictions_that_are_too_sure_of_too_much_are_found_out() -> None:
    found = calibration([[0.9, 0.01, 0.4]] * 5)
    assert found is not None
    assert (found["coverage"], found["count"], len(found["curve"])) == (0.0, 5, 5)
    assert found["bias"] == pytest.approx(0.5)
    assert calibration([]) is None


def test_a_policy_predicts_success_with_each_shown_case_alone() -> None:
    done = run_cell("similar", "kernel", seed=0, steps=60)
    assert [len(rows) for rows in done.predicted] == done.shown
    alone = [step for step, rows in enumerate(done.predicted) if len(rows) == 1]
    assert alone
    assert all(done.predicted[step][0][2] == done.success[step] for step in alone)
