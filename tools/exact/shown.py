"""A value as text: exact, with an approximation where the exact form is not a decimal."""

from __future__ import annotations

from typing import Any

from .steps import MAX_DIGITS, Refused


def show(value: Any) -> str:
    """The value as text: exact, with an approximation where the exact form is not a decimal."""
    import sympy

    if isinstance(value, (bool, str)):
        return str(value).lower() if isinstance(value, bool) else value
    if value.is_Rational:
        return _shown_rational(value)
    if not value.is_number:
        if value.has(sympy.Integral, sympy.Limit, sympy.Derivative):
            raise Refused("no closed form is known for this")
        return str(value)
    if value.is_infinite:
        return {sympy.oo: "infinity", -sympy.oo: "-infinity"}.get(value, "undefined")
    return _shown_irrational(value)


def _shown_irrational(value: Any) -> str:
    import sympy

    exact = sympy.expand(value) if _expands_quickly(value) else value
    if exact.is_Rational:
        return _shown_rational(exact)
    try:
        text = str(exact if exact.has(sympy.I) else value)
    except ValueError:  # integers with more digits than Python writes
        text = ""
    digits = value.evalf(14)
    if digits == 0 or (digits.is_Float and digits._prec == 1):  # noqa: SLF001  (no digit of it is certain)
        return "0"
    if not digits.is_Float and text:
        return text
    if value.has(sympy.Integral, sympy.Limit) or not 0 < len(text) <= MAX_DIGITS // 10:
        return f"≈ {_trim(str(digits))}"
    return f"{text} ≈ {_trim(str(digits))}"


def _expands_quickly(value: Any) -> bool:
    import sympy

    powers = (power.exp for power in value.atoms(sympy.Pow))
    return sympy.count_ops(value) <= 20 and all(not power.is_Integer or abs(power) <= 4 for power in powers)  # noqa: PLR2004


def _shown_rational(value: Any) -> str:
    numerator, denominator = int(value.p), int(value.q)
    if numerator.bit_length() > MAX_DIGITS * 3.32 or denominator.bit_length() > MAX_DIGITS * 3.32:
        size = f" ({_digits_of(abs(numerator))} digits)" if denominator == 1 else ""
        return f"≈ {_trim(str(value.evalf(12)))}{size}"
    if denominator == 1:
        return str(numerator)
    places = 0
    rest = denominator
    for prime in (2, 5):
        count = 0
        while rest % prime == 0:
            rest //= prime
            count += 1
        places = max(places, count)
    if rest == 1 and places <= 20:  # noqa: PLR2004
        whole = str(abs(numerator) * 10**places // denominator).rjust(places + 1, "0")
        return ("-" if numerator < 0 else "") + whole[:-places] + "." + whole[-places:]
    text = f"{numerator}/{denominator}"
    approximation = f"≈ {_trim(str(value.evalf(12)))}"
    return f"{text} {approximation}" if len(text) <= 60 else approximation  # noqa: PLR2004


def _digits_of(value: int) -> int:
    estimate: int = int((value.bit_length() - 1) * 0.30102999566398119521)
    return estimate + int(value >= 10**estimate)


def _trim(text: str) -> str:
    """Without the zeros at the end of the digits."""
    mantissa, mark, exponent = text.partition("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return mantissa + mark + exponent
