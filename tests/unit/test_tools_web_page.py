from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from langchain_core.tools import BaseTool, ToolException

from memento.tools import ToolConfig
from memento.tools.web import Web
from memento.tools.web_page import web_page_tools
from tests.documents import FACT, make_pdf
from tests.loopback import Answer, Site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import WordEncoder

PARAGRAPH = "Herons are long-legged birds that stand in shallow water and wait for fish to come near. " * 3
ARTICLE = f"""<!doctype html><html><head><title>All  about
herons</title><meta property="article:published_time" content="2024-03-01T10:00:00Z"></head><body>
<nav><a href="/home">Home</a> <a href="/home#top">Top</a></nav><article><h1>Herons</h1><p>{PARAGRAPH}</p>
<p>{FACT}. {PARAGRAPH} <a href="nests?x=1">More on nests</a></p><table><tr><th>bird</th><th>eggs</th></tr>
<tr><td>heron</td><td>4</td></tr></table><p>{PARAGRAPH}</p></article><script>var hidden = 1;</script>
<footer>Imprint</footer></body></html>"""


@pytest.fixture
def site() -> Iterator[Site]:
    pages = {
        "/": Answer(ARTICLE),
        "/old": Answer(status=301, headers={"Location": "/older"}),
        "/older": Answer(status=302, headers={"Location": "/"}),
        "/latin": Answer("<p>März</p>".encode("latin-1"), kind="text/html"),
        "/plain": Answer("just text", kind="text/plain"),
        "/empty": Answer(""),
        "/form": Answer("<html><body><h2>Sign in</h2><form><input></form><script>x()</script></body></html>"),
    }
    with Site(pages) as server:
        yield server


def fetcher(embed: WordEncoder | None = None, pause: float = 0) -> BaseTool:
    """The tool, on a network where this machine is as good as any."""
    web = Web(may_reach=lambda _: True, pause=pause)
    return web_page_tools(ToolConfig(web=web, embed=embed.embed if embed else None))[0].tool


async def test_the_main_text_of_a_page_with_its_source(site: Site) -> None:
    tool = fetcher()
    text = await tool.ainvoke({"url": f"{site.url}/"})
    assert text.startswith(f"[All about herons · 2024-03-01 · {site.url}/]\n")
    assert "# Herons" in text
    assert FACT in text
    assert "| heron | 4 |" in text
    assert "hidden" not in text
    assert "Imprint" not in text
    assert tool.invoke({"url": f"{site.url}/"}) == text
    assert site.paths == ["/robots.txt", "/"]  # and not once more for the second call


def test_redirects_end_at_the_source_that_is_named(site: Site) -> None:
    assert (
        fetcher()
        .invoke({"url": f"{site.url}/old"})
        .startswith(f"[All about herons · 2024-03-01 · {site.url}/]")
    )
    assert site.paths == ["/robots.txt", "/old", "/older", "/"]


def test_links(site: Site) -> None:
    assert fetcher().invoke({"url": f"{site.url}/", "links": True}).split("\n")[1:] == [
        f"- [Home]({site.url}/home)",
        f"- [More on nests]({site.url}/nests?x=1)",
    ]


def test_pages_that_are_no_article(site: Site) -> None:
    assert "März" in fetcher().invoke({"url": f"{site.url}/latin"})
    assert fetcher().invoke({"url": f"{site.url}/plain"}) == f"[{site.url}/plain]\njust text"
    assert "(no text on this page)" in fetcher().invoke({"url": f"{site.url}/empty"})
    form = fetcher().invoke({"url": f"{site.url}/form"})
    assert "## Sign in" in form
    assert "x()" not in form


def test_a_pdf_behind_an_address(site: Site, tmp_path: Path) -> None:
    make_pdf(tmp_path / "x.pdf")
    site.pages["/paper"] = Answer((tmp_path / "x.pdf").read_bytes(), kind="application/pdf")
    text = fetcher().invoke({"url": f"{site.url}/paper"})
    assert text.startswith(f"[{site.url}/paper]\n## Page 1")
    assert FACT in text


def test_a_long_page_is_shortened_to_what_bears_on_a_query(site: Site, encoder: WordEncoder) -> None:
    filler = "".join(
        f"<p>Stone number {n} lies where it lay, and nothing grows on it at all.</p>" for n in range(900)
    )
    site.pages["/long"] = Answer(
        f"<html><body><article>{filler}<p>{FACT}.</p>{filler}</article></body></html>"
    )
    tool = fetcher(encoder)
    text = tool.invoke({"url": f"{site.url}/long", "query": "when the heron nests"})
    assert FACT in text
    assert len(text) < 9_000
    assert "for the rest give offset=" in tool.invoke({"url": f"{site.url}/long"})


def test_robots_are_heeded(site: Site) -> None:
    site.pages["/robots.txt"] = Answer("User-agent: *\nDisallow: /private*\n", kind="text/plain")
    site.pages["/private/x"] = Answer("secret")
    site.pages["/way-in"] = Answer(status=302, headers={"Location": "/private/x"})
    tool = fetcher()
    for path in ("/private/x", "/way-in"):
        with pytest.raises(ToolException, match="fetch_page: the site does not allow programs"):
            tool.invoke({"url": site.url + path})
    assert "/private/x" not in site.paths
    assert FACT in tool.invoke({"url": f"{site.url}/"})
    assert site.paths.count("/robots.txt") == 1


def test_a_site_whose_robots_are_out_of_order_is_left_alone(site: Site) -> None:
    site.pages["/robots.txt"] = Answer(status=503)
    with pytest.raises(ToolException, match="out of order"):
        fetcher().invoke({"url": f"{site.url}/"})
    site.pages["/robots.txt"] = Answer("User-agent: *\nCrawl-delay: 3600\n", kind="text/plain")
    with pytest.raises(ToolException, match="wants 3600 seconds between two pages"):
        fetcher().invoke({"url": f"{site.url}/"})


def test_a_host_is_not_asked_in_a_hurry(site: Site) -> None:
    tool = fetcher(pause=0.3)
    began = time.monotonic()
    tool.invoke({"url": f"{site.url}/plain"})
    tool.invoke({"url": f"{site.url}/empty"})
    assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize(
    ("status", "message"),
    [(404, "no such page"), (403, "everyone"), (429, "fewer requests"), (500, "an error")],
)
def test_what_a_site_refuses(site: Site, status: int, message: str) -> None:
    site.pages["/x"] = Answer("<p>no</p>", status=status)
    with pytest.raises(ToolException, match=f"fetch_page: .*{message}"):
        fetcher().invoke({"url": f"{site.url}/x"})
