"""MCP servers from a configuration file, by the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.command_line import Told, assert_one_line
from tests.mcp_servers import served, stdio

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "hunter2-0123456789abcdef"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served() as url:
        yield url


@pytest.fixture
def servers(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the configuration file holds: servers of both transports, and some that are not there."""
    header = {"Authorization": "Bearer ${MY_TOKEN}"}
    given = {
        "near": {**stdio(), "allow": ["add", "fail", "re*"], "deny": ["remember"]},
        "far": {"url": address, "headers": header, "allow": ["add", "environment"]},
        "dead": stdio("dying"),
        "shut": {"url": address, "headers": {"X-Key": "${NO_SUCH_KEY}"}},
    }
    (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": given}))
    monkeypatch.setenv("MEMENTO_MCP", str(tmp_path / "mcp.json"))
    monkeypatch.setenv("MEMENTO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MY_TOKEN", SECRET)
    return given


@pytest.mark.usefixtures("servers")
def test_the_list_has_their_tools_with_arguments_and_says_what_the_absent_need(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = Told(capsys, "tools", "list", "--json")
    rows = {row["name"]: row for row in told.json["tools"]}
    assert {"add", "fail", "far_add", "environment"} <= set(rows)
    assert not {"remember", "far_remember", "page", "far_fail"} & set(rows)
    assert rows["far_add"]["args"]["properties"].keys() == {"a", "b"}
    assert rows["far_add"]["args"]["required"] == ["a", "b"]
    assert (rows["mcp_dead"]["ready"], rows["mcp_shut"]["ready"]) == (False, False)
    assert "the MCP server 'dead'" in rows["mcp_dead"]["needs"]
    assert "it needs the variable NO_SUCH_KEY, which is not set" in rows["mcp_shut"]["needs"]
    assert SECRET not in told.out


@pytest.mark.usefixtures("servers")
def test_a_tool_of_either_transport_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    assert Told(capsys, "tools", "call", "far_add", '{"a": 20, "b": 3}').out == "23\n"
    near = Told(capsys, "tools", "call", "add", '{"a": 2, "b": 3}', "--json")
    assert near.json == {"name": "add", "result": "5"}
    failed = Told(capsys, "tools", "call", "fail", "{}")
    assert_one_line(failed, code=1, says="fail: the server says: ")
    assert_one_line(Told(capsys, "tools", "call", "remember", "{}"), says="there is no tool 'remember'")


@pytest.mark.usefixtures("servers")
def test_the_doctor_names_them_and_is_content_without_those_that_are_gone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = Told(capsys, "doctor", "--json")
    states = {check["name"]: check["state"] for check in told.json["checks"]}
    assert (states["tool far_add"], states["tool mcp_dead"]) == ("ok", "optional")
    assert SECRET not in told.out


def test_a_file_that_is_none_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMENTO_MCP", str(tmp_path / "none.json"))
    for command in (("tools", "list"), ("doctor",)):
        assert_one_line(Told(capsys, *command, "--home", tmp_path / "home"), says="none.json")
