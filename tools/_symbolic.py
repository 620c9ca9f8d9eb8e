"""Evaluates one Python-syntax expression with sympy, node by node through an allow-list.

The text is never evaluated: it is parsed to a syntax tree, and only what is named here is computed, each
step after an estimate of its size. `evaluate(source)` does the plain arithmetic in this process and raises
NeedsProcess for what may take long; this file run as a script computes that, with its caller holding the
clock. It imports nothing of the package, so that such a process starts quickly.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_BITS = 64_000  # of any number on the way
MAX_WORK = 4_000_000  # bits of all numbers on the way together
MAX_DIGITS = 3_000  # of a number that is written out
MAX_DEPTH = 120
MAX_IRRATIONAL_STEPS = 40  # in this process
MAX_EXPONENT = 1_000_000  # of a number that is not rational

CONSTANTS = {"pi": "pi", "e": "E", "E": "E", "tau": "tau", "I": "I", "i": "I", "oo": "oo", "inf": "oo",
             "infinity": "oo"}  # fmt: skip
_SYMBOL = re.compile(r"(?:[A-Za-z]|alpha|beta|gamma|delta|theta|phi|omega)(?:_?[0-9]{1,2})?")


class Refused(ValueError):  # noqa: N818  (like NeedsProcess, it reads as what happened)
    """Why there is no result, in words for who wrote the expression."""


class NeedsProcess(Exception):  # noqa: N818  (not an error: an instruction to the caller)
    """What is asked may take long: compute it where it can be stopped."""


def evaluate(source: str, *, free: bool = False) -> str:
    """The result as text. `free` allows what may take long."""
    try:
        tree = ast.parse(source, mode="eval")
    except SyntaxError as error:
        near = f" near {source[max(0, (error.offset or 1) - 8) : (error.offset or 1) + 8]!r}"
        raise Refused(f"this is not an expression{near}: give something like 12.5*(3+4)") from None
    except (ValueError, RecursionError, MemoryError):
        raise Refused("the expression is nested too deeply: compute it in parts") from None
    return _Evaluation(source, free=free).result(tree.body)


class _Evaluation:
    def __init__(self, source: str, *, free: bool) -> None:
        self.source = source
        self.free = free
        self.depth = 0
        self.work = 0
        self.irrational_steps = 0

    def result(self, node: ast.expr) -> str:
        value = self.value(node)
        if isinstance(value, _Equation):
            return _shown_solutions(self, [value], [])
        if isinstance(value, tuple):
            raise Refused("a comma is not allowed here: write numbers without commas, decimals with a point")
        return show(value)

    def value(self, node: ast.expr) -> Any:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Refused("the expression is nested too deeply: compute it in parts")
        try:
            return self._value(node)
        finally:
            self.depth -= 1

    def _value(self, node: ast.expr) -> Any:  # noqa: PLR0911
        match node:
            case ast.BinOp():
                return self._chain(node)
            case ast.Constant():
                return self._number(node)
            case ast.Name(id=name):
                return self._named(name)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.keep(-self.scalar(operand))
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.scalar(operand)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(name, arguments)
            case ast.Compare(left=left, ops=[operation], comparators=[right]):
                return self._compare(self.scalar(left), operation, self.scalar(right))
            case ast.List(elts=parts) | ast.Tuple(elts=parts):
                return tuple(self.value(part) for part in parts)
        raise Refused(
            "only numbers, + - * / ^ %, brackets, = and the functions named in the description work"
        )

    def scalar(self, node: ast.expr) -> Any:
        value = self.value(node)
        if isinstance(value, (tuple, bool, str, _Equation)):
            raise Refused("a single number or expression is needed here, not a list or an equation")
        return value

    def _number(self, node: ast.Constant) -> Any:
        text = self.source[node.col_offset : node.end_col_offset]
        if isinstance(node.value, bool) or not isinstance(node.value, (int, float)):
            raise Refused(f"{text[:40]!r} is not a number")
        exponent = re.search(r"[eE]([+-]?[0-9]+)$", text)
        if exponent and (len(exponent[1]) > 6 or abs(int(exponent[1])) * 4 > MAX_BITS):  # noqa: PLR2004
            raise Refused(f"{text[:40]} is too large or too small to compute exactly")
        from sympy import Rational

        return self.keep(Rational(text))

    def _named(self, name: str) -> Any:
        import sympy

        if name in CONSTANTS:
            return self.keep(2 * sympy.pi if name == "tau" else getattr(sympy, CONSTANTS[name]))
        if not _SYMBOL.fullmatch(name):
            raise Refused(f"unknown name {name[:40]}: put its number, or a single letter for an unknown")
        return self.keep(sympy.Symbol(name))

    def _chain(self, node: ast.BinOp) -> Any:
        """A chain a + b - c … is a tree as deep as it is long: walk down its left side without recursion."""
        chain: list[ast.BinOp] = [node]
        while isinstance(chain[-1].left, ast.BinOp):
            chain.append(chain[-1].left)
        first = chain[-1].left
        value, percent = self.scalar(first), _is_percent(first)
        for part in reversed(chain):
            adds = isinstance(part.op, (ast.Add, ast.Sub))
            if adds and _is_percent(part.right) and not percent and value != 1:
                raise Refused(
                    "adding or subtracting a percentage is ambiguous: for 10% more of A write A*(1+10/100), "
                    "for 10% less A*(1-10/100)"
                )
            percent = percent and adds
            value = self._binary(part.op, value, self.scalar(part.right))
        return value

    def _binary(self, operation: ast.operator, left: Any, right: Any) -> Any:  # noqa: PLR0911
        match operation:
            case ast.Add():
                return self.keep(left + right)
            case ast.Sub():
                return self.keep(left - right)
            case ast.Mult():
                return self.keep(left * right)
            case ast.Div():
                return self.keep(left / _not_zero(right))
            case ast.FloorDiv():
                return self.floor(self.keep(left / _not_zero(right)))
            case ast.Mod():
                return self.remainder(left, right)
            case ast.Pow():
                return self.power(left, right)
        raise Refused("only + - * / // % and ^ combine numbers")

    def _compare(self, left: Any, operation: ast.cmpop, right: Any) -> Any:
        if isinstance(operation, ast.Eq):
            return _Equation(left, right)
        difference = left - right
        if not self.free and not difference.is_Rational:
            raise NeedsProcess
        if not difference.is_number or difference.is_extended_real is not True:
            raise Refused("only numbers can be compared")
        match operation:
            case ast.NotEq():
                return bool(difference != 0)
            case ast.Lt():
                return bool(difference < 0)
            case ast.LtE():
                return bool(difference <= 0)
            case ast.Gt():
                return bool(difference > 0)
            case ast.GtE():
                return bool(difference >= 0)
        raise Refused("compare with =, !=, <, <=, > or >=")

    def _call(self, name: str, arguments: list[ast.expr]) -> Any:
        if name not in FUNCTIONS:
            raise Refused(f"unknown function {name[:40]}; there are {', '.join(FUNCTIONS)}")
        function, least, most = FUNCTIONS[name]
        values = [self.value(argument) for argument in arguments]
        takes_list = most == _ANY_NUMBER
        if takes_list:
            values = [part for value in values for part in (value if isinstance(value, tuple) else (value,))]
        if not least <= len(values) <= most:
            count = (
                str(least) if least == most else f"at least {least}" if takes_list else f"{least} to {most}"
            )
            raise Refused(
                f"{name} takes {count} argument{'' if count == '1' else 's'}, not {len(values)}"
                " (write numbers inside a function without thousands commas)"
            )
        if name not in _SYMBOLIC and any(
            isinstance(value, (tuple, bool, str, _Equation)) for value in values
        ):
            raise Refused(f"{name} takes numbers")
        if name in _SYMBOLIC and not self.free:
            raise NeedsProcess
        result = function(self, *values)
        return result if isinstance(result, (tuple, str, _Equation)) else self.keep(result)

    # What follows is the arithmetic with its guards.

    def keep(self, value: Any) -> Any:
        """The value, if it may be computed further."""
        if value.is_Rational:
            bits = int(value.p).bit_length() + int(value.q).bit_length()
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

    def power(self, base: Any, exponent: Any) -> Any:
        import sympy

        if base == 0 and not exponent.is_extended_nonnegative:
            raise Refused("division by zero")
        if base == 0 or (base in (1, -1) and exponent.is_Rational):
            return self.keep(base**exponent)
        if exponent.is_Rational and base.is_number:
            size = int(base.p).bit_length() + int(base.q).bit_length() if base.is_Rational else 0
            # Roots of integers become rational again in a power, so bits inside an expression count as well.
            size = size or 2 * sum(
                int(n.p).bit_length() + int(n.q).bit_length() for n in base.atoms(sympy.Rational)
            )
            if abs(exponent) * max(size, 2) > MAX_BITS:
                raise Refused("the power is too large to compute exactly")
            if exponent.q > 1 and (size > MAX_DIGITS or exponent.q > MAX_DIGITS) and not self.free:
                raise NeedsProcess
        elif base.is_number and exponent.is_number:
            estimate = exponent.evalf(5) * sympy.log(abs(base)).evalf(5)
            if not estimate.is_finite or abs(estimate) > MAX_EXPONENT:
                raise Refused("the power is too large to compute")
        return self.keep(base**exponent)

    def exponential(self, value: Any) -> Any:
        import sympy

        if value.is_number and not value.is_infinite and abs(value.evalf(5)) > MAX_EXPONENT:
            raise Refused("the power is too large to compute")
        return sympy.exp(value)

    def remainder(self, left: Any, right: Any) -> Any:
        if self.rational(_not_zero(right)) and self.rational(left):
            return self.keep(left - right * (left / right).floor())
        return self.keep(left % right)

    def floor(self, value: Any) -> Any:
        import sympy

        self.rational(value)
        return self.keep(sympy.floor(value))

    def ceiling(self, value: Any) -> Any:
        return -self.floor(-value)

    def rounded(self, value: Any, places: Any = 0) -> Any:
        """Half away from zero, as people round."""
        from sympy import Rational

        if places != int(places) or abs(places) > MAX_DIGITS:
            raise Refused("round takes a small whole number of places")
        scale = Rational(10) ** int(places)
        if not self.rational(value) and not value.is_extended_real:
            raise Refused("round takes a real number")
        half = Rational(1, 2)
        scaled = value * scale
        return (self.floor(scaled + half) if value >= 0 else self.ceiling(scaled - half)) / scale

    def factorial(self, value: Any) -> Any:
        import sympy

        number = _whole(value, "factorial")
        if number * max(1, number.bit_length()) > MAX_BITS * 2:
            raise Refused("the factorial is too large to compute exactly")
        return sympy.factorial(number)

    def combinations(self, total: Any, chosen: Any) -> Any:
        import sympy

        n, k = _whole(total, "comb"), _whole(chosen, "comb")
        if min(k, max(0, n - k)) * n.bit_length() > MAX_BITS * 2:
            raise Refused("the number of combinations is too large to compute exactly")
        return sympy.binomial(n, k)

    def permutations(self, total: Any, chosen: Any) -> Any:
        from math import perm

        from sympy import Integer

        n, k = _whole(total, "perm"), _whole(chosen, "perm")
        if min(k, n) * n.bit_length() > MAX_BITS * 2:
            raise Refused("the number of permutations is too large to compute exactly")
        return Integer(perm(n, k))

    def divisor(self, *values: Any) -> Any:
        from math import gcd

        from sympy import Integer

        return Integer(gcd(*(_whole(abs(value), "gcd") for value in values)))

    def multiple(self, *values: Any) -> Any:
        from math import lcm

        from sympy import Integer

        wholes = [_whole(abs(value), "lcm") for value in values]
        if sum(whole.bit_length() for whole in wholes) > MAX_BITS:
            raise Refused("the least common multiple may be too large to compute")
        return Integer(lcm(*wholes))

    def least(self, *values: Any) -> Any:
        import sympy

        return min(values) if all(self.rational(value) for value in values) else sympy.Min(*values)

    def greatest(self, *values: Any) -> Any:
        import sympy

        return max(values) if all(self.rational(value) for value in values) else sympy.Max(*values)

    def total(self, *values: Any) -> Any:
        result: Any = 0
        for value in values:
            result = self.keep(value + result)
        return result

    def mean(self, *values: Any) -> Any:
        return self.total(*values) / len(values)

    def median(self, *values: Any) -> Any:
        if not all(self.rational(value) or value.is_extended_real for value in values):
            raise Refused("median takes real numbers")
        ordered = sorted(values)
        middle = len(ordered) // 2
        return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2

    def absolute(self, value: Any) -> Any:
        self.rational(value)
        return abs(value)

    def root(self, value: Any, degree: Any = None) -> Any:
        from sympy import Integer

        degree = Integer(2) if degree is None else degree
        if value.is_Rational and value < 0 and degree.is_odd:
            return -self.power(-value, Integer(1) / degree)  # the real root
        return self.power(value, Integer(1) / _not_zero(degree))

    def logarithm(self, value: Any, base: Any = None) -> Any:
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

    def percent(self, value: Any) -> Any:
        return value / 100

    def degrees(self, value: Any) -> Any:
        import sympy

        return value * sympy.pi / 180


class _Equation:
    def __init__(self, left: Any, right: Any) -> None:
        self.left = left
        self.right = right


def _undefined() -> tuple[Any, Any]:
    import sympy

    return sympy.zoo, sympy.nan


def _is_percent(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "percent"


def _not_zero(value: Any) -> Any:
    if value == 0:
        raise Refused("division by zero")
    return value


def _whole(value: Any, name: str) -> int:
    if not value.is_Integer or value < 0:
        raise Refused(f"{name} takes whole numbers that are not negative")
    return int(value)


def _plain(name: str) -> Callable[..., Any]:
    def call(evaluation: _Evaluation, value: Any) -> Any:
        import sympy

        # The sine of a huge number needs all its digits before the point.
        if not evaluation.free and not value.is_Rational and abs(value.evalf(5)) > 10**50:
            raise NeedsProcess
        return getattr(sympy, name)(value)

    return call


def _simplify(_: _Evaluation, expression: Any) -> Any:
    import sympy

    return sympy.simplify(_one(expression))


def _expand(_: _Evaluation, expression: Any) -> Any:
    import sympy

    return sympy.expand(_one(expression))


def _factor(_: _Evaluation, expression: Any) -> Any:
    import sympy

    expression = _one(expression)
    if not expression.is_Integer or abs(expression) <= 1:
        return sympy.factor(expression)
    factors = sympy.factorint(expression)
    return " * ".join(str(prime) if power == 1 else f"{prime}^{power}" for prime, power in factors.items())


def _differentiate(_: _Evaluation, expression: Any, variable: Any = None, times: Any = None) -> Any:
    import sympy

    expression = _one(expression)
    variable = _variable(expression, variable)
    return sympy.diff(expression, variable, 1 if times is None else _whole(times, "diff"))


def _integrate(
    _: _Evaluation, expression: Any, variable: Any = None, low: Any = None, high: Any = None
) -> Any:
    import sympy

    if isinstance(variable, tuple):
        if len(variable) != 3:  # noqa: PLR2004
            raise Refused("a range of integration is written (x, 0, 1)")
        variable, low, high = variable
    expression = _one(expression)
    variable = _variable(expression, variable)
    return sympy.integrate(expression, variable if high is None else (variable, low, high))


def _limit(_: _Evaluation, expression: Any, variable: Any, point: Any) -> Any:
    import sympy

    expression = _one(expression)
    return sympy.limit(expression, _variable(expression, variable), point)


def _solve(evaluation: _Evaluation, *parts: Any) -> str:
    flat = [inner for part in parts for inner in (part if isinstance(part, tuple) else (part,))]
    unknowns = [part for part in flat if getattr(part, "is_Symbol", False)]
    equations = [part for part in flat if not getattr(part, "is_Symbol", False)]
    if not equations:
        raise Refused("solve needs an equation: solve(2x + 3 = 7, x)")
    return _shown_solutions(evaluation, equations, unknowns)


def _shown_solutions(evaluation: _Evaluation, equations: list[Any], unknowns: list[Any]) -> str:
    import sympy

    if any(isinstance(equation, (bool, str)) for equation in equations):
        raise Refused("solve takes equations: solve(2x + 3 = 7, x)")
    zeros = [part.left - part.right if isinstance(part, _Equation) else part for part in equations]
    symbols = sorted(set().union(*(zero.free_symbols for zero in zeros)), key=str)
    sides = [side for part in equations if isinstance(part, _Equation) for side in (part.left, part.right)]
    if not evaluation.free and (symbols or not all(zero.is_Rational for zero in zeros)):
        raise NeedsProcess
    if not symbols:
        true = all(sympy.simplify(zero) == 0 for zero in zeros)
        if any(side.free_symbols for side in sides):  # the unknown has cancelled out
            return "true for every value" if true else "no solution"
        return "true" if true else "false"
    unknowns = unknowns or symbols
    if len(unknowns) > 1 and len(zeros) == 1 and len(symbols) > 1:
        raise Refused(f"say which unknown to solve for: solve(…, {unknowns[0]})")
    try:
        solutions = sympy.solve(zeros, unknowns, dict=True)
    except NotImplementedError:
        raise Refused("no way is known to solve this exactly; rearrange or simplify it first") from None
    if not solutions:
        always = all(sympy.simplify(zero) == 0 for zero in zeros)
        return "true for every value" if always else "no solution"
    if len(unknowns) == 1:
        return ", ".join(show(solution[unknowns[0]]) for solution in solutions)
    return "; or ".join(
        ", ".join(f"{name} = {show(value)}" for name, value in solution.items()) for solution in solutions
    )


def _one(value: Any) -> Any:
    if isinstance(value, (tuple, bool, str, _Equation)):
        raise Refused("an expression is needed here, not an equation or a list")
    return value


def _variable(expression: Any, given: Any) -> Any:
    if given is None:
        if len(expression.free_symbols) != 1:
            raise Refused("name the variable, as in diff(x^2, x)")
        return next(iter(expression.free_symbols))
    if not getattr(given, "is_Symbol", False):
        raise Refused("the second argument must be the variable, as in diff(x^2, x)")
    return given


_ANY_NUMBER = 10_000
_E = _Evaluation
FUNCTIONS: dict[str, tuple[Callable[..., Any], int, int]] = {
    "sqrt": (_E.root, 1, 1),
    "cbrt": (lambda self, value: self.root(value, _integer(3)), 1, 1),
    "root": (_E.root, 1, 2),
    "pow": (_E.power, 2, 2),
    "abs": (_E.absolute, 1, 1),
    "min": (_E.least, 1, _ANY_NUMBER),
    "max": (_E.greatest, 1, _ANY_NUMBER),
    "sum": (_E.total, 1, _ANY_NUMBER),
    "mean": (_E.mean, 1, _ANY_NUMBER),
    "average": (_E.mean, 1, _ANY_NUMBER),
    "median": (_E.median, 1, _ANY_NUMBER),
    "round": (_E.rounded, 1, 2),
    "floor": (_E.floor, 1, 1),
    "ceil": (_E.ceiling, 1, 1),
    "factorial": (_E.factorial, 1, 1),
    "comb": (_E.combinations, 2, 2),
    "perm": (_E.permutations, 2, 2),
    "gcd": (_E.divisor, 1, _ANY_NUMBER),
    "lcm": (_E.multiple, 1, _ANY_NUMBER),
    "mod": (_E.remainder, 2, 2),
    "exp": (_E.exponential, 1, 1),
    "ln": (_E.logarithm, 1, 1),
    "log": (_E.logarithm, 1, 2),
    "log2": (lambda self, value: self.logarithm(value, _integer(2)), 1, 1),
    "log10": (lambda self, value: self.logarithm(value, _integer(10)), 1, 1),
    "sin": (_plain("sin"), 1, 1),
    "cos": (_plain("cos"), 1, 1),
    "tan": (_plain("tan"), 1, 1),
    "asin": (_plain("asin"), 1, 1),
    "acos": (_plain("acos"), 1, 1),
    "atan": (_plain("atan"), 1, 1),
    "sinh": (_plain("sinh"), 1, 1),
    "cosh": (_plain("cosh"), 1, 1),
    "tanh": (_plain("tanh"), 1, 1),
    "percent": (_E.percent, 1, 1),
    "degrees": (_E.degrees, 1, 1),
    "simplify": (_simplify, 1, 1),
    "expand": (_expand, 1, 1),
    "factor": (_factor, 1, 1),
    "solve": (_solve, 1, 20),
    "diff": (_differentiate, 1, 3),
    "integrate": (_integrate, 1, 4),
    "limit": (_limit, 3, 3),
}
_SYMBOLIC = {"simplify", "expand", "factor", "solve", "diff", "integrate", "limit"}


def _integer(value: int) -> Any:
    from sympy import Integer

    return Integer(value)


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


def main() -> None:
    """Reads {"source": …} from stdin, writes {"result": …} or {"refused": …} to stdout."""
    source = json.loads(sys.stdin.read())["source"]
    try:
        answer = {"result": evaluate(source, free=True)}
    except Refused as error:
        answer = {"refused": str(error)}
    except Exception:  # noqa: BLE001  (sympy raises many kinds; none of their messages helps a model)
        answer = {"refused": "this could not be computed; simplify it or compute it in parts"}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
