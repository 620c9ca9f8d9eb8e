"""The form of what was done: the calls of a trajectory, with blanks for what came from its task.

Cases that called the same tools need not have done the same: celsius to fahrenheit is not fahrenheit to
celsius, and a sum is no product. Cases for different tasks never have the same arguments, though. So a
number, date or quoted text that the task or an earlier result has becomes a blank, the same one wherever it
stands; what a plan brought along by itself (a unit, a constant, an operator, the name of a column) stays.

    'A box holds 24 pencils. How many are in 93?'   calculate {"expression": "24 * 93"}
    calculate(expression=#1 * #2)
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from memento.memory.trajectory import Step

SAME_TOOLS = 0.5
"""What cases have in common that called the same tools in another form; in the same form it is 1."""

_LONGEST = 200
"""A longer text is prose or code that two trajectories never share."""
_HEARD = 20_000
"""So many characters of a result are looked at."""
_NUMBER = r"(?P<number>\d{4}-\d\d-\d\d|\d{1,2}(?::\d\d)+|\d+(?:[.,]\d+)*)"
_QUOTED = r"(?P<quoted>(?<!\w)(?:'[^'\n]*'|\"[^\"\n]*\"|“[^”\n]*”|‘[^’\n]*’|`[^`\n]*`))"
_SAID = re.compile(f"{_QUOTED}|{_NUMBER}")
_TOKEN = re.compile(rf"{_QUOTED}|{_NUMBER}|\w+|[^\w\s]")


def form_of(task: str, trajectory: Sequence[Step]) -> str:
    """The calls that ended without an error, in order; empty where there is none."""
    blanks = _Blanks(task)
    calls = []
    for step in trajectory:
        for call in step["tool_calls"]:
            if not call["error"]:
                calls.append(f"{call['name']}({', '.join(_named(call['args'], blanks))})")
                blanks.hear(call["result"])
    return "; ".join(calls)


@lru_cache(maxsize=10_000)
def hash_of_tools(tools: tuple[str, ...]) -> str:
    """The same for cases that called the same tools in the same order; empty for those that called none."""
    return hash_of("\x1f".join(tools))


def hash_of(text: str) -> str:
    """A short text that stands for a longer one; empty for the empty one."""
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).hexdigest() if text else ""


class _Blanks:
    """What was said before a call, and the number of each blank that stands for some of it."""

    def __init__(self, task: str) -> None:
        self._text = ""
        self._values: set[str] = set()
        self._numbers: dict[str, int] = {}
        self.hear(task)

    def hear(self, said: str) -> None:
        text = said[:_HEARD].casefold()
        self._text = f"{self._text}\n{text}"
        for found in _SAID.finditer(text):
            self._values.add(_key(found["number"]) if found["number"] else found["quoted"][1:-1])

    def value(self, text: str) -> str | None:
        """The blank for a number, date or quoted text that was said, None for anything else."""
        return self._blank(text) if text in self._values else None

    def anything(self, text: str) -> str | None:
        """The blank for what was said, quoted or not."""
        return self._blank(text) if text and text in self._text else None

    def _blank(self, text: str) -> str:
        return f"#{self._numbers.setdefault(text, len(self._numbers) + 1)}"


def _named(args: dict[str, Any], blanks: _Blanks) -> Iterable[str]:
    return (f"{name}={_rendered(args[name], blanks)}" for name in sorted(args))


def _rendered(value: Any, blanks: _Blanks) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(_named(value, blanks))}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_rendered(item, blanks) for item in value)}]"
    text = str(value).casefold()
    if len(text) > _LONGEST:
        return "…"
    return blanks.value(text) or " ".join(_token(found, blanks) for found in _TOKEN.finditer(text))


def _token(found: re.Match[str], blanks: _Blanks) -> str:
    if found["quoted"]:
        inner = found["quoted"][1:-1]
        return blanks.anything(inner) or f"'{inner}'"
    if found["number"]:
        number = _key(found["number"])
        return blanks.value(number) or number
    return found[0]


def _key(number: str) -> str:
    """A number or date as one text, however it is written."""
    try:
        return format(float(number.replace(",", "")), ".12g")
    except ValueError:
        return number
