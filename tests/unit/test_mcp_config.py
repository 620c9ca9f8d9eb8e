"""The configuration file of MCP servers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from memento import UsageError
from memento.mcp_config import read_servers

if TYPE_CHECKING:
    from pathlib import Path


def read(path: Path, servers: Any, environment: dict[str, str] | None = None) -> Any:
    file = path / "mcp.json"
    file.write_text(servers if isinstance(servers, str) else json.dumps({"mcpServers": servers}))
    return read_servers(file, environment or {})


def test_servers_are_commands_or_addresses(tmp_path: Path) -> None:
    near = {"command": "npx", "args": ["-y", "files"], "env": {"KEY": "${TOKEN}"}, "allow": ["read_*"]}
    far = {
        "type": "http",
        "url": "https://${HOST:-example.com}/mcp",
        "headers": {"Authorization": "${TOKEN}"},
    }
    off = {"command": "npx", "disabled": True}
    first, second = read(tmp_path, {"near": near, "far": far, "off": off}, {"TOKEN": "hunter2"})
    assert (first.name, first.command, first.args, first.allow) == (
        "near",
        "npx",
        ("-y", "files"),
        ("read_*",),
    )
    assert first.env == {"KEY": "hunter2"}
    assert (second.url, second.headers) == ("https://example.com/mcp", {"Authorization": "hunter2"})
    assert "hunter2" not in f"{first!r} {second!r}"


def test_a_server_whose_variable_is_not_set_needs_it_and_the_others_do_not(tmp_path: Path) -> None:
    far = {"url": "https://example.com/mcp", "headers": {"Authorization": "Bearer ${TOKEN}"}}
    needy, other = read(tmp_path, {"far": far, "near": {"command": "${HERE:-npx}"}})
    assert needy.needs == "it needs the variable TOKEN, which is not set"
    assert (other.command, other.needs) == ("npx", "")


@pytest.mark.parametrize(
    "bad",
    [
        "no json",
        "[]",
        "{}",
        '{"mcpServers": []}',
        {"a": 3},
        {"a": {}},
        {"a": {"command": "x", "url": "y"}},
        {"a": {"command": 3}},
        {"a": {"command": "x", "args": "y"}},
        {"a": {"command": "x", "args": [1]}},
        {"a": {"command": "x", "env": {"A": 1}}},
        {"a": {"url": "x", "type": "sse"}},
    ],
)
def test_what_cannot_be_meant_is_a_usage_error_of_one_line(bad: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^mcp: ") as told:
        read(tmp_path, bad)
    assert "\n" not in str(told.value)


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.json is no JSON file"):
        read_servers(tmp_path / "none.json", {})
