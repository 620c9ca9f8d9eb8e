"""Conversion between units of measurement."""

from __future__ import annotations

import difflib
import functools
import math
import re
import threading
from fractions import Fraction
from typing import Any

from langchain_core.tools import ToolException
from pydantic import BaseModel, Field

from memento.tools.config import Offer, ToolConfig
from memento.tools.limits import format_number, make_tool

MAX_LENGTH = 80
MAX_POWER = 9
_SIGNIFICANT = 8

# What people write and pint does not know, or knows as something else.
_ALIASES = {
    "kilo": "kilogram", "kilos": "kilogram", "kgs": "kilogram", "lbs": "pound", "ozs": "ounce",
    "sqm": "meter**2", "sqft": "foot**2", "sqkm": "kilometer**2", "cc": "centimeter**3",
    "m2": "meter**2", "km2": "kilometer**2", "cm2": "centimeter**2", "mm2": "millimeter**2",
    "ft2": "foot**2", "in2": "inch**2", "mi2": "mile**2",
    "m3": "meter**3", "cm3": "centimeter**3", "mm3": "millimeter**3", "ft3": "foot**3", "in3": "inch**3",
    "kmh": "kilometer/hour", "kmph": "kilometer/hour", "kph": "kilometer/hour", "mps": "meter/second",
    "fps": "foot/second", "knots": "knot", "kts": "knot", "kn": "knot",
    "hrs": "hour", "hr": "hour", "mins": "minute", "secs": "second", "yrs": "year", "yr": "year",
    "wk": "week", "wks": "week", "days": "day", "mo": "month", "mos": "month",
    "KB": "kilobyte", "kb": "kilobit", "gb": "gigabyte", "mb": "megabyte", "tb": "terabyte",
    "cal": "calorie", "kcal": "kilocalorie", "Cal": "kilocalorie",
    "mpg": "mile/gallon", "micron": "micrometer", "microns": "micrometer", "Å": "angstrom", "Ω": "ohm",
    "tonnes": "metric_ton", "stones": "stone", "feet": "foot", "inches": "inch",
    "'": "foot", '"': "inch", "%": "percent", "°": "degree", "bits": "bit", "bytes": "byte",
    "celsius": "delta_degree_Celsius", "fahrenheit": "delta_degree_Fahrenheit",
}  # fmt: skip
_PHRASES = (
    (r"\bmetric\s+tons?\b|\bmetric\s+tonnes?\b", "metric_ton"),
    (r"\bshort\s+tons?\b", "ton"),
    (r"\blong\s+tons?\b|\bimperial\s+tons?\b", "long_ton"),
    (r"\b(?:us\s+|imperial\s+)?(?:fluid|fl\.?)[\s_]*(?:ounces?|oz\.?)", "fluid_ounce"),
    (r"\bnautical\s+miles?\b|\bnmi\b", "nautical_mile"),
    (r"\blight[\s-]+years?\b", "light_year"),
    (r"\bastronomical\s+units?\b", "astronomical_unit"),
    (r"\b(?:imperial|uk)\s+gallons?\b", "imperial_gallon"),
    (r"\b(?:imperial|uk)\s+pints?\b", "imperial_pint"),
    (r"\bus\s+(?=gallon|pint|quart|cup)", ""),
    (r"\btroy\s+(?:ounces?|oz)\b", "troy_ounce"),
    (r"\b(?:square|sq\.?)\s*([a-z]+)", r"\1**2"),
    (r"\b(?:cubic|cu\.?)\s+([a-z]+)", r"\1**3"),
    (r"\b([a-z]+)\s+squared\b", r"\1**2"),
    (r"\b([a-z]+)\s+cubed\b", r"\1**3"),
    (r"\s+per\s+", "/"),
    (r"(?<=[a-zµ])-([1-9])(?![0-9])", r"**-\1"),
)
_NINTHS = Fraction(5, 9)
# kelvin = (value + offset) * scale; done here and not by pint, whose floats do not bring 32 °F to 0 °C.
_TEMPERATURES = {
    **dict.fromkeys(("c", "celsius", "centigrade", "degc"), (Fraction("273.15"), Fraction(1))),
    **dict.fromkeys(("f", "fahrenheit", "degf"), (Fraction("459.67"), _NINTHS)),
    **dict.fromkeys(("k", "kelvin", "kelvins", "degk"), (Fraction(0), Fraction(1))),
    **dict.fromkeys(("r", "rankine", "degr"), (Fraction(0), _NINTHS)),
}
_CURRENCIES = {
    "$",
    "€",
    "£",
    "¥",
    "usd",
    "eur",
    "gbp",
    "jpy",
    "chf",
    "cny",
    "dollar",
    "dollars",
    "euro",
    "euros",
}
_ALLOWED = re.compile(r"[A-Za-z0-9 _°µμΩÅ%/*^().²³⁻·⋅'\"$€£¥-]+")
_FACTOR = re.compile(r"(?P<name>[A-Za-z_µμΩÅ°%'\"][A-Za-z0-9_µμΩÅ°]*)(?:\*\*(?P<power>-?[0-9]{1,2}))?")
_lock = threading.Lock()  # pint's registry fills its caches while it is being asked


class ConvertArgs(BaseModel):
    value: float = Field(description="The number to convert, for example 20")
    from_unit: str = Field(description="The unit it is in, for example km, lb, celsius, mph or km/h")
    to_unit: str = Field(description="The unit to convert it to, for example mile, kg, fahrenheit or m/s")


def convert_units(value: float, from_unit: str, to_unit: str) -> str:
    """Convert a value from one unit to another: length, mass, time, speed, area, volume, temperature, data, …

    Example: convert_units(value=20, from_unit="km", to_unit="mile") gives 12.427424 mile
    """
    if not math.isfinite(value):
        raise ToolException("convert_units: value must be an ordinary number")
    texts = (_checked(from_unit), _checked(to_unit))
    source_scale, target_scale = _temperature(texts[0]), _temperature(texts[1])
    if source_scale and target_scale:
        kelvin = (Fraction(repr(value)) + source_scale[0]) * source_scale[1]
        return f"{format_number(float(kelvin / target_scale[1] - target_scale[0]), _SIGNIFICANT)} {texts[1]}"
    with _lock:
        try:
            first, second = (_unit(text) for text in texts)
            source, target = _volume_ounce(first, second), _volume_ounce(second, first)
            converted = float(_registry().Quantity(value, source).to(target).magnitude)
        except ToolException:
            raise
        except OverflowError:
            raise ToolException("convert_units: the result is too large to write down") from None
        except Exception as error:  # noqa: BLE001  (pint raises many kinds)
            raise ToolException(f"convert_units: {_explained(error, *texts)}") from None
    if not math.isfinite(converted):
        raise ToolException("convert_units: the result is too large to write down")
    return f"{format_number(converted, _SIGNIFICANT)} {texts[1]}"


def _checked(unit: str) -> str:
    text = unit.strip()
    if not text or len(text) > MAX_LENGTH or not _ALLOWED.fullmatch(text):
        raise ToolException(f"convert_units: {unit[:40]!r} is not a unit: give one such as km, lb or m/s")
    return text


@functools.cache
def _registry() -> Any:
    from pint import UnitRegistry

    return UnitRegistry()


def _temperature(text: str) -> tuple[Fraction, Fraction] | None:
    """How a scale relates to kelvin; a bare C is one only when both units are (else it is a coulomb)."""
    bare = re.sub(r"^(?:degrees?|degs?\.?|°)[\s_]*", "", text.lower()).removeprefix("°").strip(" .")
    return _TEMPERATURES.get(bare.removesuffix(" degrees").removesuffix(" degree"))


def _volume_ounce(unit: Any, other: Any) -> Any:
    """An ounce of what is measured in volumes is a fluid ounce."""
    registry = _registry()
    if unit == registry.Unit("ounce") and other.dimensionality == registry.Unit("liter").dimensionality:
        return registry.Unit("fluid_ounce")
    return unit


def _unit(text: str) -> Any:
    """The unit, put together from its factors; pint sees single names only, never an expression."""
    registry = _registry()
    written = text.replace("^", "**").replace("·", "*").replace("⋅", "*").replace("⁻", "-")
    written = written.replace("²", "**2").replace("³", "**3").replace("-²", "**-2")
    for pattern, replacement in _PHRASES:
        written = re.sub(pattern, replacement, written, flags=re.IGNORECASE)
    written = re.sub(r"\s*(\*\*|[*/()])\s*", r"\1", written.strip().rstrip("."))
    result = registry.Unit("")
    sign, inverted = 1, False
    for part in re.split(r"((?<!\*)[*/](?!\*)|[()]|\s+)", written):
        if part == "/":
            sign = -1
        elif part == "(":
            inverted = sign < 0
        elif part == ")":
            inverted = False
            sign = 1
        elif part == "*" or (part and part.isspace()):
            sign = -1 if inverted else 1
        elif part and part != "1":
            result = result * _factor(part, text) ** (-1 if inverted else sign)
            sign = -1 if inverted else 1
    return result


def _factor(part: str, whole: str) -> Any:
    found = _FACTOR.fullmatch(part)
    power = int(found["power"] or 1) if found else 0
    if not found or not 0 < abs(power) <= MAX_POWER:
        raise ToolException(
            f"convert_units: {whole[:40]!r} is not a unit: give one such as km, lb, m/s or ft**2"
        )
    name = found["name"]
    if name in _ALIASES:
        alias = _ALIASES[name]
        return (_registry().Unit(alias) if alias.isidentifier() else _unit(alias)) ** power
    for spelling in _spellings(name):
        if spelling in _ALIASES:
            return _unit(_ALIASES[spelling]) ** power
        if spelling in _registry():
            return _registry().Unit(spelling) ** power
    raise ToolException(f"convert_units: {_unknown(name)}")


def _spellings(name: str) -> list[str]:
    """As written first, except that Miles is not a mega-… but a capital letter."""
    lower = name.lower()
    capitalised = len(name) >= 3 and name[0].isupper() and name[1:].islower()  # noqa: PLR2004
    return [lower, name] if capitalised else [name, lower]


def _unknown(name: str) -> str:
    if name.lower() in _CURRENCIES:
        return "currencies cannot be converted: their rates change; search for the rate and use calculate"
    known = [*_ALIASES, *(n for n in _registry() if n.isascii() and len(n) > 1)]
    close = difflib.get_close_matches(name.lower(), known, n=4, cutoff=0.6)
    hint = f"did you mean {', '.join(close)}?" if close else "give its full English name, such as kilometer"
    return f"unknown unit {name[:40]!r}: {hint}"


def _explained(error: Exception, from_text: str, to_text: str) -> str:
    from pint import DimensionalityError, OffsetUnitCalculusError

    if isinstance(error, DimensionalityError):
        kinds = (
            str(error.dim1).strip("() ") or "a plain number",
            str(error.dim2).strip("() ") or "a plain number",
        )
        if kinds[0] != kinds[1]:
            return f"{from_text} cannot become {to_text}: one measures {kinds[0]}, the other {kinds[1]}"
    if isinstance(error, OffsetUnitCalculusError):
        return "a temperature cannot be part of a compound unit; use kelvin there"
    return (
        f"{from_text} cannot be converted to {to_text}: give two units of the same kind, such as km and mile"
    )


def units_tools(_config: ToolConfig) -> list[Offer]:
    return [Offer(make_tool(convert_units, ConvertArgs))]
