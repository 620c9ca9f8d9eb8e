"""Every tool on a real input of its kind, and what came back, as one table.

    PYTHONPATH=. python bench/tool_table.py [--out tools.md]

The inputs are made here, with the formats' own libraries and ffmpeg; web pages are on this machine, with
redirects, and so are the MCP servers. The models that see and hear are stubs on this machine that answer with
what they were sent: no key is needed. It ends with 1 when something else came back than should have.
"""

import argparse
import base64
import io
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from langchain_core.tools import BaseTool, ToolException
from PIL import Image

from memento import Settings
from memento.graph.background import run_async, run_sync
from memento.senses import hearing, seeing
from memento.tools import ToolConfig, builtin_tools
from memento.tools.boundary import find_boundary
from memento.tools.code_session import CodeLimits, CodeSessions
from memento.tools.mcp_server import McpConfig
from memento.tools.mcp_tools import McpServers
from memento.tools.run_folder import RunFolders
from memento.tools.web import Web
from tests.documents import FACT, make_documents, make_pdf
from tests.loopback import Answer, Site
from tests.mcp_servers import INJECTION, served, stdio
from tests.openai_stub import OpenAIStub, Reply, Request
from tests.recordings import WORDS, make_film, make_sign, make_tone

SHOWN = 90  # characters of what came back


@dataclass(frozen=True)
class World:
    """What the rows are made of: the tools by name, a web site, and a folder of files. The tools of two MCP
    servers, one over stdio and one over streamable HTTP, are named `near_...` and `far_...`.
    """

    tools: dict[str, BaseTool]
    site: Site
    folder: Path


@dataclass(frozen=True)
class Row:
    """One call: `kind` says what its input is, `expected` what has to be in what comes back."""

    tool: str
    kind: str
    args: dict[str, Any]
    expected: str


def searches(_world: World) -> Iterator[Row]:
    yield Row("web_search", "a SearxNG server here", {"query": "herons"}, "All about herons")


def pages(world: World) -> Iterator[Row]:
    url = world.site.url
    yield Row("fetch_page", "HTML page after two redirects", {"url": f"{url}/old"}, "| heron | 4 |")
    yield Row("fetch_page", "its links", {"url": f"{url}/herons", "links": True}, "/nests")
    yield Row("fetch_page", "PDF behind an address", {"url": f"{url}/paper"}, FACT)
    yield Row("fetch_page", "an address within, without leave", {"url": "http://169.254.169.254/"}, "public")


def documents(world: World) -> Iterator[Row]:
    for file in sorted(world.folder.glob("birds.*")):
        yield Row(
            "read_document",
            f"{file.suffix[1:].upper()}, {file.stat().st_size} bytes",
            {"path": file.name},
            FACT,
        )
    yield Row("read_document", "long text, with a query", {"path": "long.txt", "query": "heron nests"}, FACT)


def scans(_world: World) -> Iterator[Row]:
    yield Row("read_document", "PDF of a scanned page", {"path": "scan.pdf"}, WORDS)


def code(_world: World) -> Iterator[Row]:
    plot = "import matplotlib.pyplot as plt\nplt.plot([1, 4, 9])\nprint(sum(n * n for n in range(10)))"
    yield Row("run_python", "a sum and a plot", {"code": plot}, "plot_1.png")
    yield Row("run_python", "the keys", {"code": "import os; sorted(os.environ)"}, "['HOME', 'LANG'")
    yield Row("run_python", "a file of the host's", {"code": "open('/etc/passwd')"}, "No such file")
    yield Row("run_python", "a loop without an end", {"code": "while True: pass"}, "stopped after")


def workspace(_world: World) -> Iterator[Row]:
    yield Row("workspace_write", "a text", {"path": "notes/a.txt", "text": FACT}, "notes/a.txt")
    yield Row("workspace_read", "the same", {"path": "notes/a.txt"}, FACT)
    yield Row("workspace_list", "the run's folder", {}, "notes/a.txt")
    yield Row("workspace_search", "a word", {"text": "heron"}, FACT)
    yield Row("workspace_read", "a path that leads out", {"path": "../../etc/passwd"}, "error: ")


def tables(_world: World) -> Iterator[Row]:
    join = (
        "SELECT boss, sum(amount) AS total FROM sales JOIN bosses USING (region) GROUP BY boss ORDER BY boss"
    )
    yield Row("describe_tables", "CSV, XLSX and JSON files", {}, "sales (sales.csv, 40 rows)")
    yield Row("sample_table", "one CSV file", {"table": "sales", "rows": 3}, "rows from 0 on")
    yield Row("query_tables", "a join of two CSV files", {"sql": join}, "Ada | 380")
    yield Row("chart_table", "the same as a chart", {"sql": join, "kind": "bar"}, "chart-1.png")


def pictures(_world: World) -> Iterator[Row]:
    yield Row("read_image_text", "PNG with words", {"path": "sign.png"}, WORDS)
    yield Row("look_at_image", "PNG with words", {"path": "sign.png", "question": "What is it?"}, "1 picture")
    yield Row(
        "look_at_image", "the chart", {"path": "chart-1.png", "question": "Which is highest?"}, "900 x 550"
    )


def recordings(_world: World) -> Iterator[Row]:
    yield Row("transcribe", "WAV of two seconds", {"path": "tone.wav"}, "FLAC")
    yield Row("transcribe", "MP4 of six seconds", {"path": "film.mp4"}, "FLAC")
    yield Row(
        "look_at_video",
        "MP4 of three scenes",
        {"path": "film.mp4", "question": "Which colors?"},
        "3 pictures",
    )


def servers(_world: World) -> Iterator[Row]:
    add = {"a": 20, "b": 3}
    yield Row("near_add", "an MCP server over stdio", add, "23")
    yield Row("far_add", "an MCP server over streamable HTTP", add, "23")
    yield Row("far_page", "a page that gives orders", {}, INJECTION)
    yield Row("near_fail", "a call that fails", {}, "the server says: ")
    yield Row("near_add", "arguments of the wrong type", {"a": "x"}, "valid integer")
    yield Row("near_die", "a server that dies", {}, "was started anew: try once more")
    yield Row("near_add", "the same, started anew", add, "23")
    yield Row("near_remember", "a tool on the deny list", {}, "(absent")


def sums(_world: World) -> Iterator[Row]:
    yield Row("calculate", "a percentage", {"expression": "17% of 2340"}, "397.8")
    yield Row("convert_units", "a length", {"value": 20, "from_unit": "km", "to_unit": "mile"}, "12.4274")
    yield Row("days_between", "two dates", {"start": "2024-03-01", "end": "2024-04-15"}, "45")
    yield Row("count_occurrences", "a word", {"text": "strawberry", "target": "r"}, "3")


ROWS: list[Callable[[World], Iterator[Row]]] = [
    searches,
    pages,
    documents,
    scans,
    code,
    workspace,
    tables,
    pictures,
    recordings,
    servers,
    sums,
]
"""Each makes the rows of one family of tools; a further family is a further function."""


def main() -> int:
    """Print the table; 1 when a row is not as it should be."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--out", type=Path, help="Write the table to this file too.")
    out = options.parse_args().out
    with ExitStack() as stack:
        lines, wrong = table(make_world(stack))
    text = "\n".join(lines)
    print(text)
    if out:
        out.write_text(text + "\n")
    if wrong:
        print(f"{wrong} rows are not as they should be", file=sys.stderr)
    return 1 if wrong else 0


def table(world: World) -> tuple[list[str], int]:
    lines = ["| tool | input | seconds | what came back | |", "|---|---|---|---|---|"]
    wrong = 0
    for make in ROWS:
        for row in make(world):
            began = time.perf_counter()
            came = called(world, row)
            seconds = time.perf_counter() - began
            right = row.expected in came
            wrong += not right
            short = " ".join(came.replace(world.site.url, "http://site").split()).replace("|", "\\|")[:SHOWN]
            lines.append(
                f"| {row.tool} | {row.kind} | {seconds:.2f} | {short} | {'ok' if right else 'WRONG'} |"
            )
    return lines, wrong


def called(world: World, row: Row) -> str:
    tool = world.tools.get(row.tool)
    if tool is None:
        return "(absent: see memento tools list)"
    try:
        return str(tool.invoke(row.args))
    except ToolException as error:
        return f"error: {error}"


def make_world(stack: ExitStack) -> World:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    make_files(folder)
    make_pdf(folder / "paper.pdf")
    site = stack.enter_context(Site(site_pages((folder / "paper.pdf").read_bytes())))
    (folder / "paper.pdf").unlink()
    eye = stack.enter_context(OpenAIStub(what_was_seen))
    ear = stack.enter_context(Ear())
    settings = Settings(
        vision=model_that_sees(eye),
        transcriber="whisper-1",
        transcriber_url=f"http://127.0.0.1:{ear.server_port}/v1",
    )
    folders = RunFolders(Path(stack.enter_context(tempfile.TemporaryDirectory())))
    config = ToolConfig(
        files=(folder,),
        # The site is on this machine, which tools do not reach otherwise; of the rest none becomes reachable.
        web=Web(may_reach=lambda address: address.is_loopback, pause=0),
        searxng_url=site.url,
        see=seeing(settings),
        transcribe=hearing(settings),
        folders=folders,
        code=python_sessions(folders, stack),
    )
    tools = [*builtin_tools(config), *mcp_tools(stack)]
    return World({tool.name: tool for tool in tools}, site, folder)


def python_sessions(folders: RunFolders, stack: ExitStack) -> CodeSessions | None:
    boundary, _ = find_boundary()
    if boundary is None:
        return None
    return stack.enter_context(CodeSessions(boundary, folders, CodeLimits(seconds=15)))


def mcp_tools(stack: ExitStack) -> list[BaseTool]:
    near = {**stdio(), "args": tuple(stdio()["args"])}
    far = McpConfig(name="far", url=stack.enter_context(served()))
    opened = McpServers([McpConfig(name="near", deny=("rem*",), **near), far], run_async, run_sync)
    stack.callback(lambda: run_sync(opened.close()))
    names = ("add", "fail", "die", "page", "remember")  # as taken, which each is prefixed for
    return list(run_sync(opened.tools(names)))


def make_files(folder: Path) -> None:
    make_documents(folder)
    (folder / "long.txt").write_text("".join(f"Line {n} is about stones.\n" for n in range(2_000)) + FACT)
    (folder / "sales.csv").write_text("region,amount\n" + "".join(f"r{n % 2},{n}\n" for n in range(40)))
    (folder / "bosses.csv").write_text("region,boss\nr1,Cy\nr0,Ada\n")
    make_sign(folder / "sign.png")
    make_tone(folder / "tone.wav")
    make_film(folder / "film.mp4")
    Image.open(folder / "sign.png").save(folder / "scan.pdf")


def site_pages(paper: bytes) -> dict[str, Answer]:
    words = "Herons stand in shallow water and wait for fish to come near. " * 5
    article = (
        "<html><head><title>All about herons</title></head><body><nav><a href='/home'>Home</a></nav>"
        f"<article><h1>Herons</h1><p>{words}</p>"
        f"<table><tr><th>bird</th><th>eggs</th></tr><tr><td>heron</td><td>4</td></tr></table><p>{words}"
        "<a href='/nests'>Nests</a></p></article></body></html>"
    )
    found = {"title": "All about herons", "url": "https://example.org/herons", "content": words,
             "publishedDate": "2024-03-01T10:00:00"}  # fmt: skip
    answer = json.dumps({"results": [found, {**found, "url": "https://www.example.org/herons/"}]})
    return {
        "/herons": Answer(article),
        "/old": Answer(status=301, headers={"Location": "/older"}),
        "/older": Answer(status=302, headers={"Location": "/herons"}),
        "/paper": Answer(paper, kind="application/pdf"),
        "/search?q=herons&format=json": Answer(answer, kind="application/json"),
    }


def model_that_sees(stub: OpenAIStub) -> Any:
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(base_url=stub.base_url, model="gpt-4.1", api_key="none", max_retries=0)


def what_was_seen(request: Request) -> Reply:
    """The number, sizes and commonest colors of the pictures in a request."""
    parts = request.messages[-1]["content"]
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    shown = [Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB") for url in urls]
    about = [f"{one.width} x {one.height} mostly {_color(one)}" for one in shown]
    return Reply(f"(stub) {len(shown)} picture{'s' * (len(shown) > 1)}: {', '.join(about)}")


def _color(picture: Image.Image) -> str:
    small = picture.resize((32, 32))
    pixels = [small.getpixel((x, y)) for x in range(32) for y in range(32)]
    [(color, _)] = Counter(str(pixel) for pixel in pixels).most_common(1)
    return color


class Ear(ThreadingHTTPServer):
    """OpenAI's endpoint for transcripts, which tells of what it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _EarHandler)
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _EarHandler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        kind = "FLAC" if b"fLaC" in body else "no sound"
        answer = json.dumps({"text": f"(stub) a {kind} of {len(body)} bytes"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        pass


if __name__ == "__main__":
    sys.exit(main())
