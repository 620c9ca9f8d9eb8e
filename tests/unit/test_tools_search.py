from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.tools import BaseTool, ToolException
from pydantic import SecretStr

from memento.tools import ToolConfig
from memento.tools.search import search_tools
from tests.loopback import Answer, Site

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "tvly-VERYSECRET"


class Stub(ThreadingHTTPServer):
    """Speaks as much of Tavily's protocol as a search needs, and keeps what it was sent."""

    status = 200
    body = b"{}"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, str | None, dict[str, Any]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, body: object, status: int = 200) -> None:
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.status = status


class Handler(BaseHTTPRequestHandler):
    server: Stub

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.path, self.headers["Authorization"], sent))
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@pytest.fixture
def stub() -> Iterator[Stub]:
    with Stub() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def search_tool(base_url: str) -> BaseTool:
    return search_tools(ToolConfig(tavily_api_key=SecretStr(KEY), tavily_base_url=base_url))[0].tool


RESULTS = [
    {"title": f"Page {n}", "url": f"https://example.org/{n}", "content": "words " * 300} for n in range(20)
]


async def test_results_and_what_is_sent(stub: Stub) -> None:
    stub.answer({"results": RESULTS})
    tool = search_tool(stub.url)
    synchronous = tool.invoke({"query": " eiffel tower height ", "max_results": 2, "stray": 1})
    assert synchronous.startswith("1. Page 0\nhttps://example.org/0\nwords ")
    assert "2. Page 1" in synchronous
    assert "Page 2" not in synchronous
    assert await tool.ainvoke({"query": "eiffel tower height", "max_results": 2}) == synchronous
    path, authorization, sent = stub.requests[0]
    assert (path, authorization) == ("/search", f"Bearer {KEY}")
    assert (sent["query"], sent["max_results"]) == ("eiffel tower height", 2)
    assert len(stub.requests) == 2


@pytest.mark.parametrize(("asked", "sent"), [(0, 1), (1_000, 10)])
def test_the_number_of_results_is_kept_in_range(stub: Stub, asked: int, sent: int) -> None:
    stub.answer({"results": RESULTS})
    assert len(search_tool(stub.url).invoke({"query": "x", "max_results": asked})) <= 4_000
    assert stub.requests[0][2]["max_results"] == sent


def test_no_results(stub: Stub) -> None:
    assert search_tool(stub.url).invoke({"query": "x"}) == "no results; try other words"


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (401, {"detail": {"error": f"key {KEY} is bad"}}, "refused its key"),
        (403, {"detail": {"error": KEY}}, "does not allow"),
        (429, {"detail": {"error": KEY}}, "limit is used up"),
        (432, {}, "does not allow"),
        (400, {"detail": {"error": KEY}}, "another query"),
        (500, KEY.encode(), "cannot be reached"),
        (302, b"", "cannot be reached"),
        (200, b"not json", "not readable"),
        (200, [1], "web_search"),
        (200, {"results": ["x"]}, "not readable"),
        (200, {"results": None}, "not readable"),
    ],
)
async def test_failures_are_tool_exceptions_without_the_key(
    stub: Stub, status: int, body: object, message: str
) -> None:
    stub.answer(body, status)
    tool = search_tool(stub.url)
    for call in (tool.ainvoke({"query": "x"}), as_coroutine(tool)):
        with pytest.raises(ToolException, match=message) as refused:
            await call
        assert KEY not in str(refused.value)
        assert refused.value.__cause__ is None
        assert "127.0.0.1" not in str(refused.value)


async def as_coroutine(tool: BaseTool) -> Any:
    """A synchronous call from a thread in which an event loop runs."""
    return tool.invoke({"query": "x"})


def test_nobody_there(stub: Stub) -> None:
    stub.server_close()
    with pytest.raises(ToolException, match="cannot be reached"):
        search_tool("http://127.0.0.1:9").invoke({"query": "x"})


@pytest.mark.parametrize("query", ["", "   ", "x" * 401])
def test_queries_that_are_not_sent(stub: Stub, query: str) -> None:
    with pytest.raises(ToolException, match="give a query"):
        search_tool(stub.url).invoke({"query": query})
    assert stub.requests == []


def test_the_key_is_not_shown_by_the_tool() -> None:
    assert KEY not in repr(search_tool("http://127.0.0.1:9"))


def test_an_error_that_comes_as_an_answer_is_an_error(stub: Stub) -> None:
    stub.answer({"error": f"{KEY} is over its limit", "results": []})
    with pytest.raises(ToolException, match="web_search: the search service reports an error") as refused:
        search_tool(stub.url).invoke({"query": "x"})
    assert KEY not in str(refused.value)


def test_results_that_differ_in_spelling_only_are_one_and_dates_are_shown(stub: Stub) -> None:
    urls = [
        "https://www.example.org/a/?utm_source=x",
        "http://example.org/a",
        "https://example.org/a#part",
        "https://example.org/b?page=2",
        "https://example.org/b?page=3",
    ]
    found = [{"title": url, "url": url, "content": "x", "published_date": "2024-03-01T10:00"} for url in urls]
    stub.answer({"results": found})
    said = search_tool(stub.url).invoke({"query": "x"})
    assert [line for line in said.split("\n") if line.startswith("http")] == [urls[0], urls[3], urls[4]]
    assert f"1. {urls[0]} (2024-03-01)" in said


def searxng_tool(url: str) -> BaseTool:
    return search_tools(ToolConfig(searxng_url=url))[0].tool


SEARXNG = {
    "query": "herons",
    "results": [
        {
            "title": f"Page {n}",
            "url": f"https://example.org/{n}",
            "content": "on herons",
            "publishedDate": "2024-03-01T10:00:00" if n else None,
        }
        for n in range(30)
    ],
}


async def test_a_searxng_server() -> None:
    pages = {
        "/sub/search?q=herons+%26+storks&format=json": Answer(json.dumps(SEARXNG), kind="application/json")
    }
    with Site(pages) as site:
        tool = searxng_tool(f"{site.url}/sub/")
        said = await tool.ainvoke({"query": "herons & storks", "max_results": 2})
    assert said.split("\n\n") == [
        "1. Page 0\nhttps://example.org/0\non herons",
        "2. Page 1 (2024-03-01)\nhttps://example.org/1\non herons",
    ]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer("forbidden", status=403), "gives no JSON"),
        (Answer("slow down", status=429), "limit is used up"),
        (Answer("no", status=500), "cannot be reached"),
        (Answer("<p>a page</p>"), "cannot be reached"),
        (Answer(status=302, headers={"Location": "/elsewhere"}), "cannot be reached"),
        (Answer("no json", kind="application/json"), "not readable"),
        (Answer('{"results": 5}', kind="application/json"), "not readable"),
        (Answer("[" * 100_000, kind="application/json"), "not readable"),
        (Answer('{"results": []}', kind="application/json"), None),
    ],
)
def test_what_a_searxng_server_refuses(answer: Answer, message: str | None) -> None:
    with Site({"/search?q=x&format=json": answer}) as site:
        tool = searxng_tool(site.url)
        if message is None:
            assert tool.invoke({"query": "x"}) == "no results; try other words"
            return
        with pytest.raises(ToolException, match=f"web_search: .*{message}") as refused:
            tool.invoke({"query": "x"})
    assert "127.0.0.1" not in str(refused.value)


@pytest.mark.parametrize(
    ("config", "ready"),
    [
        (ToolConfig(), False),
        (ToolConfig(search="tavily", searxng_url="http://127.0.0.1:9"), False),
        (ToolConfig(search="searxng", tavily_api_key=SecretStr(KEY)), False),
        (ToolConfig(tavily_api_key=SecretStr(KEY)), True),
        (ToolConfig(searxng_url="http://127.0.0.1:9"), True),
        (ToolConfig(search="ddgs"), find_spec("ddgs") is not None),
    ],
)
def test_which_service_there_is(config: ToolConfig, ready: bool) -> None:
    [offer] = search_tools(config)
    assert (offer.needs == "") == ready
