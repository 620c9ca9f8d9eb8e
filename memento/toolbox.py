"""The tools of one agent, with what they hold open for its runs."""

import asyncio
from typing import TYPE_CHECKING

from memento.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.tools import BaseTool

    from memento.tools import ToolConfig
    from memento.tools.code_session import CodeSessions
    from memento.tools.run_folder import RunFolders


class Toolbox:
    """Tools that are there at once. What runs hold, ends with them."""

    def __init__(self, fixed: "Sequence[BaseTool]", config: "ToolConfig | None" = None) -> None:
        self._fixed = list(fixed)
        self._config = config

    async def tools(self) -> "Sequence[BaseTool]":
        """All tools that a run may be offered."""
        return self._fixed

    async def end_run(self, run_id: str) -> None:
        """Let go of what a run held: its Python, and its folder if it left nothing there."""
        config = self._config
        if config is not None and config.code is not None:
            await asyncio.to_thread(config.code.end, run_id)
        if config is not None and config.folders is not None:
            await asyncio.to_thread(config.folders.end, run_id)


def run_folders(settings: Settings) -> "RunFolders":
    """The folders that tools may write in, one a run."""
    from memento.tools.run_folder import RunFolders

    folder = settings.workspaces or settings.home / "workspaces"
    try:
        return RunFolders(folder.expanduser())
    except RuntimeError:  # a home of nobody's; the first run that opens it says so
        return RunFolders(folder)


def code_sessions(settings: Settings, folders: "RunFolders") -> "tuple[CodeSessions | None, str]":
    """What runs code, or None and what would have to be done to have it."""
    from memento.tools.boundary import find_boundary
    from memento.tools.code_session import CodeSessions

    boundary, needs = find_boundary(unsafe=settings.unsafe_code)
    return (CodeSessions(boundary, folders) if boundary else None), needs
