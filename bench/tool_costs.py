"""What tools cost: the figures that they are held to, each in a line.

    PYTHONPATH=. python bench/tool_costs.py --runs 20

- sandbox: from the first call of a run to its answer, with the start of its Python. At most 250 ms.
- flood: how much the agent's process grows while code goes to each of its limits (at most 50 MB), and how
  long the next call takes.
- page: 1 MB of HTML, from the request to Markdown; one page as pages are, of which most is markup, scripts
  and navigation, and one of nothing but text, the worst there is. The server is on this machine. At most 1 s.
- MCP: a call of a tool whose session is held open, less the server's own time, in both transports. At most
  20 ms.

Bars are for the median. Beside it stands the time of the processor that each took, of this process and of
those that have ended: on a machine that does something else as well, this and the best say more. It ends with
1 when a bar is not held.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tool_pages import page_of_text, usual_page

from memento.graph.background import run_async, run_sync
from memento.tools import ToolConfig
from memento.tools.boundary import Boundary, find_boundary
from memento.tools.code_session import CodeLimits, CodeSessions, StoppedError
from memento.tools.mcp_server import McpConfig
from memento.tools.mcp_tools import McpServers
from memento.tools.run_folder import RunFolders
from memento.tools.web import Web
from memento.tools.web_page import web_page_tools
from tests.loopback import Answer, Site
from tests.mcp_servers import served, stdio

FLOODS = {
    "memory": "a = []\nwhile True: a.append(bytearray(10 ** 7))",
    "output": "for _ in range(10_000): print('x' * 10 ** 6)",
    "files": "for n in range(10 ** 6):\n  with open(f'{n}', 'wb') as f: f.write(b'x' * 10 ** 6)",
    "processes": "import os\nwhile True:\n  try: os.fork()\n  except OSError: pass",
    "an error": "raise ValueError('x' * 10 ** 8)",
}


@dataclass(frozen=True)
class Figure:
    """Of so many `runs` the best, the median and the worst, in `unit`; the median is to be at most `bar`.
    `processor` are its seconds a run.
    """

    name: str
    unit: str
    best: float
    median: float
    worst: float
    runs: int
    bar: float
    processor: float = 0.0

    @property
    def held(self) -> bool:
        return self.median <= self.bar


@dataclass
class Times:
    """How long each run of some work took, in seconds, with the processor's in all."""

    work: Callable[[int], object]
    runs: int
    seconds: list[float] = field(default_factory=list)
    processor: float = 0.0

    def __post_init__(self) -> None:
        used = processor_seconds()
        for number in range(self.runs):
            began = time.perf_counter()
            taken = self.work(number)  # some work knows of time that does not count
            whole = time.perf_counter() - began
            self.seconds.append(whole - taken if isinstance(taken, float) else whole)
        self.processor = processor_seconds() - used

    def figure(self, name: str, unit: str, bar: float) -> Figure:
        values = [second * {"ms": 1000, "s": 1}[unit] for second in self.seconds]
        of = [round(pick(values), 2) for pick in (min, statistics.median, max)]
        return Figure(name, unit, *of, self.runs, bar, round(self.processor / self.runs, 3))


def processor_seconds() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def sandbox(runs: int, folder: Path) -> Iterator[Figure]:
    boundary, needs = find_boundary()
    if boundary is None:
        print(f"no sandbox here: {needs}", file=sys.stderr)
        return
    folders = RunFolders(folder)
    with CodeSessions(boundary, folders) as sessions:

        def start(number: int) -> None:
            sessions.of(f"run-{number}").run("1 + 1")

        yield Times(start, runs).figure("sandbox, start to first answer", "ms", 250)
    yield from floods(boundary, folders)


def floods(boundary: Boundary, folders: RunFolders) -> Iterator[Figure]:
    limits = CodeLimits(seconds=4, memory=400_000_000, file=5_000_000, processes=20)
    codes, grown = list(FLOODS.values()), 0.0
    with CodeSessions(boundary, folders, limits) as sessions:
        session = sessions.of("flood")
        session.run("1 + 1")
        before = resident()

        def next_call(number: int) -> float:
            nonlocal grown
            began = time.perf_counter()
            with suppress(StoppedError):
                session.run(codes[number])
            grown = max(grown, (resident() - before) / 1e6)
            flooded = time.perf_counter() - began
            session.run("1 + 1")
            return flooded

        answers = Times(next_call, len(codes))
    yield Figure("flood, growth of the agent", "MB", *[round(grown, 2)] * 3, len(codes), 50)
    yield answers.figure("flood, the next call", "ms", 1000)


def pages(runs: int) -> Iterator[Figure]:
    with Site({"/usual": Answer(usual_page()), "/text": Answer(page_of_text())}) as site:
        for name, label in (("usual", "page of 1 MB"), ("text", "page of 1 MB, all of it text")):

            def fetch(_: int, url: str = f"{site.url}/{name}") -> None:
                tool = web_page_tools(ToolConfig(web=Web(may_reach=lambda _: True, pause=0)))[0].tool
                text = tool.invoke({"url": url})
                if "Section 1" not in text:
                    raise RuntimeError(text[:200])

            yield Times(fetch, runs).figure(label, "s", 1)


def mcp(runs: int) -> Iterator[Figure]:
    with ExitStack() as stack:
        near = McpConfig(name="stdio", **{**stdio(), "args": tuple(stdio()["args"])})
        far = McpConfig(name="http", url=stack.enter_context(served()))
        opened = McpServers([near, far], run_async, run_sync)
        stack.callback(lambda: run_sync(opened.close()))
        tools = {tool.name: tool for tool in run_sync(opened.tools(["own_time"]))}
        for name in ("stdio", "http"):
            tool = tools[f"{name}_own_time"]
            tool.invoke({})
            calls = Times(lambda _, tool=tool: float(tool.invoke({})), 10 * runs)  # type: ignore[misc]
            yield calls.figure(f"MCP call over {name}, beyond the server's own time", "ms", 20)


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def line(one: Figure) -> str:
    said = f"median {one.median:g} {one.unit} ({one.best:g} to {one.worst:g}, {one.runs} runs)"
    used = f"; {one.processor:g} s of the processor each" if one.processor else ""
    return f"{'ok  ' if one.held else 'OVER'} {one.name}: {said}, at most {one.bar:g}{used}"


def figures(runs: int) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        yield from sandbox(runs, Path(folder))
    yield from pages(runs)
    yield from mcp(runs)


def main() -> int:
    """Print the figures; 1 when a bar is not held."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=10, help="how often each is done; calls of MCP ten times")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    given = parser.parse_args()
    if given.runs < 1:
        parser.error("--runs is a whole number from 1")
    found = []
    for one in figures(given.runs):
        found.append(one)
        if not given.json:
            print(line(one), flush=True)
    if given.json:
        print(json.dumps({"figures": [{**asdict(one), "held": one.held} for one in found]}))
    return 0 if all(one.held for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())
