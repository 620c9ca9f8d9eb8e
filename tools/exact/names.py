"""The names that an expression may use, and what each stands for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from . import algebra, functions

if TYPE_CHECKING:
    from collections.abc import Callable

CONSTANTS = {"pi": "pi", "e": "E", "E": "E", "tau": "tau", "I": "I", "i": "I", "oo": "oo", "inf": "oo",
             "infinity": "oo"}  # fmt: skip
UNKNOWN = re.compile(r"(?:[A-Za-z]|alpha|beta|gamma|delta|theta|phi|omega)(?:_?[0-9]{1,2})?")

ANY_NUMBER = 10_000
_PLAIN = ("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh")
_NUMERIC: dict[str, tuple[Callable[..., Any], int, int]] = {
    "sqrt": (functions.root, 1, 1),
    "cbrt": (lambda steps, value: functions.root(steps, value, functions.integer(3)), 1, 1),
    "root": (functions.root, 1, 2),
    "pow": (functions.power, 2, 2),
    "abs": (functions.absolute, 1, 1),
    "min": (functions.least, 1, ANY_NUMBER),
    "max": (functions.greatest, 1, ANY_NUMBER),
    "sum": (functions.total, 1, ANY_NUMBER),
    "mean": (functions.mean, 1, ANY_NUMBER),
    "average": (functions.mean, 1, ANY_NUMBER),
    "median": (functions.median, 1, ANY_NUMBER),
    "round": (functions.rounded, 1, 2),
    "floor": (functions.floor, 1, 1),
    "ceil": (functions.ceiling, 1, 1),
    "factorial": (functions.factorial, 1, 1),
    "comb": (functions.combinations, 2, 2),
    "perm": (functions.permutations, 2, 2),
    "gcd": (functions.divisor, 1, ANY_NUMBER),
    "lcm": (functions.multiple, 1, ANY_NUMBER),
    "mod": (functions.remainder, 2, 2),
    "exp": (functions.exponential, 1, 1),
    "ln": (functions.logarithm, 1, 1),
    "log": (functions.logarithm, 1, 2),
    "log2": (lambda steps, value: functions.logarithm(steps, value, functions.integer(2)), 1, 1),
    "log10": (lambda steps, value: functions.logarithm(steps, value, functions.integer(10)), 1, 1),
    **{name: (functions.plain(name), 1, 1) for name in _PLAIN},
    "percent": (functions.percent, 1, 1),
    "degrees": (functions.degrees, 1, 1),
}
SYMBOLIC: dict[str, tuple[Callable[..., Any], int, int]] = {
    "simplify": (algebra.simplify, 1, 1),
    "expand": (algebra.expand, 1, 1),
    "factor": (algebra.factor, 1, 1),
    "solve": (algebra.solve, 1, 20),
    "diff": (algebra.differentiate, 1, 3),
    "integrate": (algebra.integrate, 1, 4),
    "limit": (algebra.limit, 3, 3),
}
FUNCTIONS = {**_NUMERIC, **SYMBOLIC}
"""Each with the least and the most arguments that it takes."""
