"""The tools of one agent, with what they hold open for its runs."""

import asyncio
import atexit
import contextlib
import os
import weakref
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from memento.errors import UsageError
from memento.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.tools import BaseTool

    from memento.tools import ToolConfig, ToolStatus
    from memento.tools.code_session import CodeSessions
    from memento.tools.mcp_tools import McpServers
    from memento.tools.run_folder import RunFolders

_CLOSING = 5.0  # seconds


class Toolbox:
    """Tools that are there at once, and those of MCP servers. What runs hold, ends with them."""

    def __init__(
        self,
        fixed: "Sequence[BaseTool]",
        config: "ToolConfig | None" = None,
        servers: "McpServers | None" = None,
    ) -> None:
        self._fixed = list(fixed)
        self._config = config
        self._servers = servers

    async def tools(self) -> "Sequence[BaseTool]":
        """All tools that a run may be offered."""
        if self._servers is None:
            return self._fixed
        return [*self._fixed, *await self._servers.tools([tool.name for tool in self._fixed])]

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

    if settings.code_image:
        from memento.tools.container_boundary import find_container

        boundary, needs = find_container(settings.code_image)
    else:
        boundary, needs = find_boundary(unsafe=settings.unsafe_code)
    return (CodeSessions(boundary, folders) if boundary else None), needs


def mcp_servers(settings: Settings) -> "McpServers | None":
    """The MCP servers of the settings' configuration file, on the agents' one event loop.

    Raises:
        UsageError: the file cannot be read, or the package is missing.
    """
    if settings.mcp is None:
        return None
    if find_spec("mcp") is None:
        raise UsageError("MCP servers need another package: run `pip install mcp`")
    from memento.graph.background import run_async, run_sync
    from memento.mcp_config import read_servers
    from memento.tools.mcp_tools import McpServers

    servers = McpServers(read_servers(settings.mcp, os.environ), run_async, run_sync)
    alive = weakref.ref(servers)
    atexit.register(lambda: _close(alive()))
    return servers


def server_status(settings: Settings, taken: "Sequence[str]") -> "list[ToolStatus]":
    """The tools of the MCP servers, and the servers that are not there."""
    servers = mcp_servers(settings)
    if servers is None:
        return []
    from memento.graph.background import run_sync
    from memento.tools import ToolStatus

    try:
        tools, problems = run_sync(servers.tools(taken)), run_sync(servers.problems())
    finally:
        _close(servers)
    ready = [ToolStatus(tool.name, ready=True, needs="", args=_schema(tool)) for tool in tools]
    gone = [
        ToolStatus(f"mcp_{name}", ready=False, needs=f"see to the MCP server {name!r}: {why}", args={})
        for name, why in problems.items()
    ]
    return [*ready, *gone]


def _schema(tool: "BaseTool") -> "dict[str, Any]":
    """The arguments' JSON schema, of tools that have no pydantic model of them, too."""
    schema = tool.args_schema
    return schema if isinstance(schema, dict) else tool.get_input_jsonschema()


def _close(servers: "McpServers | None") -> None:
    """End the servers that are processes of ours, when this one ends."""
    from memento.graph.background import run_sync

    if servers is not None:
        with contextlib.suppress(Exception):
            run_sync(asyncio.wait_for(servers.close(), _CLOSING))
