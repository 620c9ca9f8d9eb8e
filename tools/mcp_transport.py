"""Connections to MCP servers that no message can flood: the library's own read a line of any length."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import anyio
import httpx
from mcp.client.stdio import get_default_environment
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCMessage
from pydantic import ValidationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

MAX_MESSAGE = 8_000_000  # bytes
_GRACE = 1.0  # seconds that a server has to end by itself
Streams = tuple[Any, Any]


@asynccontextmanager
async def stdio_streams(
    command: str, args: Sequence[str], env: Mapping[str, str], cwd: str | None, closed: asyncio.Event
) -> AsyncIterator[Streams]:
    """A server that is a process of ours. Of this process's environment it gets what any program needs to
    run, and what `env` names. `closed` is set when it has ended, or sent too much.
    """
    process = await asyncio.create_subprocess_exec(
        shutil.which(command) or command,
        *args,
        env={**get_default_environment(), **env},
        cwd=cwd,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=MAX_MESSAGE,
        start_new_session=True,
    )
    to_session, read = anyio.create_memory_object_stream[Any](0)
    write, from_session = anyio.create_memory_object_stream[Any](0)
    try:
        async with anyio.create_task_group() as group, read, write:
            group.start_soon(_pass_in, process, to_session, closed)
            group.start_soon(_pass_out, process, from_session)
            yield read, write
            group.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await _ended(process)


async def _pass_in(process: asyncio.subprocess.Process, to_session: Any, closed: asyncio.Event) -> None:
    assert process.stdout is not None  # noqa: S101  (it was asked for)
    async with to_session:
        with suppress(ValueError, OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
            while line := await process.stdout.readline():
                try:
                    message = JSONRPCMessage.model_validate_json(line)
                except ValidationError as error:
                    await to_session.send(error)
                    continue
                await to_session.send(SessionMessage(message))
        closed.set()


async def _pass_out(process: asyncio.subprocess.Process, from_session: Any) -> None:
    assert process.stdin is not None  # noqa: S101  (it was asked for)
    async with from_session:
        with suppress(OSError):
            async for outgoing in from_session:
                text = outgoing.message.model_dump_json(by_alias=True, exclude_none=True)
                process.stdin.write(text.encode() + b"\n")
                await process.stdin.drain()


async def _ended(process: asyncio.subprocess.Process) -> None:
    """End the server and whatever it started."""
    if process.stdin is not None:
        process.stdin.close()
    with suppress(TimeoutError):
        async with asyncio.timeout(_GRACE):
            await process.wait()
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(TimeoutError):
        async with asyncio.timeout(_GRACE):
            await process.wait()
    process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001  (asyncio has no public way)


@asynccontextmanager
async def http_streams(url: str, headers: Mapping[str, str], seconds: float) -> AsyncIterator[Streams]:
    """A server behind an address, over streamable HTTP."""
    timeout = httpx.Timeout(seconds, read=max(seconds, 300.0))
    async with (
        httpx.AsyncClient(headers=dict(headers), timeout=timeout, transport=_Bounded()) as client,
        streamable_http_client(url, http_client=client) as (read, write, _session_id),
    ):
        yield read, write


class _Bounded(httpx.AsyncHTTPTransport):
    """Answers of at most so many bytes."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101  (of an asynchronous client)
        response.stream = _Counted(response.stream)
        return response


class _Counted(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for part in self._stream:
            size += len(part)
            if size > MAX_MESSAGE:
                raise httpx.ReadError("the answer is too large")
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()
