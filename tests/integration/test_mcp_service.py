"""The memory and the agent as MCP tools, asked by a real MCP client."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.memory import create_connected_server_and_client_session

from memento import Settings
from memento.mcp_service import build_service
from memento.memory import Case, CaseBank
from tests.agent import Script, agent, call, final, plan
from tests.openai_stub import OpenAIStub

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

ROOT = Path(__file__).parents[2]
NAMES = {"search_cases", "why", "feedback", "solve"}


async def ask(client: ClientSession, name: str, **args: Any) -> Any:
    """What a tool answers, or the text of its error."""
    answer = await client.call_tool(name, args)
    [block, *_] = answer.content
    assert block.type == "text"
    return block.text if answer.isError else json.loads(block.text)


@asynccontextmanager
async def client_of(bank: CaseBank, stub: OpenAIStub) -> AsyncIterator[ClientSession]:
    service = build_service(Settings(policy="similarity"), bank, agent(stub, bank))
    async with create_connected_server_and_client_session(service._mcp_server) as client:
        yield client


async def test_another_agent_can_search_ask_why_solve_and_tell(bank: CaseBank) -> None:
    shown = {"subtask": "Add", "tool_calls": [{"name": "add", "args": {"a": 1, "b": 1}, "result": "2"}]}
    bank.add(Case.from_demonstration(task="What is 1 + 1?", trajectory=[shown], answer="2"))
    replies = Script(planner=[plan("Add"), final("5")], executor=[call("add", a=2, b=3), "5"])
    with OpenAIStub(replies) as stub:
        async with client_of(bank, stub) as client:
            assert {tool.name for tool in (await client.list_tools()).tools} == NAMES
            found = await ask(client, "search_cases", task="What is 2 + 3?")
            assert [case["task"] for case in found["cases"]] == ["What is 1 + 1?"]
            solved = await ask(client, "solve", task="What is 2 + 3?")
            assert (solved["answer"], solved["reward"]) == ("5", 1.0)
            told = await ask(client, "feedback", run_id=solved["run_id"], reward=0)
            assert told == {"run_id": solved["run_id"], "reward": 0}
            why = await ask(client, "why", task="What is 2 + 3?")
            assert {reason["case_id"] for reason in why["candidates"]} >= {found["cases"][0]["id"]}
    assert bank.ledger.run(solved["run_id"])["rewards"][-1]["source"] == "mcp"  # type: ignore[index]


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("feedback", {"run_id": "none", "reward": 1}),
        ("feedback", {"run_id": "none", "reward": 2}),
        ("search_cases", {"task": ""}),
        ("search_cases", {"task": "x", "limit": 10**6}),
        ("search_cases", {}),
        ("solve", {"task": "   "}),
        ("no_such_tool", {}),
    ],
)
async def test_what_cannot_be_meant_is_an_error_and_the_service_goes_on(
    name: str, args: dict[str, Any], bank: CaseBank
) -> None:
    with OpenAIStub(Script()) as stub:
        async with client_of(bank, stub) as client:
            answer = await client.call_tool(name, args)
            assert answer.isError
            assert await ask(client, "search_cases", task="x") == {"cases": []}


COMMAND = [sys.executable, "-m", "memento", "mcp"]


async def test_the_command_speaks_over_stdio(tmp_path: Path) -> None:
    server = StdioServerParameters(
        command=COMMAND[0], args=[*COMMAND[1:], "--home", str(tmp_path / "home")], cwd=ROOT
    )
    with (tmp_path / "errors").open("w") as errors:
        async with stdio_client(server, errors) as (read, write), ClientSession(read, write) as client:
            await client.initialize()
            assert {tool.name for tool in (await client.list_tools()).tools} == NAMES
            assert "no run" in str(await ask(client, "feedback", run_id="none", reward=1))


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [*COMMAND, "--http", "--port", str(port), "--home", str(tmp_path / "home")]
    url = f"http://127.0.0.1:{port}/mcp"
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as server:
        _wait_for(url)
        yield url
        server.kill()


async def test_the_command_speaks_over_http(address: str) -> None:
    async with streamable_http_client(address) as (read, write, _), ClientSession(read, write) as client:
        await client.initialize()
        assert {tool.name for tool in (await client.list_tools()).tools} == NAMES


def test_a_page_that_names_this_machine_is_turned_away(address: str) -> None:
    assert httpx.post(address, headers={"Host": "evil.example"}, json={}).status_code == 421


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            httpx.get(url, timeout=1)
        except httpx.HTTPError:
            continue
        return
