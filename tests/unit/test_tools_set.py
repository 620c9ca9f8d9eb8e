"""The built-in tools as a set, and the limits that they share."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from langchain_core.tools import BaseTool, ToolException
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import SecretStr

from memento.tools import ToolConfig, basic_tools, builtin_tools, tool_status
from memento.tools.limits import hide_paths, run_worker, shorten
from memento.tools.traits import traits_of

WITH_KEY = ToolConfig(tavily_api_key=SecretStr("key"))
NAMES = [
    "calculate",
    "convert_units",
    "days_between",
    "add_to_date",
    "weekday",
    "duration",
    "text_measure",
    "count_occurrences",
    "query_tables",
    "describe_tables",
    "web_search",
]


def test_order_and_readiness() -> None:
    assert [tool.name for tool in basic_tools(WITH_KEY)] == NAMES
    assert [tool.name for tool in basic_tools(ToolConfig())] == NAMES[:-1]
    assert [tool.name for tool in builtin_tools(WITH_KEY)][: len(NAMES)] == NAMES
    ready = {item.name: item for item in tool_status(WITH_KEY)}
    assert ready["web_search"].ready
    assert ready["web_search"].needs == ""
    for key in (None, SecretStr(""), SecretStr(" ")):
        status = {item.name: item for item in tool_status(ToolConfig(tavily_api_key=key))}
        assert list(status) == list(ready)
        assert not status["web_search"].ready
        assert status["web_search"].needs.startswith("set TAVILY_API_KEY")
        assert status["web_search"].args == ready["web_search"].args


def test_what_is_absent_says_what_it_needs_and_is_not_among_the_tools() -> None:
    status = tool_status(ToolConfig())
    assert {item.name for item in status if item.ready} == {tool.name for tool in builtin_tools(ToolConfig())}
    assert all(item.ready == (item.needs == "") for item in status)
    assert all("\n" not in item.needs for item in status)


@pytest.mark.parametrize("tool", builtin_tools(WITH_KEY), ids=lambda tool: tool.name)
def test_each_is_described_for_a_model(tool: BaseTool) -> None:
    sent = json.dumps(convert_to_openai_tool(tool))
    assert f"Example: {tool.name}(" in tool.description
    assert len(tool.description) < 700
    for argument in tool.args.values():
        assert argument["description"]
    assert "$ref" not in sent


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("calculate", {"expression": "17% of 2340"}),
        ("convert_units", {"value": 20, "from_unit": "km", "to_unit": "mile"}),
        ("days_between", {"start": "2024-03-01", "end": "2024-04-15"}),
        ("add_to_date", {"date": "2024-03-01", "amount": 45, "unit": "days"}),
        ("weekday", {"date": "2024-03-01"}),
        ("duration", {"expression": "2h 45m + 1h 30m"}),
        ("text_measure", {"text": "hello world", "measure": "vowels"}),
        ("count_occurrences", {"text": "strawberry", "target": "r"}),
    ],
)
async def test_the_examples_are_true_and_stray_arguments_do_no_harm(
    name: str, arguments: dict[str, object]
) -> None:
    tool = next(tool for tool in builtin_tools(ToolConfig()) if tool.name == name)
    result = tool.invoke({**arguments, "stray": "value"})
    assert await tool.ainvoke(arguments) == result
    assert f" gives {result}" in tool.description
    written = ", ".join(f"{key}={json.dumps(value)}" for key, value in arguments.items())
    assert f"{name}({written})" in tool.description


@pytest.mark.parametrize("tool", builtin_tools(WITH_KEY), ids=lambda tool: tool.name)
async def test_missing_and_wrong_arguments_are_tool_exceptions(tool: BaseTool) -> None:
    required = tool.get_input_jsonschema().get("required", [])
    if not required:
        return
    with pytest.raises(ToolException, match=f"^{tool.name}: {required[0]}: Field required"):
        tool.invoke({})
    with pytest.raises(ToolException, match=f"^{tool.name}: "):
        await tool.ainvoke({name: {"secret": [1]} for name in required})


def test_building_the_tools_loads_nothing_heavy() -> None:
    script = (
        "import sys; from memento.tools import ToolConfig, builtin_tools, tool_status;"
        "builtin_tools(ToolConfig());"
        "heavy = ('sympy', 'pint', 'duckdb', 'pandas', 'tavily', 'numpy', 'graph', 'tools', 'memory');"
        "tool_status(ToolConfig()); print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_shorten() -> None:
    assert shorten("abc", 10) == "abc"
    assert len(shorten("x" * 10_000, 100)) == 100


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("cannot open /data/in/sales.csv", "cannot open sales.csv"),
        ('IO Error: "/home/someone/x y/file.csv" is bad', None),
        ("at https://example.org/a/b", "at https://example.org/a/b"),
        ("3/4 and a/b", "3/4 and a/b"),
        ("File /usr/lib/python3/x.py, line 1", "File …/x.py, line 1"),
    ],
)
def test_hide_paths(message: str, expected: str | None) -> None:
    hidden = hide_paths(message, [Path("/data/in")])
    assert expected is None or hidden == expected
    assert not re.search(r"/(home|usr|data)/", hidden)


def test_a_worker_inherits_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    script = tmp_path / "worker.py"
    script.write_text(
        "import json, os, sys; json.load(sys.stdin); print(json.dumps({'env': dict(os.environ)}))"
    )
    reply = run_worker(str(script), {}, 10, 2_000_000_000)
    assert "sk-secret" not in json.dumps(reply)
    assert os.environ["OPENAI_API_KEY"] == "sk-secret"


@pytest.mark.parametrize(
    "code", ["raise SystemExit(1)", "print('not json')", "import os; os.abort()", "x = 'a' * 10**10"]
)
def test_a_worker_that_breaks(tmp_path: Path, code: str) -> None:
    script = tmp_path / "worker.py"
    script.write_text(code)
    with pytest.raises(MemoryError):
        run_worker(str(script), {}, 10, 2_000_000_000)


def test_a_worker_that_does_not_end(tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text("while True: pass")
    with pytest.raises(TimeoutError):
        run_worker(str(script), {}, 0.5, 2_000_000_000)


def test_docstrings_of_tools_are_what_a_model_sees() -> None:
    for tool in builtin_tools(WITH_KEY):
        assert inspect.cleandoc(tool.description) == tool.description


def test_only_what_reads_from_outside_returns_what_strangers_wrote() -> None:
    untrusted = {tool.name for tool in builtin_tools(WITH_KEY) if traits_of(tool).untrusted}
    assert {"web_search", "fetch_page", "read_document"} <= untrusted
    assert not untrusted & {tool.name for tool in basic_tools(ToolConfig())}
