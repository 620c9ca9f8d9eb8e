"""Web search through Tavily."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from langchain_core.tools import ToolException
from pydantic import BaseModel, Field

from memento.tools.config import Offer, ToolConfig
from memento.tools.limits import make_tool, shorten

NEEDS = "set TAVILY_API_KEY"
SECONDS = 30.0
MAX_QUERY = 400
MAX_RESULTS = 10
_SNIPPET = 600


class WebSearchArgs(BaseModel):
    query: str = Field(description="What to look for, in a few words")
    max_results: int = Field(default=5, description=f"How many results, 1 to {MAX_RESULTS}")


_MESSAGES = {  # by the name of what tavily or httpx raises; their own texts may repeat the key or the address
    "InvalidAPIKeyError": "the search service refused its key; go on without searching",
    "ForbiddenError": "the search service does not allow this; go on without searching",
    "UsageLimitExceededError": "the search service's limit is used up; go on without searching",
    "BadRequestError": "the search service did not understand this; use another query",
    "TimeoutError": f"no answer after {SECONDS:g} seconds; try once more with a shorter query",
    "JSONDecodeError": "the search service's answer was not readable; try once more",
}


def search_tools(config: ToolConfig) -> list[Offer]:
    key = config.tavily_api_key.get_secret_value().strip() if config.tavily_api_key else ""

    async def search(query: str, max_results: int = 5) -> str:
        if not query.strip() or len(query) > MAX_QUERY:
            raise ToolException(f"web_search: give a query of 1 to {MAX_QUERY} characters")
        count = min(max(max_results, 1), MAX_RESULTS)
        from tavily import AsyncTavilyClient

        try:
            # The client's own time limit is for each read; this one is for the whole.
            async with (
                asyncio.timeout(SECONDS),
                AsyncTavilyClient(api_key=key, api_base_url=config.tavily_base_url) as client,
            ):
                reply = await client.search(query.strip(), max_results=count, timeout=SECONDS)
        except Exception as error:  # noqa: BLE001
            reason = _MESSAGES.get(
                type(error).__name__, "the search service cannot be reached; try once more later"
            )
            raise ToolException(f"web_search: {reason}") from None
        return shorten(_shown(reply, count))

    def web_search(query: str, max_results: int = 5) -> str:
        """Search the web; gives titles, addresses and excerpts of the best pages.

        Example: web_search(query="height of the Eiffel Tower", max_results=3)
        """
        # The caller's thread may be running an event loop already.
        with ThreadPoolExecutor(max_workers=1) as pool:
            return pool.submit(asyncio.run, search(query, max_results)).result()

    return [Offer(make_tool(web_search, WebSearchArgs, search), "" if key else NEEDS)]


def _shown(reply: Any, count: int) -> str:
    results = reply.get("results") if isinstance(reply, dict) else None
    if not isinstance(results, list) or not all(isinstance(result, dict) for result in results):
        raise ToolException("web_search: the search service's answer was not readable; try once more")
    blocks = []
    for number, result in enumerate(results[:count], start=1):
        title, url, content = (str(result.get(key) or "") for key in ("title", "url", "content"))
        blocks.append(f"{number}. {shorten(title, 200)}\n{shorten(url, 300)}\n{shorten(content, _SNIPPET)}")
    return "\n\n".join(blocks) or "no results; try other words"
