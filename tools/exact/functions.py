"""The functions of numbers, each with an estimate of its size before it computes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .steps import MAX_BITS, MAX_DIGITS, MAX_EXPONENT, NeedsProcess, Refused, bits_of, not_zero, whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from .steps import Steps


def power(steps: Steps, base: Any, exponent: Any) -> Any:
    import sympy

    if base == 0 and not exponent.is_extended_nonnegative:
        raise Refused("division by zero")
    if base == 0 or (base in (1, -1) and exponent.is_Rational):
        return steps.keep(base**exponent)
    if exponent.is_Rational and base.is_number:
        size = bits_of(base) if base.is_Rational else 0
        # Roots of integers become rational again in a power, so bits inside an expression count as well.
        size = size or 2 * sum(bits_of(number) for number in base.atoms(sympy.Rational))
        if abs(exponent) * max(size, 2) > MAX_BITS:
            raise Refused("the power is too large to compute exactly")
        if exponent.q > 1 and (size > MAX_DIGITS or exponent.q > MAX_DIGITS) and not steps.free:
            raise NeedsProcess
    elif base.is_number and exponent.is_number:
        estimate = exponent.evalf(5) * sympy.log(abs(base)).evalf(5)
        if not estimate.is_finite or abs(estimate) > MAX_EXPONENT:
            raise Refused("the power is too large to compute")
    return steps.keep(base**exponent)


def exponential(_: Steps, value: Any) -> Any:
    import sympy

    if value.is_number and not value.is_infinite and abs(value.evalf(5)) > MAX_EXPONENT:
        raise Refused("the power is too large to compute")
    return sympy.exp(value)


def remainder(steps: Steps, left: Any, right: Any) -> Any:
    if steps.rational(not_zero(right)) and steps.rational(left):
        return steps.keep(left - right * (left / right).floor())
    return steps.keep(left % right)


def floor(steps: Steps, value: Any) -> Any:
    import sympy

    steps.rational(value)
    return steps.keep(sympy.floor(value))


def ceiling(steps: Steps, value: Any) -> Any:
    return -floor(steps, -value)


def rounded(steps: Steps, value: Any, places: Any = 0) -> Any:
    """Half away from zero, as people round."""
    from sympy import Rational

    if places != int(places) or abs(places) > MAX_DIGITS:
        raise Refused("round takes a small whole number of places")
    scale = Rational(10) ** int(places)
    if not steps.rational(value) and not value.is_extended_real:
        raise Refused("round takes a real number")
    half = Rational(1, 2)
    scaled = value * scale
    return (floor(steps, scaled + half) if value >= 0 else ceiling(steps, scaled - half)) / scale


def factorial(_: Steps, value: Any) -> Any:
    import sympy

    number = whole(value, "factorial")
    if number * max(1, number.bit_length()) > MAX_BITS * 2:
        raise Refused("the factorial is too large to compute exactly")
    return sympy.factorial(number)


def combinations(_: Steps, total: Any, chosen: Any) -> Any:
    import sympy

    n, k = whole(total, "comb"), whole(chosen, "comb")
    if min(k, max(0, n - k)) * n.bit_length() > MAX_BITS * 2:
        raise Refused("the number of combinations is too large to compute exactly")
    return sympy.binomial(n, k)


def permutations(_: Steps, total: Any, chosen: Any) -> Any:
    from math import perm

    from sympy import Integer

    n, k = whole(total, "perm"), whole(chosen, "perm")
    if min(k, n) * n.bit_length() > MAX_BITS * 2:
        raise Refused("the number of permutations is too large to compute exactly")
    return Integer(perm(n, k))


def divisor(_: Steps, *values: Any) -> Any:
    from math import gcd

    from sympy import Integer

    return Integer(gcd(*(whole(abs(value), "gcd") for value in values)))


def multiple(_: Steps, *values: Any) -> Any:
    from math import lcm

    from sympy import Integer

    wholes = [whole(abs(value), "lcm") for value in values]
    if sum(value.bit_length() for value in wholes) > MAX_BITS:
        raise Refused("the least common multiple may be too large to compute")
    return Integer(lcm(*wholes))


def least(steps: Steps, *values: Any) -> Any:
    import sympy

    return min(values) if all(steps.rational(value) for value in values) else sympy.Min(*values)


def greatest(steps: Steps, *values: Any) -> Any:
    import sympy

    return max(values) if all(steps.rational(value) for value in values) else sympy.Max(*values)


def total(steps: Steps, *values: Any) -> Any:
    result: Any = 0
    for value in values:
        result = steps.keep(value + result)
    return result


def mean(steps: Steps, *values: Any) -> Any:
    return total(steps, *values) / len(values)


def median(steps: Steps, *values: Any) -> Any:
    if not all(steps.rational(value) or value.is_extended_real for value in values):
        raise Refused("median takes real numbers")
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def absolute(steps: Steps, value: Any) -> Any:
    steps.rational(value)
    return abs(value)


def root(steps: Steps, value: Any, degree: Any = None) -> Any:
    from sympy import Integer

    degree = Integer(2) if degree is None else degree
    if value.is_Rational and value < 0 and degree.is_odd:
        return -power(steps, -value, Integer(1) / degree)  # the real root
    return power(steps, value, Integer(1) / not_zero(degree))


def logarithm(_: Steps, value: Any, base: Any = None) -> Any:
    import sympy

    if value == 0 or base in (0, 1):
        raise Refused("the logarithm of 0, and to base 0 or 1, is not defined")
    if base is None:
        return sympy.log(value)
    if value.is_Rational and base.is_Rational and base > 1 and value > 0:
        exact = round(float(sympy.log(value, base).evalf(15)))
        if abs(exact) * int(base.p).bit_length() <= MAX_BITS and base**exact == value:
            return sympy.Integer(exact)
    return sympy.log(value) / sympy.log(base)


def percent(_: Steps, value: Any) -> Any:
    return value / 100


def degrees(_: Steps, value: Any) -> Any:
    import sympy

    return value * sympy.pi / 180


def plain(name: str) -> Callable[..., Any]:
    def call(steps: Steps, value: Any) -> Any:
        import sympy

        # The sine of a huge number needs all its digits before the point.
        if not steps.free and not value.is_Rational and abs(value.evalf(5)) > 10**50:
            raise NeedsProcess
        return getattr(sympy, name)(value)

    return call


def integer(value: int) -> Any:
    from sympy import Integer

    return Integer(value)
