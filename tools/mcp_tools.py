"""The tools of MCP servers, as any others: described within limits, and answered as what strangers wrote."""

from __future__ import annotations

import asyncio
import json
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_core.tools import BaseTool, StructuredTool, ToolException
from langchain_core.utils.json_schema import dereference_refs

from memento.tools.limits import shorten
from memento.tools.mcp_server import McpConfig, McpServer
from memento.tools.traits import Traits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence

    from mcp.types import CallToolResult, Tool

T = TypeVar("T")
_DESCRIPTION = 600
_SCHEMA = 20_000  # characters
_NAME = 64
_ARGUMENT = re.compile(r"[\w.$-]{1,64}")
_OPEN: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": True}


class McpServers:
    """Several servers, connected to when their tools are asked for first. `run_async` and `run_sync` put a
    coroutine on the one event loop that the sessions belong to.
    """

    def __init__(
        self,
        configs: Sequence[McpConfig],
        run_async: Callable[[Coroutine[Any, Any, Any]], Awaitable[Any]],
        run_sync: Callable[[Coroutine[Any, Any, Any]], Any],
    ) -> None:
        self._configs = list(configs)
        self._run_async = run_async
        self._run_sync = run_sync
        self._starting: asyncio.Task[list[McpServer]] | None = None

    async def tools(self, taken: Collection[str] = ()) -> list[BaseTool]:
        """The tools of all servers that answer, under names that are not `taken`."""
        servers: list[McpServer] = await self._run_async(self._started())
        names = set(taken)
        made: list[BaseTool] = []
        for server in servers:
            for tool in server.tools:
                if _wanted(tool.name, server.config):
                    name = _free_name(tool.name, server.config.name, names)
                    names.add(name)
                    made.append(self._tool(server, tool, name))
        return made

    async def problems(self) -> dict[str, str]:
        """The servers that are not there, and why."""
        servers: list[McpServer] = await self._run_async(self._started())
        return {server.config.name: server.problem for server in servers if server.problem}

    async def close(self) -> None:
        await self._run_async(self._stopped())

    async def _started(self) -> list[McpServer]:
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
        return await asyncio.shield(self._starting)

    async def _start(self) -> list[McpServer]:
        servers = [McpServer(config) for config in self._configs]
        await asyncio.gather(*(server.start() for server in servers))
        return servers

    async def _stopped(self) -> None:
        if self._starting is not None:
            servers = await self._starting
            self._starting = None
            await asyncio.gather(*(server.stop() for server in servers))

    def _tool(self, server: McpServer, tool: Tool, name: str) -> BaseTool:
        async def answer(args: dict[str, Any]) -> str:
            try:
                return _text(await server.call(tool.name, args))
            except ToolException as error:
                raise ToolException(f"{name}: {error}") from None

        async def arun(**args: Any) -> str:
            return str(await self._run_async(answer(args)))

        def run(**args: Any) -> str:
            return str(self._run_sync(answer(args)))

        reads = tool.annotations is not None and tool.annotations.readOnlyHint is True
        return StructuredTool(
            name=name,
            description=_description(tool, server.config.name),
            args_schema=_schema(tool.inputSchema),
            func=run,
            coroutine=arun,
            metadata=Traits(untrusted=True, effect="reads" if reads else "writes").metadata(),
        )


def _wanted(name: str, config: McpConfig) -> bool:
    allowed = any(fnmatchcase(name, pattern) for pattern in config.allow)
    return allowed and not any(fnmatchcase(name, pattern) for pattern in config.deny)


def _free_name(name: str, server: str, taken: Collection[str]) -> str:
    """A name that models take and no other tool has: after its server, and numbered, where it must be."""
    plain = _identifier(name)
    prefixed = _identifier(f"{server}_{name}")
    numbered = (f"{prefixed[: _NAME - 4]}_{number}" for number in range(2, 1000))
    return next(one for one in (plain, prefixed, *numbered) if one not in taken)


def _identifier(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:_NAME] or "tool"


def _description(tool: Tool, server: str) -> str:
    """One paragraph, marked as data: what a server says of its tool stands in every prompt."""
    said = tool.description or tool.title or tool.name
    return f"{_marked(said)} (of the MCP server {_identifier(server)})"


def _marked(said: str) -> str:
    """What a server says, cut, on one line, and with nothing in it that could end the mark."""
    return f"<untrusted>{shorten(' '.join(said.replace('<', '‹').split()), _DESCRIPTION)}</untrusted>"


def _described(schema: Any) -> Any:
    """A schema whose descriptions are marked."""
    if isinstance(schema, list):
        return [_described(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _marked(part) if key == "description" and isinstance(part, str) else _described(part)
        for key, part in schema.items()
        if key != "title"
    }


def _schema(given: Any) -> dict[str, Any]:
    """The arguments' schema, if it is one that can be shown to a model; else any arguments."""
    try:
        flat = dereference_refs(given) if "$ref" in json.dumps(given) else given
        size = len(json.dumps(flat))
    except Exception:  # noqa: BLE001  (a schema that is none breaks in many ways)
        return _OPEN
    if not isinstance(flat, dict) or flat.get("type") != "object" or size > _SCHEMA:
        return _OPEN
    properties = flat.get("properties", {})
    if not isinstance(properties, dict) or not all(isinstance(one, dict) for one in properties.values()):
        return _OPEN
    if not all(_ARGUMENT.fullmatch(name) for name in properties):
        return _OPEN
    required = flat.get("required", [])
    known = [name for name in required if name in properties] if isinstance(required, list) else []
    shown = {name: _described(about) for name, about in properties.items()}
    return {"type": "object", "properties": shown, "required": known}


def _text(result: CallToolResult) -> str:
    """The answer as text; what is no text is named."""
    parts = [_part(block) for block in result.content]
    if not any(parts) and result.structuredContent is not None:
        parts = [json.dumps(result.structuredContent, ensure_ascii=False, default=str)]
    text = shorten("\n".join(part for part in parts if part))
    if result.isError:
        raise ToolException(f"the server says: {shorten(text, 1000) or 'it failed'}")
    return text or "(no text)"


def _part(block: Any) -> str:
    if block.type == "text":
        return str(block.text)
    if block.type in {"image", "audio"}:
        return f"[{block.type}, {block.mimeType}, {len(block.data)} characters]"
    if block.type == "resource_link":
        return f"[{block.name}: {block.uri}]"
    return str(getattr(block.resource, "text", f"[{block.resource.uri}]"))
