"""The web as tools may use it: public pages only, as their robots.txt allows, and never in a hurry."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from memento.tools.addresses import is_public
from memento.tools.fetch import MAX_REDIRECTS, Bounds, Fetched, FetchError, get, parse

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    import httpx

    from memento.tools.addresses import Address

AGENT = "Mozilla/5.0 (compatible; memento-agent)"
ROBOT = "memento-agent"
MAX_PAUSE = 10.0  # a robots.txt may ask for more; then the page is not fetched so soon
_REMEMBERED = 500  # hosts
_ROBOTS_AGE = 3600.0  # seconds
_ROBOTS = Bounds(max_bytes=500_000, seconds=8.0)


class Web:
    """What several tools share of the web: what each host allows, and when it was last asked.

    `may_reach` is the rule for addresses, for those who run tools on a network of their own; `pause` is the
    time in seconds between two requests to one host.
    """

    def __init__(self, may_reach: Callable[[Address], bool] = is_public, pause: float = 1.0) -> None:
        self._may_reach = may_reach
        self._pause = pause
        self._lock = threading.Lock()
        self._rules: OrderedDict[str, tuple[float, Any]] = OrderedDict()
        self._next: OrderedDict[str, float] = OrderedDict()
        self._context: ssl.SSLContext | None = None

    async def get(self, url: str, bounds: Bounds) -> Fetched:
        """What is at an address, wherever it redirects to.

        Raises:
            FetchError: it cannot be had; the message says what to do.
        """
        try:
            async with asyncio.timeout(bounds.seconds):
                return await self._follow(parse(url), bounds)
        except TimeoutError:
            raise FetchError(
                f"not there after {bounds.seconds:g} seconds: try once more, or another page"
            ) from None

    async def _follow(self, url: httpx.URL, bounds: Bounds) -> Fetched:
        for _ in range(MAX_REDIRECTS + 1):
            rules = await self._rules_of(url)
            if rules is not None and not rules.can_fetch(str(url), ROBOT):
                raise FetchError("the site does not allow programs to read this page: try another site")
            await self._wait(url, float((rules.crawl_delay(ROBOT) if rules else None) or 0))
            answer = await self._ask(url, bounds)
            if isinstance(answer, Fetched):
                if answer.status >= 400:  # noqa: PLR2004
                    raise FetchError(_refused(answer.status))
                return answer
            url = answer
        raise FetchError("it redirects without an end: try another page")

    async def _ask(self, url: httpx.URL, bounds: Bounds) -> Fetched | httpx.URL:
        if self._context is None:
            import httpx as client

            self._context = client.create_ssl_context()
        return await get(url, bounds, self._may_reach, self._context, AGENT)

    async def _wait(self, url: httpx.URL, asked_for: float) -> None:
        if asked_for > MAX_PAUSE:
            raise FetchError(f"the site wants {asked_for:g} seconds between two pages: try another site")
        now = time.monotonic()
        with self._lock:
            begin = max(now, self._next.get(url.host, now))
            _remember(self._next, url.host, begin + max(self._pause, asked_for))
        if begin > now:
            await asyncio.sleep(begin - now)

    async def _rules_of(self, url: httpx.URL) -> Any:
        """The host's robots.txt as Protego has read it; None where there is none.

        Raises:
            FetchError: the host cannot be reached, or its rules cannot be read for now.
        """
        origin = str(url.copy_with(raw_path=b"/robots.txt"))
        with self._lock:
            known = self._rules.get(origin)
        if known and known[0] > time.monotonic():
            return known[1]
        from protego import Protego

        text = await self._robots(parse(origin))
        rules = Protego.parse(text) if text else None
        with self._lock:
            _remember(self._rules, origin, (time.monotonic() + _ROBOTS_AGE, rules))
        return rules

    async def _robots(self, url: httpx.URL) -> str:
        """The text of a robots.txt; as RFC 9309 has it, one that is refused allows everything, and one that
        fails allows nothing for now.
        """
        for _ in range(MAX_REDIRECTS + 1):
            answer = await self._ask(url, _ROBOTS)
            if isinstance(answer, Fetched):
                if answer.status >= 500:  # noqa: PLR2004
                    raise FetchError("the site is out of order: try once more later, or another site")
                return answer.body.decode("utf-8", "replace") if answer.status < 400 else ""  # noqa: PLR2004
            url = answer
        return ""


def _remember(memory: OrderedDict[str, Any], key: str, value: Any) -> None:
    memory[key] = value
    memory.move_to_end(key)
    while len(memory) > _REMEMBERED:
        memory.popitem(last=False)


def _refused(status: int) -> str:
    if status in (401, 403):
        return f"the site does not show this page to everyone (HTTP {status}): try another page"
    if status in (404, 410):
        return f"there is no such page (HTTP {status}): check the address, or search for another"
    if status == 429:  # noqa: PLR2004
        return "the site asks for fewer requests (HTTP 429): go on with another site"
    return f"the site answers with an error (HTTP {status}): try another page"
