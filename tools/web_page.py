"""Reading one page of the web."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.tools import ToolException
from pydantic import BaseModel, Field

from memento.tools.config import Offer, ToolConfig, missing_packages
from memento.tools.documents import DOCUMENT_WORKER, MEMORY, PAGE_WORKER, document_job, text_of
from memento.tools.encodings import decode, is_text
from memento.tools.fetch import Bounds, Fetched, FetchError, parse
from memento.tools.limits import Worker, make_async_tool
from memento.tools.pages import Recent, focused, one_line, part
from memento.tools.traits import FROM_STRANGERS

if TYPE_CHECKING:
    from memento.tools.web import Web

SECONDS = 25.0  # for the worker; the fetch has its own
BOUNDS = Bounds(
    kinds=("text/", "application/xhtml", "application/xml", "application/json", "application/pdf"),
    max_bytes=20_000_000,
    seconds=25.0,
)
_PACKAGES = ("trafilatura", "lxml_html_clean", "pypdfium2", "pdfplumber", "protego")


@dataclass(frozen=True)
class Page:
    """What was read; `source` names it, `links` are its links as Markdown."""

    source: str
    text: str
    links: str = ""


class FetchPageArgs(BaseModel):
    url: str = Field(description="The page's whole address, for example https://example.org/page")
    query: str = Field(default="", description="What to look for: of a long page only those parts are shown")
    offset: int = Field(default=0, description="Read on from this character, as an earlier answer says")
    links: bool = Field(default=False, description="List the page's links in place of its text")


def web_page_tools(config: ToolConfig) -> list[Offer]:
    recent: Recent[str, Page] = Recent(8)

    async def fetch_page(url: str, query: str = "", offset: int = 0, links: bool = False) -> str:
        """Read a web page, or a PDF on the web: its main text as Markdown, with title, date and address.

        Example: fetch_page(url="https://example.org/article", query="who founded it")
        """
        try:
            page = recent.get(url)
            if page is None:
                page = await _page(url, config.web)
                recent.put(url, page)
            text = page.links if links else page.text
            if not text.strip():
                return f"[{page.source}]\n({'no links' if links else 'no text'} on this page)"
            if query and not offset and not links:
                return await asyncio.to_thread(focused, text, page.source, query, config.embed)
            return part(text, page.source, offset)
        except (FetchError, ToolException) as error:
            raise ToolException(f"fetch_page: {error}") from None

    return [Offer(make_async_tool(fetch_page, FetchPageArgs, FROM_STRANGERS), missing_packages(*_PACKAGES))]


async def _page(url: str, web: Web) -> Page:
    parse(url)  # before a process is started for it
    worker = Worker(PAGE_WORKER, SECONDS, MEMORY)  # it loads its libraries while the page comes
    try:
        fetched = await web.get(url, BOUNDS)
        if fetched.kind == "application/pdf" or fetched.body.startswith(b"%PDF-"):
            return await asyncio.to_thread(_pdf, fetched)
        if not is_text(fetched.body):
            raise ToolException("this is no text, whatever the server calls it: try another page")
        text = decode(fetched.body, fetched.charset)
        if "html" not in fetched.kind:
            return Page(fetched.url, text)
        return await asyncio.to_thread(_html, worker, fetched, text)
    finally:
        worker.stop()


def _html(worker: Worker, fetched: Fetched, html: str) -> Page:
    if not html.strip():
        return Page(fetched.url, "")
    reply = _ask(worker, {"html": html, "url": fetched.url})
    if "error" in reply:
        raise ToolException("this page cannot be read as HTML: try another page")
    titles = (one_line(reply["title"]), one_line(reply["date"]), fetched.url)
    links = "\n".join(f"- [{text or '(no text)'}]({target})" for text, target in reply["links"])
    return Page(" · ".join(title for title in titles if title), str(reply["text"]), links)


def _pdf(fetched: Fetched) -> Page:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "page.pdf"
        file.write_bytes(fetched.body)
        reply = _ask(Worker(DOCUMENT_WORKER, SECONDS, MEMORY), document_job("pdf", file))
    return Page(fetched.url, text_of(reply))


def _ask(worker: Worker, job: dict[str, Any]) -> dict[str, Any]:
    try:
        return worker.ask(job)
    except TimeoutError:
        raise ToolException(f"this page was not read after {SECONDS:g} seconds: try another page") from None
    except MemoryError:
        raise ToolException("this page needs too much memory: try another page") from None
