"""Python, kept between the calls of a run, in a sandbox."""

from __future__ import annotations

import asyncio
from typing import Any

from langchain_core.runnables import RunnableConfig  # noqa: TC002  (LangChain reads the annotations)
from langchain_core.tools import ToolException
from pydantic import BaseModel, Field

from memento.tools.boundary import INSTALL
from memento.tools.code_session import CodeSessions, Session, StoppedError
from memento.tools.config import Offer, ToolConfig
from memento.tools.limits import OUTPUT_CHARACTERS, make_tool, shorten
from memento.tools.run_folder import Entry, OutsideError
from memento.tools.traits import Effect, Traits, run_of

MAX_CODE = 100_000
_LISTED = 20


class CodeArgs(BaseModel):
    code: str = Field(description="Python code; print what you want to see", max_length=MAX_CODE)


def code_tools(config: ToolConfig) -> list[Offer]:
    sessions = config.code

    def run_python(code: str, config: RunnableConfig) -> str:
        """Run Python and see what it prints and the value of its last line; variables stay for later calls.

        It has no network, and no files but those of the workspace; plots are saved there as images.
        Example: run_python(code="sum(n * n for n in range(10))") gives 285
        """
        assert sessions is not None  # noqa: S101  (the tool is not offered without)
        return _run(sessions, run_of(config), code)

    async def arun(code: str, config: RunnableConfig) -> str:
        assert sessions is not None  # noqa: S101  (the tool is not offered without)
        try:
            return await asyncio.to_thread(_run, sessions, run_of(config), code)
        except asyncio.CancelledError:
            sessions.end(run_of(config))
            raise

    effect: Effect = "workspace" if sessions is None or sessions.boundary.isolated else "writes"
    made = make_tool(run_python, CodeArgs, arun, Traits(effect=effect))
    return [Offer(made, "" if sessions else config.code_needs or INSTALL)]


def _run(sessions: CodeSessions, run_id: str, code: str) -> str:
    if not code.strip() or "\0" in code:
        raise ToolException("run_python: give Python code, such as print(2 + 3)")
    session = sessions.of(run_id)
    with session.lock:
        before = _files(session)
        try:
            reply = session.run(code)
        except (StoppedError, OSError) as error:
            why = str(error) if isinstance(error, StoppedError) else "the sandbox could not be started"
            raise ToolException(f"run_python: {why}") from None
        made = [entry for path, entry in _files(session).items() if before.get(path) != entry]
    said = _without(str(session.folder.path), _printed(reply))
    if reply.get("kind"):
        raise ToolException(_without(str(session.folder.path), _failure(reply, said)))
    return "\n".join(part for part in (said, _listed(made)) if part) or "(it ran, and printed nothing)"


def _files(session: Session) -> dict[str, Entry]:
    try:
        return {entry.path: entry for entry in session.folder.entries()}
    except (OSError, OutsideError):
        return {}


def _printed(reply: dict[str, Any]) -> str:
    text, name = str(reply.get("printed", "")).rstrip(), str(reply.get("file", ""))
    if len(text) <= OUTPUT_CHARACTERS - 200 or not name:
        return shorten(text)
    return (
        f"{text[: OUTPUT_CHARACTERS - 200]}… [shortened: {reply.get('size')} bytes in all; "
        f'the whole is in the workspace: workspace_read(path="{shorten(name, 40)}")]'
    )


def _failure(reply: dict[str, Any], said: str) -> str:
    kind, message, line = (shorten(str(reply.get(key, "")), 500) for key in ("kind", "message", "line"))
    if kind == "OSError" and "File too large" in message:
        message = "it printed or wrote more than a file may hold: print and write less"
    if kind == "MemoryError":
        message = "this needs too much memory: do less at a time"
    where = f" in line {line}" if line else ""
    printed = f"\nPrinted before that:\n{said}" if said else ""
    return f"run_python: {kind}{where}: {message}{printed}"


def _listed(made: list[Entry]) -> str:
    if not made:
        return ""
    names = [f"{entry.path!r} ({entry.size} bytes)" for entry in made[:_LISTED]]
    more = f" and {len(made) - _LISTED} more" if len(made) > _LISTED else ""
    return shorten(f"Files: {', '.join(names)}{more}", 1500)


def _without(path: str, text: str) -> str:
    return text.replace(path, "/workspace")
