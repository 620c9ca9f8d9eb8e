"""Which tools a run offers: at most a dozen, since a model that is shown thirty chooses badly."""

from collections.abc import Callable, Collection, Sequence
from fnmatch import fnmatchcase

import numpy as np
from langchain_core.tools import BaseTool
from numpy.typing import NDArray

from memento.memory.errors import UsageError

Embed = Callable[[Sequence[str]], NDArray[np.float32]]


def allowed_tools(tools: Sequence[BaseTool], allow: Sequence[str] | None) -> list[BaseTool]:
    """The tools whose names are allowed; None allows all. A name may have wildcards: `files_*`.

    Raises:
        UsageError: a name without wildcards is that of no tool.
    """
    if allow is None:
        return list(tools)
    names = [tool.name for tool in tools]
    for wanted in allow:
        if wanted not in names and not set(wanted) & set("*?["):
            raise UsageError(
                f"allow_tools: there is no tool {wanted!r} here; the tools are {', '.join(names)}"
            )
    return [tool for tool in tools if any(fnmatchcase(tool.name, wanted) for wanted in allow)]


def offered_tools(
    task: str,
    tools: Sequence[BaseTool],
    used: Collection[str],
    near: Collection[str],
    most: int,
    embed: Embed,
) -> list[str]:
    """The names of at most `most` tools, in their own order: those that the shown cases `used`, then those
    that `near` cases used which are not shown, then those whose descriptions are most like the task.
    """
    if len(tools) <= most:
        return [tool.name for tool in tools]
    likeness = _likeness(task, tools, embed)
    seats = [0 if tool.name in used else 1 if tool.name in near else 2 for tool in tools]
    ranked = sorted(range(len(tools)), key=lambda i: (seats[i], -likeness[i], i))
    chosen = set(ranked[:most])
    return [tool.name for i, tool in enumerate(tools) if i in chosen]


def _likeness(task: str, tools: Sequence[BaseTool], embed: Embed) -> list[float]:
    """How like the task each tool's likest line of description is: its example may say more than its first
    line. The encoder remembers their vectors.
    """
    lines = [_lines(tool) for tool in tools]
    vectors = embed([task, *(line for tool in lines for line in tool)])
    cosines = iter(vectors[1:] @ vectors[0])
    return [max(float(next(cosines)) for _ in tool) for tool in lines]


def _lines(tool: BaseTool) -> list[str]:
    return [line.strip() for line in tool.description.splitlines() if line.strip()] or [tool.name]
