"""Web search, through whichever service there is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from langchain_core.tools import ToolException
from pydantic import BaseModel, Field

from memento.tools.config import Offer, ToolConfig, missing_packages
from memento.tools.limits import make_async_tool, shorten
from memento.tools.search_services import Result, Search, SearchError, ddgs, searxng, tavily
from memento.tools.traits import FROM_STRANGERS

if TYPE_CHECKING:
    from collections.abc import Iterable

NEEDS = "set TAVILY_API_KEY, MEMENTO_SEARXNG_URL (of a SearxNG server), or MEMENTO_SEARCH=ddgs (no key)"
MAX_QUERY = 400
MAX_RESULTS = 10
_SNIPPET = 600
_TRACKING = re.compile(r"(?<=[?&])(?:utm_\w+|fbclid|gclid)=[^&#]*&?")


class WebSearchArgs(BaseModel):
    query: str = Field(description="What to look for, in a few words")
    max_results: int = Field(default=5, description=f"How many results, 1 to {MAX_RESULTS}")


def search_tools(config: ToolConfig) -> list[Offer]:
    service, needs = _service(config)

    async def web_search(query: str, max_results: int = 5) -> str:
        """Search the web; gives titles, addresses and excerpts of the best pages.

        Example: web_search(query="height of the Eiffel Tower", max_results=3)
        """
        if service is None:
            raise ToolException(f"web_search: it is not there: {needs}")
        if not query.strip() or len(query) > MAX_QUERY:
            raise ToolException(f"web_search: give a query of 1 to {MAX_QUERY} characters")
        count = min(max(max_results, 1), MAX_RESULTS)
        try:
            results = await service(query.strip(), count)
        except SearchError as error:
            raise ToolException(f"web_search: {error}") from None
        return shorten(_shown(_distinct(results), count))

    return [Offer(make_async_tool(web_search, WebSearchArgs, FROM_STRANGERS), needs)]


def _service(config: ToolConfig) -> tuple[Search | None, str]:
    """The service, or what would have to be done to have one."""
    key = config.tavily_api_key.get_secret_value().strip() if config.tavily_api_key else ""
    chosen = config.search
    if chosen == "auto":
        chosen = "tavily" if key else "searxng"
    if chosen == "tavily" and key:
        return tavily(key, config.tavily_base_url), ""
    if chosen == "searxng" and config.searxng_url:
        return searxng(config.searxng_url), ""
    if chosen == "ddgs":
        return ddgs(), missing_packages("ddgs")
    return None, NEEDS


def _distinct(results: Iterable[Result]) -> list[Result]:
    """Without those whose address differs from an earlier one's in spelling only."""
    return list({_same(result.url): result for result in reversed(list(results))}.values())[::-1]


def _same(url: str) -> str:
    address = _TRACKING.sub("", url.partition("#")[0]).rstrip("?&/")
    return re.sub(r"^https?://(?:www\.)?", "", address, flags=re.IGNORECASE).lower()


def _shown(results: list[Result], count: int) -> str:
    blocks = []
    for number, result in enumerate(results[:count], start=1):
        date = f" ({result.date[:10]})" if result.date else ""
        title, url = shorten(result.title, 200), shorten(result.url, 300)
        blocks.append(f"{number}. {title}{date}\n{url}\n{shorten(result.content, _SNIPPET)}")
    return "\n\n".join(blocks) or "no results; try other words"
