"""How much may be computed: each value on the way goes through `Steps.keep`, which refuses too large ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MAX_BITS = 64_000  # of any number on the way
MAX_WORK = 4_000_000  # bits of all numbers on the way together
MAX_DIGITS = 3_000  # of a number that is written out
MAX_DEPTH = 120
MAX_IRRATIONAL_STEPS = 40  # in this process
MAX_EXPONENT = 1_000_000  # of a number that is not rational


class Refused(ValueError):  # noqa: N818  (like NeedsProcess, it reads as what happened)
    """Why there is no result, in words for who wrote the expression."""


class NeedsProcess(Exception):  # noqa: N818  (not an error: an instruction to the caller)
    """What is asked may take long: compute it where it can be stopped."""


@dataclass(frozen=True)
class Equation:
    left: Any
    right: Any


NO_EXPRESSION = (tuple, bool, str, Equation)
"""What a value may be that cannot be computed with."""


class Steps:
    """The steps of one computation. `free` allows what may take long."""

    def __init__(self, *, free: bool) -> None:
        self.free = free
        self.work = 0
        self.irrational_steps = 0

    def keep(self, value: Any) -> Any:
        """The value, if it may be computed further."""
        if value.is_Rational:
            bits = bits_of(value)
            self.work += bits
            if bits > MAX_BITS or self.work > MAX_WORK:
                raise Refused("the numbers become too large to compute exactly")
            return value
        if value.has(*_undefined()):
            raise Refused("division by zero, or a value that is not defined")
        if not self.free:
            self.irrational_steps += 1
            if value.free_symbols or not value.is_finite or self.irrational_steps > MAX_IRRATIONAL_STEPS:
                raise NeedsProcess
        return value

    def rational(self, value: Any) -> bool:
        """Whether it is a rational number; others are left to a process that can be stopped."""
        if not value.is_Rational and not self.free:
            raise NeedsProcess
        return bool(value.is_Rational)


def _undefined() -> tuple[Any, Any]:
    import sympy

    return sympy.zoo, sympy.nan


def bits_of(rational: Any) -> int:
    """Of its numerator and denominator together."""
    return int(rational.p).bit_length() + int(rational.q).bit_length()


def not_zero(value: Any) -> Any:
    if value == 0:
        raise Refused("division by zero")
    return value


def whole(value: Any, name: str) -> int:
    if not value.is_Integer or value < 0:
        raise Refused(f"{name} takes whole numbers that are not negative")
    return int(value)
