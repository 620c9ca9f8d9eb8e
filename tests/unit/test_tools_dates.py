from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.tools import ToolException

from memento.tools import ToolConfig, basic_tools

TOOLS = {tool.name: tool for tool in basic_tools(ToolConfig())}


def call(name: str, **arguments: Any) -> str:
    result = TOOLS[name].invoke(arguments)
    assert isinstance(result, str)
    return result


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-03",
        "2024/3/3",
        "20240303",
        "2024-03-03T10:00:00Z",
        "March 3, 2024",
        "March 3rd, 2024",
        "Mar. 3 2024",
        "3 March 2024",
        "3-Mar-2024",
        "the 3rd of March, 2024",
        "Sunday, March 3, 2024",
        "  march   3,  2024 ",
        "03/03/2024",
    ],
)
def test_dates_as_people_write_them(text: str) -> None:
    assert call("add_to_date", date=text, amount=0, unit="days") == "2024-03-03"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("03/04/2024", "two ways: write the date as 2024-03-04 or 2024-04-03"),
        ("March 2024", "not a full date"),
        ("2024", "not a full date"),
        ("March 3", "not a full date"),
        ("next friday", "not a full date"),
        ("2024-02-30", "not in the calendar"),
        ("0000-01-01", "not in the calendar"),
        ("Monday, March 3, 2024", "is a Sunday"),
        ("3 Ma 2024", "no month that is known"),
        ("٢٠٢٤-٠٣-٠٣", "not a full date"),
        ("x" * 1_000_000, "not a full date"),
        ("", "not a full date"),
    ],
)
def test_what_is_not_one_date_is_refused(text: str, message: str) -> None:
    with pytest.raises(ToolException, match=message):
        call("weekday", date=text)


def test_numeric_dates_that_can_be_read_in_one_way_only() -> None:
    assert call("days_between", start="13/04/2024", end="04/13/2024") == "0"


@pytest.mark.parametrize(
    ("date", "amount", "unit", "expected"),
    [
        ("2024-03-01", 45, "days", "2024-04-15"),
        ("2024-03-01", -3, "weeks", "2024-02-09"),
        ("2024-01-31", 1, "month", "2024-02-29"),
        ("2024-03-31", -1, "months", "2024-02-29"),
        ("2024-02-29", 1, "years", "2025-02-28"),
        ("2024-03-01", 10, "business days", "2024-03-15"),
        ("2024-03-02", 1, "business_days", "2024-03-04"),
        ("2024-03-03", -1, "workdays", "2024-03-01"),
        ("2024-03-02", 0, "business_days", "2024-03-02"),
    ],
)
def test_add_to_date(date: str, amount: int, unit: str, expected: str) -> None:
    assert call("add_to_date", date=date, amount=amount, unit=unit) == expected


@pytest.mark.parametrize(
    ("amount", "unit", "message"),
    [
        (4_000_000, "days", "outside the years"),
        (-4_000_000, "business_days", "outside the years"),
        (4_000_000, "years", "outside the years"),
        (10**30, "days", "amount"),
        (1, "fortnights", "'days', 'weeks'"),
        ("many", "days", "amount"),
    ],
)
def test_add_to_date_refuses_with_advice(amount: object, unit: str, message: str) -> None:
    with pytest.raises(ToolException, match=message):
        call("add_to_date", date="2024-03-01", amount=amount, unit=unit)


DATES = st.dates(dt.date(1900, 1, 1), dt.date(2200, 1, 1))


@given(DATES, st.integers(-20_000, 20_000))
def test_days_between_undoes_add_to_date(start: dt.date, days: int) -> None:
    end = call("add_to_date", date=start.isoformat(), amount=days, unit="days")
    assert call("days_between", start=start.isoformat(), end=end) == str(days)
    assert call("weekday", date=end) == (start + dt.timedelta(days=days)).strftime("%A")


@given(DATES, st.integers(-60, 60).filter(bool))
def test_business_days_are_counted_one_by_one(start: dt.date, amount: int) -> None:
    day, left, step = start, abs(amount), 1 if amount > 0 else -1
    while left:
        day += dt.timedelta(days=step)
        left -= day.weekday() < 5
    assert call("add_to_date", date=start.isoformat(), amount=amount, unit="business_days") == day.isoformat()


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("2h 45m + 1h 30m", "4 h 15 min"),
        ("2 hours and 45 minutes plus 1 hour, 30 minutes", "4 h 15 min"),
        ("1:30 + 0:45", "2 h 15 min"),
        ("14:30 - 9:15", "5 h 15 min"),
        ("9:15 am to 2:30 pm", "5 h 15 min"),
        ("from 22:00 to 6:30", "8 h 30 min"),
        ("90 minutes in hours", "1.5"),
        ("100 min to hours", "1.66666666667"),
        ("2 weeks in days", "14"),
        ("1h - 2h", "-1 h"),
        ("26 hours", "26 h"),
        ("1 day 26 hours", "2 d 2 h"),
        ("1.5 hours", "1 h 30 min"),
        ("0.5 s", "0.5 s"),
        ("1h - 60 min", "0 s"),
    ],
)
def test_duration(expression: str, expected: str) -> None:
    assert call("duration", expression=expression) == expected


@pytest.mark.parametrize(
    "expression", ["", "abc", "1:75", "3 months", "13:00 pm", "5", "h", "1h " * 1_000_000]
)
def test_duration_refuses_with_advice(expression: str) -> None:
    with pytest.raises(ToolException, match=r"^duration: "):
        call("duration", expression=expression)
