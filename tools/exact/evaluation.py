"""Walks the syntax tree of an expression and computes its value."""

from __future__ import annotations

import ast
import re
from typing import Any

from . import functions
from .algebra import shown_solutions
from .names import ANY_NUMBER, CONSTANTS, FUNCTIONS, SYMBOLIC, UNKNOWN
from .shown import show
from .steps import MAX_BITS, MAX_DEPTH, NO_EXPRESSION, Equation, NeedsProcess, Refused, Steps, not_zero


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
        self.steps = Steps(free=free)
        self.depth = 0

    def result(self, node: ast.expr) -> str:
        value = self.value(node)
        if isinstance(value, Equation):
            return shown_solutions(self.steps, [value], [])
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
                return self.steps.keep(-self.scalar(operand))
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
        if isinstance(value, NO_EXPRESSION):
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

        return self.steps.keep(Rational(text))

    def _named(self, name: str) -> Any:
        import sympy

        if name in CONSTANTS:
            return self.steps.keep(2 * sympy.pi if name == "tau" else getattr(sympy, CONSTANTS[name]))
        if not UNKNOWN.fullmatch(name):
            raise Refused(f"unknown name {name[:40]}: put its number, or a single letter for an unknown")
        return self.steps.keep(sympy.Symbol(name))

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
                return self.steps.keep(left + right)
            case ast.Sub():
                return self.steps.keep(left - right)
            case ast.Mult():
                return self.steps.keep(left * right)
            case ast.Div():
                return self.steps.keep(left / not_zero(right))
            case ast.FloorDiv():
                return functions.floor(self.steps, self.steps.keep(left / not_zero(right)))
            case ast.Mod():
                return functions.remainder(self.steps, left, right)
            case ast.Pow():
                return functions.power(self.steps, left, right)
        raise Refused("only + - * / // % and ^ combine numbers")

    def _compare(self, left: Any, operation: ast.cmpop, right: Any) -> Any:
        if isinstance(operation, ast.Eq):
            return Equation(left, right)
        difference = left - right
        if not self.steps.free and not difference.is_Rational:
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
        takes_list = most == ANY_NUMBER
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
        if name not in SYMBOLIC and any(isinstance(value, NO_EXPRESSION) for value in values):
            raise Refused(f"{name} takes numbers")
        if name in SYMBOLIC and not self.steps.free:
            raise NeedsProcess
        result = function(self.steps, *values)
        return result if isinstance(result, (tuple, str, Equation)) else self.steps.keep(result)


def _is_percent(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "percent"
