"""Intervals of means: what they hold, and what too few values leave unsaid."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memento.intervals import interval, signed

values = st.lists(st.floats(-100, 100), min_size=2, max_size=30)


@settings(deadline=None)  # the first call imports scipy
@given(values)
def test_an_interval_is_around_the_mean_and_student_s_is_the_wider_one(points: list[float]) -> None:
    normal, student = interval(points, student=False), interval(points, student=True)
    for found in (normal, student):
        assert found["points"] == pytest.approx(sum(points) / len(points), abs=1e-9)
    widths = [(found["high"] or 0.0) - (found["low"] or 0.0) for found in (normal, student)]
    assert 0 <= widths[0] <= widths[1] + 1e-9


def test_known_quantiles() -> None:
    assert interval([0.0, 2.0], student=False)["high"] == pytest.approx(1 + 1.96)
    assert interval([0.0, 2.0], student=True)["high"] == pytest.approx(1 + 12.706, abs=1e-3)


@pytest.mark.parametrize("student", [True, False])
def test_too_few_values_leave_it_unsaid(student: bool) -> None:
    assert interval([], student=student) == {"points": None, "low": None, "high": None}
    assert interval([3.0], student=student) == {"points": 3.0, "low": None, "high": None}
    assert signed(interval([3.0], student=student)) == "+3.0"
    assert signed(None) == signed(interval([], student=student)) == ""
    assert signed(interval([-1.0, -1.0], student=student)) == "-1.0±0.0"
