"""One MCP server: a session that is held open, and started anew once if it dies."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
from langchain_core.tools import ToolException

from memento.tools.mcp_transport import http_streams, stdio_streams

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractAsyncContextManager

    from mcp import ClientSession
    from mcp.types import CallToolResult, Tool

    from memento.tools.mcp_transport import Streams

_PAGES = 20
_MOST_TOOLS = 64
_PING = 5.0  # seconds
_CLOSED = -32000


@dataclass(frozen=True, kw_only=True)
class McpConfig:
    """How to reach a server: a `command` of this machine, or a `url`. `allow` and `deny` are names of its
    tools, with wildcards. `needs` says what it cannot be reached without, if that is missing. No value of
    `env` or `headers` is shown by repr.
    """

    name: str
    command: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: str | None = None
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    allow: tuple[str, ...] = ("*",)
    deny: tuple[str, ...] = ()
    needs: str = ""
    start_seconds: float = 20.0
    call_seconds: float = 50.0


class McpServer:
    """Everything here runs on one event loop, which the session belongs to."""

    def __init__(self, config: McpConfig) -> None:
        self.config = config
        self.tools: list[Tool] = []
        self.problem = ""
        self._session: ClientSession | None = None
        self._holding: asyncio.Task[None] | None = None
        self._closed = asyncio.Event()
        self._restarted = False
        self._lock = asyncio.Lock()

    @property
    def alive(self) -> bool:
        return self._session is not None and not self._closed.is_set()

    async def start(self) -> None:
        """Connect, and ask for the tools; `problem` says why that did not work."""
        await self.stop()
        if self.config.needs:
            self.problem = self.config.needs
            return
        self._closed = asyncio.Event()
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._holding = asyncio.create_task(self._hold(ready))
        try:
            async with asyncio.timeout(self.config.start_seconds):
                await asyncio.shield(ready)
            self.problem = ""
        except TimeoutError:
            self.problem = f"it did not start within {self.config.start_seconds:g} seconds"
            await self.stop()
        except Exception as error:  # noqa: BLE001  (each transport has errors of its own, which may hold secrets)
            self.problem = _why(_first(error))
            await self.stop()

    async def stop(self) -> None:
        holding, self._holding, self._session = self._holding, None, None
        self._closed.set()
        if holding is not None:
            # The transport's own way of ending may hang with its server.
            await asyncio.wait([holding], timeout=3)
            holding.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await holding

    async def call(self, name: str, args: dict[str, Any]) -> CallToolResult:
        """What the server's tool answers.

        Raises:
            ToolException: nothing that can be used; the message says what to do.
        """
        if not self.alive:
            await self._restart()
        session = self._session
        assert session is not None  # noqa: S101  (it was started, or _restart raised)
        try:
            async with asyncio.timeout(self.config.call_seconds):
                result = await self._answer(session, name, args)
        except TimeoutError:
            await self._check(session)
            seconds = self.config.call_seconds
            raise ToolException(
                f"no answer within {seconds:g} seconds: ask for less, or go on without"
            ) from None
        except _Gone:
            await self._restart()
            raise ToolException(
                "its server ended during the call and was started anew: try once more"
            ) from None
        self._restarted = False
        return result

    async def _answer(self, session: ClientSession, name: str, args: dict[str, Any]) -> CallToolResult:
        """The answer, unless the server goes away before it."""
        from mcp import McpError

        asking = asyncio.ensure_future(session.call_tool(name, args))
        going = asyncio.ensure_future(self._closed.wait())
        try:
            await asyncio.wait([asking, going], return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                raise _Gone
            return asking.result()
        except McpError as error:
            if error.error.code == _CLOSED and "closed" in error.error.message.lower():
                raise _Gone from None
            raise ToolException(f"the server says: {error.error.message[:500]}") from None
        except (RuntimeError, ValueError, TypeError):
            raise ToolException(
                "the server's answer is not of the form that it promised: go on without"
            ) from None
        finally:
            for task in (asking, going):
                task.cancel()

    async def _check(self, session: ClientSession) -> None:
        """After a call that took too long: whether the server is there at all."""
        try:
            async with asyncio.timeout(_PING):
                await session.send_ping()
        except Exception:  # noqa: BLE001  (whatever it is, it does not answer)
            await self.stop()

    async def _restart(self) -> None:
        async with self._lock:
            if self.alive:
                return
            if self._restarted or self.problem:
                raise ToolException("its server is not running any more: go on without it")
            self._restarted = True
            await self.start()
        if not self.alive:
            raise ToolException("its server ended and could not be started anew: go on without it")

    async def _hold(self, ready: asyncio.Future[None]) -> None:
        """The session's life: contexts are left in the task that entered them."""
        from mcp import ClientSession

        try:
            async with self._streams() as (read, write), ClientSession(read, write) as session:
                await session.initialize()
                self.tools = await _tools(session)
                self._session = session
                ready.set_result(None)
                await self._closed.wait()
        except Exception as error:  # noqa: BLE001  (told where it is waited for)
            if not ready.done():
                ready.set_exception(error)
        finally:
            self._session = None
            self._closed.set()
            if not ready.done():
                ready.set_exception(ConnectionError("ended"))
            elif not ready.cancelled():
                ready.exception()

    def _streams(self) -> AbstractAsyncContextManager[Streams]:
        config = self.config
        if config.url:
            return http_streams(config.url, config.headers, config.call_seconds)
        return stdio_streams(config.command, config.args, config.env, config.cwd, self._closed)


class _Gone(Exception):  # noqa: N818  (not an error yet: the server may be started anew)
    """The server went away."""


async def _tools(session: ClientSession) -> list[Tool]:
    """The tools that it lists, so many of them at most."""
    found: list[Tool] = []
    cursor: str | None = None
    for _ in range(_PAGES):
        page = await session.list_tools(cursor)
        found += page.tools
        cursor = page.nextCursor
        if not cursor or len(found) >= _MOST_TOOLS:
            break
    return found[:_MOST_TOOLS]


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return error


def _why(error: BaseException) -> str:
    """Why it did not start, in words that hold nothing of its configuration."""
    if isinstance(error, FileNotFoundError):
        return "its program, or the folder that it is to run in, is not there"
    if isinstance(error, PermissionError):
        return "its program may not be run"
    if isinstance(error, httpx.HTTPStatusError):
        return f"its address answers with the status {error.response.status_code}"
    if isinstance(error, httpx.TransportError):
        return f"its address cannot be reached ({type(error).__name__})"
    return f"it could not be started ({type(error).__name__})"
