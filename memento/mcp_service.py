"""The case bank, and the agent itself, as MCP tools for other agents."""

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from mcp.server.fastmcp import FastMCP
from mcp.server.fastmcp.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field

from memento.commands.run import report
from memento.errors import MementoError
from memento.memory import CaseBank, build_policy
from memento.memory.why import explain
from memento.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from memento.graph import Agent
    from memento.memory import Case

MAX_CASES = 20
MAX_TEXT = 100_000
_SHOWN = 2_000  # characters of a text
_READS = ToolAnnotations(readOnlyHint=True)

Task = Annotated[str, Field(description="The task, in words", min_length=1, max_length=MAX_TEXT)]


def build_service(
    settings: Settings, bank: CaseBank, graph: "Agent", host: str = "127.0.0.1", port: int = 0
) -> FastMCP:
    """An MCP server over an open bank; whose memory it is, the settings say, and no caller can change it."""
    service = FastMCP(
        "memento",
        instructions="A memory of solved tasks: look up what worked before, and tell how it went.",
        host=host,
        port=port,
        log_level="WARNING",
    )

    @service.tool(annotations=_READS)
    async def search_cases(
        task: Task, limit: Annotated[int, Field(ge=1, le=MAX_CASES)] = 5
    ) -> dict[str, Any]:
        """Past tasks most like this one, with the plans, tool calls and answers that worked or failed."""
        return await _asked(lambda: {"cases": _nearest(bank, task, limit)})

    @service.tool(annotations=_READS)
    async def why(task: Task) -> dict[str, Any]:
        """Which cases would be shown for this task, how likely, and what makes their expected reward."""
        return await _asked(lambda: _why(settings, bank, task))

    @service.tool(annotations=ToolAnnotations(readOnlyHint=False, destructiveHint=False))
    async def feedback(
        run_id: Annotated[str, Field(description="As solve gave it", max_length=200)],
        reward: Annotated[float, Field(ge=0, le=1, description="1 for right, 0 for wrong")],
        comment: Annotated[str, Field(max_length=MAX_TEXT)] = "",
    ) -> dict[str, Any]:
        """Tell how a run was, at once or days later; the memory learns from it."""

        def told() -> dict[str, Any]:
            bank.ledger.feedback(run_id, reward, source="mcp", comment=comment)
            return {"run_id": run_id, "reward": reward}

        return await _asked(told)

    @service.tool(annotations=ToolAnnotations(readOnlyHint=False, destructiveHint=False))
    async def solve(task: Task, reference: Annotated[str, Field(max_length=MAX_TEXT)] = "") -> dict[str, Any]:
        """Solve a task with the agent that has this memory. With a reference, the right answer, it learns."""
        from memento.graph import Context

        given = {"task": task} | ({"reference": reference} if reference else {})
        try:
            # Nobody can be asked in between.
            return report(await graph.ainvoke(given, context=Context(ask=False)))
        except MementoError as error:
            raise ToolError(str(error)) from None
        except Exception as error:
            raise ToolError(f"the run failed ({type(error).__name__})") from error

    return service


async def _asked(work: "Callable[[], dict[str, Any]]") -> dict[str, Any]:
    try:
        return await asyncio.to_thread(work)
    except MementoError as error:
        raise ToolError(str(error)) from None


def _nearest(bank: CaseBank, task: str, limit: int) -> list[dict[str, Any]]:
    found = bank.search(bank.embed([task])[0], limit)
    cases = bank.get_many([candidate.case_id for candidate in found])
    return [
        {"similarity": round(candidate.similarity, 3), **_shown(cases[candidate.case_id])}
        for candidate in found
        if candidate.case_id in cases
    ]


def _shown(case: "Case") -> dict[str, Any]:
    """A case for another agent. `untrusted` says that strangers may have written parts of it."""
    names = ("id", "task", "plan", "trajectory", "answer", "outcome", "untrusted")
    return {name: _short(getattr(case, name)) for name in names}


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= _SHOWN else f"{value[:_SHOWN]}… ({len(value) - _SHOWN} more characters)"
    if isinstance(value, dict):
        return {key: _short(part) for key, part in value.items()}
    return [_short(part) for part in value] if isinstance(value, list) else value


def _why(settings: Settings, bank: CaseBank, task: str) -> dict[str, Any]:
    policy = build_policy(settings.policy, bank=bank, k=settings.k)
    found = asdict(explain(policy, bank.embed([task])[0]))
    return {**found, "candidates": found["candidates"][:MAX_CASES]}
