from __future__ import annotations

import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.tools import ToolException

from memento.tools import ToolConfig, basic_tools

TOOL = next(tool for tool in basic_tools(ToolConfig()) if tool.name == "convert_units")


def convert(value: float, from_unit: str, to_unit: str) -> str:
    result = TOOL.invoke({"value": value, "from_unit": from_unit, "to_unit": to_unit})
    assert isinstance(result, str)
    return result


@pytest.mark.parametrize(
    ("value", "from_unit", "to_unit", "expected"),
    [
        (20, "km", "mile", "12.427424 mile"),
        (20, "kilometers", "Miles", "12.427424 Miles"),
        (5, "feet", "inches", "60 inches"),
        (6, "'", "cm", "182.88 cm"),
        (100, "°C", "°F", "212 °F"),
        (100, "C", "F", "212 F"),
        (32, "F", "celsius", "0 celsius"),
        (0, "degrees Celsius", "kelvin", "273.15 kelvin"),
        (-40, "fahrenheit", "Celsius", "-40 Celsius"),
        (5, "C", "coulomb", "5 coulomb"),
        (60, "mph", "km/h", "96.56064 km/h"),
        (1, "miles per hour", "meters per second", "0.44704 meters per second"),
        (10, "lbs", "kilos", "4.5359237 kilos"),
        (3, "square feet", "m^2", "0.27870912 m^2"),
        (1, "m3", "L", "1000 L"),
        (12, "oz", "g", "340.19428 g"),
        (12, "oz", "ml", "354.88235 ml"),
        (2, "cups", "tbsp", "32 tbsp"),
        (1, "kWh", "J", "3600000 J"),
        (1, "gb", "mb", "1000 mb"),
        (1, "J/(kg*K)", "kJ/kg/K", "0.001 kJ/kg/K"),
        (9.81, "m/s²", "ft/s**2", "32.185039 ft/s**2"),
        (90, "Min", "HOURS", "1.5 HOURS"),
        (1, "light year", "km", "9460730472581 km"),
        (1e-12, "m", "km", "1e-15 km"),
        (0.1, "m", "m", "0.1 m"),
    ],
)
def test_conversions(value: float, from_unit: str, to_unit: str, expected: str) -> None:
    assert convert(value, from_unit, to_unit) == expected


@pytest.mark.parametrize(
    ("from_unit", "to_unit", "message"),
    [
        ("klmeter", "m", "did you mean kilometer"),
        ("m", "kg", "one measures"),
        ("USD", "EUR", "currencies"),
        ("", "m", "not a unit"),
        ("m**9**9**9", "m", "not a unit"),
        ("9**9**9", "m", "not a unit"),
        ("m" * 100_000, "m", "not a unit"),
        ("__import__('os')", "m", "convert_units"),
        ("m;rm", "m", "not a unit"),
        ("(" * 30 + "m", "kg", "convert_units"),
    ],
)
def test_refused_with_advice(from_unit: str, to_unit: str, message: str) -> None:
    convert(1, "m", "m")  # pint itself is loaded by the first call
    start = time.perf_counter()
    with pytest.raises(ToolException, match=message) as refused:
        convert(1, from_unit, to_unit)
    assert time.perf_counter() - start < 1
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize("value", [math.nan, math.inf, 1.7e308])
def test_no_number_that_is_not_one(value: float) -> None:
    with pytest.raises(ToolException):
        convert(value, "km", "mm")


UNITS = [
    ("km", "mile", "inch", "light_year", "nm"),
    ("kg", "lb", "stone", "ounce", "metric ton"),
    ("celsius", "fahrenheit", "kelvin"),
    ("second", "week", "year"),
]


@settings(max_examples=150, deadline=None)
@given(
    st.floats(-1e9, 1e9).filter(lambda value: value == 0 or abs(value) > 1e-3),
    st.sampled_from(UNITS).flatmap(lambda units: st.tuples(st.sampled_from(units), st.sampled_from(units))),
)
def test_there_and_back(value: float, units: tuple[str, str]) -> None:
    there = convert(value, *units).split()[0]
    back = convert(float(there), units[1], units[0]).split()[0]
    assert float(back) == pytest.approx(value, rel=1e-5, abs=1e-4)
