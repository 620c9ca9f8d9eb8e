"""Sums and SQL that explode, write, or reach for other files: whichever tool takes them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from langchain_core.tools import BaseTool, ToolException

from memento.tools import ToolConfig, arithmetic, builtin_tools, tables
from memento.tools.run_folder import RunFolders

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "hunter2"


def tools(folder: Path) -> dict[str, BaseTool]:
    config = ToolConfig(files=(folder,), folders=RunFolders(folder.parent / "runs"))
    return {tool.name: tool for tool in builtin_tools(config)}


SUMS = [
    "9**9**9**9",
    "factorial(10**9)",
    "2^(2^(2^100))",
    "expand((x+y+z)^5000)",
    "integrate(exp(x^x^x), x)",
    "solve(x^50 + x^49 - sin(x) = 0, x)",
    "(" * 5_000 + "1" + ")" * 5_000,
    "__import__('os').system('id')",
]


@pytest.mark.parametrize("expression", SUMS, ids=lambda text: text[:20])
def test_a_sum_that_explodes_ends_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expression: str
) -> None:
    monkeypatch.setattr(arithmetic, "SECONDS", 1.5)
    began = time.monotonic()
    try:
        said = tools(tmp_path)["calculate"].invoke({"expression": expression})
    except ToolException as refused:
        said = str(refused)
    assert len(said) < 5_000
    assert "uid=" not in said
    assert time.monotonic() - began < 20


STATEMENTS = [
    "COPY sales TO '{outside}/out.csv'",
    "ATTACH '{outside}/out.db' AS other",
    "CREATE TABLE other AS SELECT 1",
    "INSERT INTO sales VALUES (1, 2)",
    "SELECT 1, 2; DROP TABLE sales",
    "INSTALL httpfs; LOAD httpfs",
    "SET enable_external_access = true",
    "SELECT * FROM read_csv('{outside}/secret.csv')",
    "SELECT 1, content FROM \"read_text\"('{outside}/secret.csv')",
    "SELECT * FROM '{outside}/secret.csv'",
    "SELECT * FROM 'file://{outside}/secret.csv'",
    "SELECT * FROM 'http://127.0.0.1:9/secret.csv'",
    "SELECT * FROM secret",
    "SELECT 1, getenv('OPENAI_API_KEY')",
]


@pytest.mark.parametrize("sql", STATEMENTS)
@pytest.mark.parametrize("name", ["query_tables", "chart_table"])
def test_no_statement_writes_or_leaves_the_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sql: str, name: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    allowed, outside = tmp_path / "allowed", tmp_path / "outside"
    allowed.mkdir()
    outside.mkdir()
    (allowed / "sales.csv").write_text("a,b\n1,2\n")
    (outside / "secret.csv").write_text(f"k,v\n{SECRET},1\n")
    (allowed / "secret.csv").symlink_to(outside / "secret.csv")
    with pytest.raises(ToolException, match=f"^{name}: ") as refused:
        tools(allowed)[name].invoke({"sql": sql.format(outside=outside)})
    assert SECRET not in str(refused.value)
    assert str(outside) not in str(refused.value)
    assert [path.name for path in outside.iterdir()] == ["secret.csv"]
    assert (allowed / "sales.csv").read_text() == "a,b\n1,2\n"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 'x', repeat('x', 4000000000)",
        "SELECT a.range, count(*) FROM range(1000000) a, range(1000000) b GROUP BY a.range",
        "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT sum(n) FROM t",
    ],
)
def test_a_query_without_an_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sql: str) -> None:
    monkeypatch.setattr(tables, "SECONDS", 2.0)
    began = time.monotonic()
    with pytest.raises(ToolException, match=r"query_tables: (stopped after|this needs too much memory)"):
        tools(tmp_path)["query_tables"].invoke({"sql": sql})
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        ("noise.parquet", bytes(range(256)), "noise.parquet cannot be read"),
        ("cut.json", b'{"a": [1, 2', "cut.json cannot be read"),
        ("book.xlsx", b"PK\x03\x04", "book.xlsx cannot be read"),
    ],
)
def test_tables_that_are_none(tmp_path: Path, name: str, body: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(body)
    with pytest.raises(ToolException, match=message) as refused:
        tools(tmp_path)["sample_table"].invoke({"table": name.partition(".")[0]})
    assert str(tmp_path) not in str(refused.value)


def test_an_empty_table_has_no_rows(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "head.csv").write_bytes(b"a,b\n")
    assert tools(tmp_path)["query_tables"].invoke({"sql": "SELECT * FROM empty"}).startswith("no rows")
    assert "no rows (columns: a, b)" in tools(tmp_path)["sample_table"].invoke({"table": "head"})
