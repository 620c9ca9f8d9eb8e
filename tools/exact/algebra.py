"""What letters are for: solving, differentiating, integrating, simplifying."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .shown import show
from .steps import NO_EXPRESSION, Equation, NeedsProcess, Refused, whole

if TYPE_CHECKING:
    from .steps import Steps


def simplify(_: Steps, expression: Any) -> Any:
    import sympy

    return sympy.simplify(_one(expression))


def expand(_: Steps, expression: Any) -> Any:
    import sympy

    return sympy.expand(_one(expression))


def factor(_: Steps, expression: Any) -> Any:
    import sympy

    expression = _one(expression)
    if not expression.is_Integer or abs(expression) <= 1:
        return sympy.factor(expression)
    factors = sympy.factorint(expression)
    return " * ".join(str(prime) if power == 1 else f"{prime}^{power}" for prime, power in factors.items())


def differentiate(_: Steps, expression: Any, variable: Any = None, times: Any = None) -> Any:
    import sympy

    expression = _one(expression)
    variable = _variable(expression, variable)
    return sympy.diff(expression, variable, 1 if times is None else whole(times, "diff"))


def integrate(_: Steps, expression: Any, variable: Any = None, low: Any = None, high: Any = None) -> Any:
    import sympy

    if isinstance(variable, tuple):
        if len(variable) != 3:  # noqa: PLR2004
            raise Refused("a range of integration is written (x, 0, 1)")
        variable, low, high = variable
    expression = _one(expression)
    variable = _variable(expression, variable)
    return sympy.integrate(expression, variable if high is None else (variable, low, high))


def limit(_: Steps, expression: Any, variable: Any, point: Any) -> Any:
    import sympy

    expression = _one(expression)
    return sympy.limit(expression, _variable(expression, variable), point)


def solve(steps: Steps, *parts: Any) -> str:
    flat = [inner for part in parts for inner in (part if isinstance(part, tuple) else (part,))]
    unknowns = [part for part in flat if getattr(part, "is_Symbol", False)]
    equations = [part for part in flat if not getattr(part, "is_Symbol", False)]
    if not equations:
        raise Refused("solve needs an equation: solve(2x + 3 = 7, x)")
    return shown_solutions(steps, equations, unknowns)


def shown_solutions(steps: Steps, equations: list[Any], unknowns: list[Any]) -> str:
    import sympy

    if any(isinstance(equation, (bool, str)) for equation in equations):
        raise Refused("solve takes equations: solve(2x + 3 = 7, x)")
    zeros = [part.left - part.right if isinstance(part, Equation) else part for part in equations]
    symbols = sorted(set().union(*(zero.free_symbols for zero in zeros)), key=str)
    sides = [side for part in equations if isinstance(part, Equation) for side in (part.left, part.right)]
    if not steps.free and (symbols or not all(zero.is_Rational for zero in zeros)):
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
    if isinstance(value, NO_EXPRESSION):
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
