"""Asking the person at the terminal before a tool writes or spends."""

import json
import sys
from typing import TYPE_CHECKING, Any

from memento.commands.common import printable, short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langgraph.types import Command, Interrupt
    from rich.console import Console

    from memento.settings import Settings

_SHOWN = 2_000
"""Characters of a call's arguments: what is approved must be seen, but not fill the screen."""


def asks_here(settings: "Settings", screen: "Console | None") -> bool:
    """Whether there are calls to ask about, and a person who can answer."""
    return bool(settings.approve) and settings.ask and screen is not None and sys.stdin.isatty()


def answers(waiting: "Sequence[Interrupt]", screen: "Console") -> "Command[Any]":
    """What the person says to each call that waits. Whatever is no clear yes is a no."""
    from langgraph.types import Command

    return Command(resume={one.id: {"decisions": _decisions(one.value, screen)} for one in waiting})


def _decisions(asked: dict[str, Any], screen: "Console") -> list[dict[str, str]]:
    return [_decision(call, screen) for call in asked["action_requests"]]


def _decision(call: dict[str, Any], screen: "Console") -> dict[str, str]:
    args = json.dumps(call["args"], ensure_ascii=False, default=str)
    screen.print(f"[bold yellow]allow?[/] {printable(call['name'])} {printable(short(args, _SHOWN))}")
    try:
        said = screen.input("        \\[y/N, or why not] ").strip()
    except EOFError:
        said = ""
    if said.lower() in {"y", "yes"}:
        return {"type": "approve"}
    return {"type": "reject", "message": "" if said.lower() in {"n", "no"} else said}
