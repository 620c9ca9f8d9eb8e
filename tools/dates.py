"""Calendar dates and durations."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from fractions import Fraction
from typing import Annotated, Any, Literal

from langchain_core.tools import ToolException
from pydantic import BaseModel, BeforeValidator, Field

from memento.tools.config import Offer, ToolConfig
from memento.tools.limits import make_tool

MAX_LENGTH = 400
MAX_AMOUNT = 4_000_000
_MONTHS = {name.lower(): number for number, name in enumerate(
    ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
     "November", "December"), start=1)}  # fmt: skip
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_ISO = re.compile(
    r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?:[t ]\d{1,2}:\d{2}.*)?|(\d{4})(\d{2})(\d{2})", re.ASCII
)
_NUMERIC = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})", re.ASCII)
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
_MONTH_DAY = re.compile(rf"([a-z]+)\.?\s+(?:the\s+)?{_DAY}\s*,?\s+(\d{{4}})", re.ASCII)
_DAY_MONTH = re.compile(rf"(?:the\s+)?{_DAY}[\s-]+(?:of\s+)?([a-z]+)\.?[\s,-]+(\d{{4}})", re.ASCII)
_WEEKDAY_BEFORE = re.compile(r"(mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+", re.ASCII)

_DATE = "A date such as 2024-03-03 or March 3, 2024"
Unit = Literal["days", "weeks", "months", "years", "business_days"]


def _unit_name(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    name = re.sub(r"[\s-]+", "_", value.strip().lower())
    name = {"workdays": "business_days", "working_days": "business_days", "weekdays": "business_days"}.get(
        name, name
    )
    return name if name.endswith("s") else name + "s"


class DaysBetweenArgs(BaseModel):
    start: str = Field(description=_DATE)
    end: str = Field(description=_DATE)


class AddToDateArgs(BaseModel):
    date: str = Field(description=_DATE)
    amount: int = Field(
        description="How many units to add; negative to go back", ge=-MAX_AMOUNT, le=MAX_AMOUNT
    )
    unit: Annotated[Unit, BeforeValidator(_unit_name)] = Field(description="What amount counts")


class WeekdayArgs(BaseModel):
    date: str = Field(description=_DATE)


class DurationArgs(BaseModel):
    expression: str = Field(
        description="Durations added or subtracted, such as 2h 45m + 1h 30m, or 90 min in hours"
    )


def days_between(start: str, end: str) -> str:
    """Count the days from one date to another; negative when the end comes first.

    Example: days_between(start="2024-03-01", end="2024-04-15") gives 45
    """
    return str((parse_date(end) - parse_date(start)).days)


def add_to_date(date: str, amount: int, unit: Unit) -> str:
    """Add days, weeks, months, years or business days (Monday to Friday) to a date, or take them away.

    A month that is too short for the day ends on its last day.
    Example: add_to_date(date="2024-03-01", amount=45, unit="days") gives 2024-04-15
    """
    day = parse_date(date)
    try:
        match unit:
            case "days":
                return (day + dt.timedelta(days=amount)).isoformat()
            case "weeks":
                return (day + dt.timedelta(weeks=amount)).isoformat()
            case "months":
                return _add_months(day, amount).isoformat()
            case "years":
                return _add_months(day, 12 * amount).isoformat()
            case "business_days":
                return _add_business_days(day, amount).isoformat()
    except (OverflowError, ValueError):
        raise ToolException(
            "add_to_date: the result is outside the years 1 to 9999; use a smaller amount"
        ) from None


def weekday(date: str) -> str:
    """Tell which day of the week a date is.

    Example: weekday(date="2024-03-01") gives Friday
    """
    return _WEEKDAYS[parse_date(date).weekday()]


def duration(expression: str) -> str:
    """Add or subtract durations, convert one ("90 min in hours"), or tell the time between two clock times.

    Knows weeks, days, hours, minutes, seconds and 1:30 for 1 h 30 min.
    Example: duration(expression="2h 45m + 1h 30m") gives 4 h 15 min
    """
    if len(expression) > MAX_LENGTH:
        raise ToolException("duration: the expression is too long: add up a few durations at a time")
    text = expression.strip().lower().replace("−", "-").replace("–", "-").rstrip("?.= ")
    asked = re.fullmatch(r"(.*\S)\s+(?:in|to|as|into)\s+(?:total\s+)?([a-zµ]+)", text)
    if asked and asked[2] in _SECONDS:
        return _plain(_total(asked[1]) / _SECONDS[asked[2]])
    clock = re.fullmatch(r"(?:from\s+)?(\d{1,2}:\d{2}.*?)\s*(?:to|until|till)\s*(\d{1,2}:\d{2}.*)", text)
    if clock:
        elapsed = _total(clock[2]) - _total(clock[1])
        return _written(elapsed % 86400, days=False)  # past midnight when the end comes first
    return _written(_total(text), days=re.search(r"[0-9]\s*(?:d|w)", text) is not None)


def parse_date(text: str) -> dt.date:
    """A date that can mean one day only; anything else is refused."""
    written = re.sub(r"\s+", " ", text.strip().lower())[:MAX_LENGTH]
    if written in ("today", "tomorrow", "yesterday"):
        return dt.date.today() + dt.timedelta(days=("yesterday", "today", "tomorrow").index(written) - 1)  # noqa: DTZ011
    named = _WEEKDAY_BEFORE.match(written)
    rest = written[named.end() :] if named else written
    year, month, day = _parts(rest, text)
    try:
        date = dt.date(year, month, day)
    except ValueError:
        raise ToolException(f"{text[:40]!r} is not in the calendar: check the day and the month") from None
    if named and not _WEEKDAYS[date.weekday()].lower().startswith(named[1]):
        raise ToolException(
            f"{date.isoformat()} is a {_WEEKDAYS[date.weekday()]}: check the date, or leave out its weekday"
        )
    return date


def _parts(text: str, given: str) -> tuple[int, int, int]:
    if found := _ISO.fullmatch(text):
        parts = (found[1], found[3], found[4]) if found[1] else (found[5], found[6], found[7])
        return int(parts[0]), int(parts[1]), int(parts[2])
    if found := _NUMERIC.fullmatch(text):
        first, second, year = int(found[1]), int(found[3]), int(found[4])
        if first <= 12 and second <= 12 and first != second:  # noqa: PLR2004
            raise ToolException(
                f"{given[:40]!r} can be read in two ways: write the date as {year}-{first:02}-{second:02} "
                f"or {year}-{second:02}-{first:02}"
            )
        return (year, first, second) if second > 12 else (year, second, first)  # noqa: PLR2004
    if found := _MONTH_DAY.fullmatch(text):
        return int(found[3]), _month(found[1], given), int(found[2])
    if found := _DAY_MONTH.fullmatch(text):
        return int(found[3]), _month(found[2], given), int(found[1])
    raise ToolException(
        f"{given[:40]!r} is not a full date: write it as 2024-03-03, with year, month and day"
    )


def _month(name: str, given: str) -> int:
    matching = [number for month, number in _MONTHS.items() if len(name) >= 3 and month.startswith(name)]  # noqa: PLR2004
    if name == "sept":
        return 9
    if len(matching) != 1:
        raise ToolException(f"{given[:40]!r} has no month that is known: write it as 2024-03-03")
    return matching[0]


def _add_months(day: dt.date, months: int) -> dt.date:
    years, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if not dt.MINYEAR <= years <= dt.MAXYEAR:
        raise OverflowError
    return dt.date(years, month + 1, min(day.day, calendar.monthrange(years, month + 1)[1]))


def _add_business_days(day: dt.date, amount: int) -> dt.date:
    if amount == 0:
        return day
    step = 1 if amount > 0 else -1
    while day.weekday() > 4:  # a weekend counts from the working day that it follows  # noqa: PLR2004
        day -= dt.timedelta(days=step)
    weeks, rest = divmod(abs(amount), 5)
    day += dt.timedelta(weeks=weeks * step)
    while rest:
        day += dt.timedelta(days=step)
        rest -= day.weekday() < 5  # noqa: PLR2004
    return day


def _unit_table() -> dict[str, int]:
    names = {
        1: "s sec secs second seconds", 60: "m min mins minute minutes", 3600: "h hr hrs hour hours",
        86400: "d day days", 604800: "w wk wks week weeks",
    }  # fmt: skip
    return {name: seconds for seconds, text in names.items() for name in text.split()}


_SECONDS = _unit_table()
_TERM = re.compile(
    r"(?P<clock>\d{1,4}:\d{2}(?::\d{2})?)\s*(?P<half>[ap]\.?m\b\.?)?"
    r"|(?P<number>\d+(?:\.\d+)?|\.\d+)\s*(?P<unit>[a-z]+)"
    r"|(?P<sign>[+-]|plus\b|minus\b)|(?P<filler>,|and\b)|\s+",
    re.ASCII,
)


def _total(text: str) -> Fraction:
    total, sign, position, seen = Fraction(0), 1, 0, False
    while position < len(text):
        found = _TERM.match(text, position)
        if not found or (found["unit"] and found["unit"] not in _SECONDS):
            raise ToolException(
                f"duration: {text[position : position + 20]!r} is not a duration: write 2h 45m or 1:30; "
                "weeks, days, hours, minutes and seconds are known, months and years are not"
            )
        position = found.end()
        if found["sign"]:
            sign = -1 if found["sign"] in ("-", "minus") else 1
        elif found["clock"]:
            total, seen = total + sign * _clock(found["clock"], found["half"]), True
        elif found["number"]:
            total, seen = total + sign * Fraction(found["number"]) * _SECONDS[found["unit"]], True
    if not seen:
        raise ToolException("duration: there is no duration in this: write something like 2h 45m + 1h 30m")
    return total


def _clock(text: str, half: str | None) -> int:
    hours, minutes, seconds = (int(part) for part in (text + ":0").split(":")[:3])
    if minutes > 59 or seconds > 59 or (half and not 1 <= hours <= 12):  # noqa: PLR2004
        raise ToolException(f"duration: {text!r} is not a time: write it as hours:minutes, such as 1:30")
    if half:
        hours = hours % 12 + (12 if half.startswith("p") else 0)
    return hours * 3600 + minutes * 60 + seconds


def _written(seconds: Fraction, *, days: bool) -> str:
    sign = "-" if seconds < 0 else ""
    rest = abs(seconds)
    parts = []
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if size == 86400 and not days:  # noqa: PLR2004
            continue
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {name}")
    if rest or not parts:
        parts.append(f"{_plain(rest)} s")
    return sign + " ".join(parts)


def _plain(value: Fraction) -> str:
    if value.denominator == 1:
        return str(value.numerator)
    return f"{float(value):.12g}"


def dates_tools(_config: ToolConfig) -> list[Offer]:
    return [
        Offer(make_tool(days_between, DaysBetweenArgs)),
        Offer(make_tool(add_to_date, AddToDateArgs)),
        Offer(make_tool(weekday, WeekdayArgs)),
        Offer(make_tool(duration, DurationArgs)),
    ]
