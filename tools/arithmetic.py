"""Exact and symbolic arithmetic."""

from __future__ import annotations

from pathlib import Path

from langchain_core.tools import ToolException
from pydantic import BaseModel, Field

from memento.tools._notation import to_python
from memento.tools.config import Offer, ToolConfig
from memento.tools.exact.evaluation import evaluate
from memento.tools.exact.steps import NeedsProcess, Refused
from memento.tools.limits import make_tool, run_worker, shorten

SECONDS = 10.0
_MEMORY = 1_500_000_000
_WORKER = str(Path(__file__).with_name("_exact_worker.py"))


class CalculateArgs(BaseModel):
    expression: str = Field(description="The expression, for example 17% of 2340 or (12.5 + 3) * 4 or 2^10")


def calculate(expression: str) -> str:
    """Compute an arithmetic expression exactly, or solve, differentiate, integrate or simplify one.

    Knows + - * / ^ %, "17% of 2340", sqrt, abs, min, max, sum, mean, median, round, floor, ceil, factorial,
    gcd, lcm, mod, comb, perm, exp, ln, log, log2, log10, sin, cos, tan (radians, or 30°), pi, e, and
    solve, simplify, expand, factor, diff, integrate, limit with letters as unknowns.
    Example: calculate(expression="17% of 2340") gives 397.8
    """
    try:
        source = to_python(expression)
        try:
            return shorten(evaluate(source))
        except NeedsProcess:
            return shorten(_in_own_process(source))
    except Refused as refused:
        raise ToolException(f"calculate: {refused}") from None
    except Exception:  # noqa: BLE001  (sympy raises many kinds; none of their messages helps a model)
        raise ToolException(
            "calculate: this could not be computed; write it more simply or in parts"
        ) from None


def _in_own_process(source: str) -> str:
    """Symbolic work cannot be stopped from within, so it gets a process."""
    try:
        answer = run_worker(_WORKER, {"source": source}, SECONDS, _MEMORY)
    except TimeoutError:
        raise Refused(f"not done after {SECONDS:g} seconds: simplify it or compute it in parts") from None
    except MemoryError:
        raise Refused("this needs too much memory: simplify it or compute it in parts") from None
    if "refused" in answer:
        raise Refused(answer["refused"])
    return str(answer["result"])


def arithmetic_tools(_config: ToolConfig) -> list[Offer]:
    return [Offer(make_tool(calculate, CalculateArgs))]
