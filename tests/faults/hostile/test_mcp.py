"""MCP servers, honest and hostile, in both transports."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.tools import BaseTool, ToolException
from langchain_core.utils.function_calling import convert_to_openai_tool

from memento.graph.background import run_async, run_sync
from memento.tools.mcp_server import McpConfig
from memento.tools.mcp_tools import McpServers
from memento.tools.traits import traits_of
from tests.agent import Script, agent, call, final, plan
from tests.loopback import Answer, Site
from tests.mcp_servers import INJECTION, RAW, served, stdio
from tests.openai_stub import OpenAIStub

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from memento.memory import CaseBank

SECRET = "sk-not-for-any-server-0123456789"


def program(kind: str, name: str = "server", **more: Any) -> McpConfig:
    about = {"start_seconds": 30.0, "call_seconds": 30.0, **stdio(kind), **more}
    return McpConfig(name=name, **{**about, "args": tuple(about["args"])})


Connect = Any


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    """The tools of servers, by name, which end with the test."""
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    opened: list[McpServers] = []

    def connected(*configs: McpConfig, taken: tuple[str, ...] = ()) -> dict[str, BaseTool]:
        servers = McpServers(configs, run_async, run_sync)
        opened.append(servers)
        return {tool.name: tool for tool in run_sync(servers.tools(taken))}

    connected.problems = lambda: run_sync(opened[-1].problems())  # type: ignore[attr-defined]
    yield connected
    for servers in opened:
        run_sync(servers.close())


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """An honest server over HTTP."""
    with served() as url:
        yield url


def said(tool: BaseTool, **args: Any) -> str:
    try:
        return str(tool.invoke(args))
    except ToolException as error:
        return f"Error: {error}"


def test_tools_of_both_transports_work(connect: Connect, address: str) -> None:
    far = McpConfig(name="far", url=address)
    tools = connect(program("honest"), far)
    assert said(tools["add"], a=2, b=3) == "5"
    assert said(tools["far_add"], a=20, b=30) == "50"
    assert said(tools["fail"]).startswith("Error: fail: the server says: ")
    assert "the disk is full" in said(tools["far_fail"])


async def test_they_work_asynchronously_too(connect: Connect) -> None:
    tools = await run_async(_through_thread(lambda: connect(program("honest"))))
    assert await tools["add"].ainvoke({"a": 1, "b": 1}) == "2"


async def _through_thread(work: Callable[[], Any]) -> Any:
    import asyncio

    return await asyncio.to_thread(work)


def test_names_are_prefixed_where_they_collide_and_lists_decide(connect: Connect) -> None:
    denied = program("honest", "two", allow=("add", "re*"), deny=("rem*",))
    tools = connect(program("honest", "one", allow=("add",)), denied, taken=("add",))
    assert set(tools) == {"one_add", "two_add"}


def test_what_a_server_says_is_untrusted_and_what_it_does_is_known(connect: Connect) -> None:
    tools = connect(program("honest"))
    assert all(traits_of(tool).untrusted for tool in tools.values())
    assert (traits_of(tools["add"]).effect, traits_of(tools["remember"]).effect) == ("reads", "writes")


def test_a_server_sees_no_secret_of_the_agents(connect: Connect) -> None:
    tools = connect(program("honest", env={"GIVEN": "yes"}))
    seen = said(tools["environment"])
    assert SECRET not in seen
    assert json.loads(seen)["GIVEN"] == "yes"


@pytest.fixture(scope="module")
def liars() -> Iterator[dict[str, BaseTool]]:
    """The tools of all servers that lie, held open together."""
    configs = [
        program(kind, f"liar {number}", start_seconds=20.0, call_seconds=1.0)
        for number, kind in enumerate(RAW)
    ]
    servers = McpServers(configs, run_async, run_sync)
    yield {tool.name: tool for tool in run_sync(servers.tools())}
    run_sync(servers.close())


@pytest.mark.parametrize("kind", RAW)
def test_a_server_that_lies_is_contained(kind: str, liars: dict[str, BaseTool]) -> None:
    mark = f"MCP server liar_{list(RAW).index(kind)})"
    others = [tool for tool in liars.values() if mark in tool.description]
    assert len(others) <= 64
    for tool in others:
        shown = json.dumps(convert_to_openai_tool(tool))
        assert len(shown) < 25_000
        assert tool.name.replace("_", "").replace("-", "").isalnum()
        assert tool.name.isascii()
    if others and kind != "with a thousand tools":
        answer = said(others[0], x="1")
        assert len(answer) < 5_000


@pytest.mark.parametrize("kind", ["dying", "silent", "chattering", "endless"])
def test_a_server_that_does_not_start_is_reported_and_the_others_go_on(kind: str, connect: Connect) -> None:
    began = time.monotonic()
    tools = connect(program(kind, "broken", start_seconds=2.0), program("honest"))
    assert time.monotonic() - began < 40
    assert said(tools["add"], a=1, b=1) == "2"
    assert list(connect.problems()) == ["broken"]
    assert connect.problems()["broken"].startswith("it ")


def test_a_program_that_is_not_there_is_reported(connect: Connect) -> None:
    assert connect(McpConfig(name="gone", command="no-such-program-at-all")) == {}
    assert "its program" in connect.problems()["gone"]


def test_an_address_that_does_not_answer_is_reported(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert connect(McpConfig(name="gone", url=f"http://127.0.0.1:{port}/mcp", start_seconds=5.0)) == {}
    assert connect.problems()["gone"].startswith("its address cannot be reached")


def test_an_address_that_wants_a_login_is_reported_without_what_was_sent(connect: Connect) -> None:
    with Site({"/mcp": Answer(status=401)}) as site:
        headers = {"Authorization": f"Bearer {SECRET}"}
        assert connect(McpConfig(name="shut", url=f"{site.url}/mcp", headers=headers)) == {}
    assert SECRET in str(site.asked)
    assert connect.problems() == {"shut": "its address answers with the status 401"}


def test_a_server_that_dies_is_started_anew_once(connect: Connect) -> None:
    tools = connect(program("honest"))
    assert "was started anew: try once more" in said(tools["die"])
    assert said(tools["add"], a=1, b=1) == "2"
    assert "was started anew" in said(tools["die"])
    assert "not running any more" in said(tools["die"])
    assert "not running any more" in said(tools["add"], a=1, b=1)


@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_a_call_that_hangs_ends_and_the_next_works(transport: str, connect: Connect, address: str) -> None:
    config = program("honest", call_seconds=1.0)
    if transport == "http":
        config = McpConfig(name="far", url=address, call_seconds=1.0)
    tools = connect(config)
    assert "no answer within 1 seconds" in said(tools["hang"])
    assert said(tools["add"], a=1, b=1) == "2"


@pytest.mark.parametrize("transport", ["stdio", "http"])
@pytest.mark.parametrize("size", [100_000, 50_000_000])
def test_a_flood_is_cut_or_refused_and_the_agent_does_not_grow(
    size: int, transport: str, connect: Connect, address: str
) -> None:
    far = McpConfig(name="far", url=address, call_seconds=3.0)
    tools = connect(far if transport == "http" else program("honest"))
    assert said(tools["add"], a=1, b=1) == "2"
    before = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    answer = said(tools["flood"], size=size)
    after = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    assert len(answer) < 5_000
    assert "shortened" in answer if size < 1_000_000 else answer.startswith("Error: flood: ")
    assert after - before < 50_000_000
    assert said(tools["add"], a=1, b=1) == "2"


def test_an_agent_uses_a_server_and_keeps_its_key(
    bank: CaseBank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": {"near": stdio()}}))
    replies = Script(planner=[plan("Read"), final("done")], executor=[call("page"), "done"])
    with OpenAIStub(replies) as stub:
        graph = agent(stub, bank, tools=None, mcp=tmp_path / "mcp.json", allow_tools=["page", "calculate"])
        out = graph.invoke({"task": "Read the page"})
    [made] = out["trajectory"][0]["tool_calls"]
    assert (made["result"], made["untrusted"]) == (INJECTION, True)
    sent = json.dumps([request.body for request in stub.requests])
    assert f"<untrusted>\\n{INJECTION}\\n</untrusted>" in sent
    assert SECRET not in sent
