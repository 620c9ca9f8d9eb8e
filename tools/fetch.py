"""One GET of a stranger's address, within bounds: of time, size, type, redirects, and of where it leads."""

from __future__ import annotations

import asyncio
import ssl
import zlib
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import httpcore
import httpx

from memento.tools.addresses import literal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from memento.tools.addresses import Address

MAX_URL = 2_000
MAX_REDIRECTS = 5
PATIENCE = 10.0  # seconds for a connection, and between two pieces of an answer
_REDIRECTS = {301, 302, 303, 307, 308}
_WEB_PORTS = {None, 80, 443}
_FIRST_FREE_PORT = 1024  # below are the ports of mail, shells and other things that are no web


class FetchError(ValueError):
    """Why there is no page, in a sentence for who asked."""


@dataclass(frozen=True)
class Fetched:
    """`url` is where the redirects ended; `kind` the media type in lower case."""

    url: str
    status: int
    kind: str
    charset: str
    body: bytes


@dataclass(frozen=True)
class Bounds:
    """`kinds` are the beginnings of the media types that are wanted; empty takes any."""

    kinds: tuple[str, ...] = ()
    max_bytes: int = 10_000_000
    seconds: float = 20.0


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connects to an address that was looked at, and to that very address: a name is looked up once."""

    def __init__(self, may_reach: Callable[[Address], bool]) -> None:
        self._may_reach = may_reach
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  (httpcore's interface)
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        allowed = [address for address in await _addresses(host, port) if self._may_reach(address)]
        if not allowed:
            raise FetchError("this address is not on the public Internet: only public pages can be fetched")
        failure: Exception | None = None
        for address in allowed[:3]:
            try:
                return await self._network.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError

    async def connect_unix_socket(self, *_args: Any, **_options: Any) -> httpcore.AsyncNetworkStream:
        raise FetchError("only http and https addresses can be fetched")

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)


async def _addresses(host: str, port: int) -> list[Address]:
    address = literal(host)
    if address is not None:
        return [address]
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=1)
    except (OSError, UnicodeError):
        raise FetchError("there is no such host: check the address") from None
    return [ip_address(entry[4][0]) for entry in found]


def parse(url: str, base: httpx.URL | None = None) -> httpx.URL:
    """An address that may be asked for.

    Raises:
        FetchError: it is none; the message says what one looks like.
    """
    text = url.strip()
    if (
        not text
        or len(text) > MAX_URL
        or any(ord(character) <= ord(" ") or character == "\\" for character in text)
    ):
        raise FetchError("this is no web address: give a whole one such as https://example.org/page")
    try:
        parsed = base.join(text) if base else httpx.URL(text)
        host, port = parsed.host, parsed.port
    except (httpx.InvalidURL, ValueError, UnicodeError):
        raise FetchError(
            "this is no web address: give a whole one such as https://example.org/page"
        ) from None
    if parsed.scheme not in ("http", "https"):
        raise FetchError("only http and https addresses can be fetched, such as https://example.org/page")
    if not host or "%" in host:
        raise FetchError("this is no web address: give a whole one such as https://example.org/page")
    if parsed.userinfo:
        raise FetchError("give the address without a user name or password in it")
    if port not in _WEB_PORTS and (port or 0) < _FIRST_FREE_PORT:
        raise FetchError(f"port {port} is not a web server's: give the address without it")
    return parsed.copy_with(fragment=None)


async def get(
    url: httpx.URL, bounds: Bounds, may_reach: Callable[[Address], bool], context: ssl.SSLContext, agent: str
) -> Fetched | httpx.URL:
    """What is at the address; another address where it redirects.

    Raises:
        FetchError: there is nothing to be had; the message says what to do.
    """
    target = httpcore.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path or b"/"
    )
    headers = [
        (b"User-Agent", agent.encode()),
        (b"Accept", b"text/html,application/xhtml+xml,application/pdf;q=0.9,*/*;q=0.5"),
        (b"Accept-Encoding", b"gzip, deflate"),
    ]
    waits = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), PATIENCE)}
    try:
        async with (
            httpcore.AsyncConnectionPool(
                ssl_context=context, network_backend=CheckedBackend(may_reach), retries=0
            ) as pool,
            pool.stream("GET", target, headers=headers, extensions=waits) as response,
        ):
            fields = {
                name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers
            }
            if response.status in _REDIRECTS and "location" in fields:
                return parse(fields["location"], url)
            return await _read(url, response, fields, bounds)
    except httpcore.TimeoutException:
        raise FetchError("the server does not answer in time: try once more, or another page") from None
    except (httpcore.NetworkError, ssl.SSLError, OSError) as error:
        secure = "certificate" in str(error).lower()
        reason = "its certificate is not valid" if secure else "the server cannot be reached"
        raise FetchError(f"{reason}: check the address, or try another page") from None
    except (httpcore.ProtocolError, httpcore.UnsupportedProtocol, UnicodeError):
        raise FetchError("the server does not answer as a web server does: try another page") from None


async def _read(
    url: httpx.URL, response: httpcore.Response, fields: dict[str, str], bounds: Bounds
) -> Fetched:
    kind, _, parameters = fields.get("content-type", "").partition(";")
    kind = kind.strip().lower()
    _, _, charset = parameters.partition("charset=")
    if response.status < 400 and bounds.kinds and not kind.startswith(bounds.kinds):  # noqa: PLR2004
        raise FetchError(
            f"there is {kind[:80] or 'something without a type'} there, which this tool cannot read"
        )
    declared = fields.get("content-length", "")
    if declared.isdigit() and int(declared) > bounds.max_bytes:
        raise FetchError(_too_large(bounds))
    body = bytearray()
    async for piece in _inflated(response.aiter_stream(), fields.get("content-encoding", ""), bounds):
        body += piece
    return Fetched(str(url), response.status, kind, charset.split(";")[0].strip("\"' "), bytes(body))


async def _inflated(pieces: AsyncIterator[bytes], encoding: str, bounds: Bounds) -> AsyncIterator[bytes]:
    """The body unpacked; neither what came nor what it unpacks to is ever larger than what is allowed."""
    name = encoding.strip().lower()
    if name not in ("", "identity", "gzip", "x-gzip", "deflate"):
        raise FetchError("the server packs its answer in a way that was not asked for: try another page")
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 32) if name not in ("", "identity") else None
    left, received = bounds.max_bytes, 0
    async for piece in pieces:
        received += len(piece)
        try:
            whole = unpack.decompress(piece, left + 1) if unpack else piece
        except zlib.error:
            raise FetchError("the server's answer is damaged: try once more, or another page") from None
        left -= len(whole)
        if left < 0 or received > bounds.max_bytes:
            raise FetchError(_too_large(bounds))
        yield whole


def _too_large(bounds: Bounds) -> str:
    return f"it is larger than {bounds.max_bytes // 1_000_000} MB: try another page"
