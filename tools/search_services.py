"""The services that web search can be asked of: each a function from a query to results."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from memento.tools.fetch import Bounds, Fetched, FetchError, get
from memento.tools.web import AGENT

SECONDS = 30.0
_ANSWER = Bounds(kinds=("application/json",), max_bytes=5_000_000)


@dataclass(frozen=True)
class Result:
    """`date` is when the page was published, as the service says it; often empty."""

    title: str
    url: str
    content: str
    date: str = ""


class SearchError(Exception):
    """Why there are no results, in a sentence that holds no key and no address."""


Search = Callable[[str, int], Awaitable[list[Result]]]
"""A query and how many results are wanted."""

_UNREADABLE = "the search service's answer was not readable; try once more"
_UNREACHABLE = "the search service cannot be reached; try once more later"
# By the name of what tavily or httpx raises; their own texts may repeat the key or the address.
_TAVILY_ERRORS = {
    "InvalidAPIKeyError": "the search service refused its key; go on without searching",
    "ForbiddenError": "the search service does not allow this; go on without searching",
    "UsageLimitExceededError": "the search service's limit is used up; go on without searching",
    "BadRequestError": "the search service did not understand this; use another query",
    "TimeoutError": f"no answer after {SECONDS:g} seconds; try once more with a shorter query",
    "JSONDecodeError": _UNREADABLE,
}


def tavily(key: str, base_url: str | None) -> Search:
    async def search(query: str, count: int) -> list[Result]:
        from tavily import AsyncTavilyClient

        try:
            # The client's own time limit is for each read; this one is for the whole.
            async with (
                asyncio.timeout(SECONDS),
                AsyncTavilyClient(api_key=key, api_base_url=base_url) as client,
            ):
                reply = await client.search(query, max_results=count, timeout=SECONDS)
        except Exception as error:  # noqa: BLE001
            raise SearchError(_TAVILY_ERRORS.get(type(error).__name__, _UNREACHABLE)) from None
        if isinstance(reply, dict) and "error" in reply:  # an error that comes as an answer
            raise SearchError(
                "the search service reports an error; try once more, or go on without searching"
            )
        return _results(reply, url="url", content="content", date="published_date")

    return search


def searxng(base_url: str) -> Search:
    """A SearxNG server of the user's; where it is, is the user's business, so any address will do."""

    async def search(query: str, count: int) -> list[Result]:
        import httpx

        address = httpx.URL(base_url.rstrip("/") + "/search")
        address = address.copy_merge_params({"q": query, "format": "json"})
        try:
            async with asyncio.timeout(SECONDS):
                answer = await get(address, _ANSWER, lambda _: True, httpx.create_ssl_context(), AGENT)
        except TimeoutError:
            raise SearchError(_TAVILY_ERRORS["TimeoutError"]) from None
        except FetchError:
            raise SearchError(_UNREACHABLE) from None
        if not isinstance(answer, Fetched) or answer.status >= 400:  # noqa: PLR2004
            raise SearchError(_searxng_problem(answer))
        try:
            reply = json.loads(answer.body)
        except (ValueError, RecursionError):
            raise SearchError(_UNREADABLE) from None
        return _results(reply, url="url", content="content", date="publishedDate")[: 3 * count]

    return search


def _searxng_problem(answer: Any) -> str:
    status = answer.status if isinstance(answer, Fetched) else 0
    if status == 403:  # noqa: PLR2004
        return "the SearxNG server gives no JSON (search.formats must have it); go on without searching"
    if status == 429:  # noqa: PLR2004
        return "the search service's limit is used up; go on without searching"
    return _UNREACHABLE


def ddgs() -> Search:
    """Search engines that need no key, through the package ddgs."""

    async def search(query: str, count: int) -> list[Result]:
        from ddgs import DDGS

        def ask() -> Any:
            return DDGS(timeout=10).text(query, max_results=count)

        try:
            async with asyncio.timeout(SECONDS):
                found = await asyncio.to_thread(ask)
        except TimeoutError:
            raise SearchError(_TAVILY_ERRORS["TimeoutError"]) from None
        except Exception as error:  # noqa: BLE001  (its own kinds, by search engine)
            if "No results" in str(error):
                return []
            raise SearchError(_UNREACHABLE) from None
        return _results({"results": found}, url="href", content="body", date="date")

    return search


def _results(reply: Any, *, url: str, content: str, date: str) -> list[Result]:
    found = reply.get("results") if isinstance(reply, dict) else None
    if not isinstance(found, list) or not all(isinstance(result, dict) for result in found):
        raise SearchError(_UNREADABLE)
    texts = ([str(result.get(key) or "") for key in ("title", url, content, date)] for result in found)
    return [Result(*fields) for fields in texts]
