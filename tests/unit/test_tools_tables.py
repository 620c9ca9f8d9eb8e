from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import duckdb
import openpyxl
import pytest
from langchain_core.tools import BaseTool, ToolException

from memento.tools import ToolConfig, basic_tools, tables

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outside")
    (folder / "secret.csv").write_text("k\nTOPSECRET\n")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, outside: Path) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "sales.csv").write_text("region,amount,day\nnorth,0.1,2024-01-02\nsouth,0.2,2024-01-03\n")
    (folder / "Sales 2024.csv").write_text("a\n1234.5\n")
    (folder / "order.csv").write_text("id;name\n1;é\n", encoding="utf-8")
    (folder / "latin.csv").write_bytes("id,name\n1,é\n".encode("latin-1"))
    (folder / "values.tsv").write_text("a\tb\n1\t2\n")
    (folder / "events.jsonl").write_text('{"a": 1, "b": "z"}\n{"a": 2, "b": null}\n')
    (folder / "one.json").write_text('{"a": [1.5, 2], "b": {"c": 1}}')
    (folder / "broken.json").write_text('{"a":')
    (folder / "fake.xlsx").write_text("no workbook")
    (folder / "we[ir]d*.csv").write_text("a\n7\n")
    (folder / ".hidden.csv").write_text("a\n1\n")
    (folder / "sub").mkdir()
    (folder / "sub" / "sales.csv").write_text("deeper\n1\n")
    (folder / "link.csv").symlink_to(outside / "secret.csv")
    (folder / "linked").symlink_to(outside)
    (folder / "loop.csv").symlink_to(folder / "loop.csv")
    (folder / "folder.csv").mkdir()
    with duckdb.connect() as connection:
        connection.sql("SELECT range i, range * 1.5 v FROM range(1000)").write_parquet(
            str(folder / "big.parquet")
        )
    book = openpyxl.Workbook()
    first = book.active
    assert first is not None
    for row in (["n", "mixed"], [1, "a"], [None, 2]):
        first.append(row)
    second = book.create_sheet("Second one")
    second.append(["q"])
    second.append([5])
    book.save(folder / "book.xlsx")
    return folder


@pytest.fixture(scope="module")
def tools(data: Path) -> dict[str, BaseTool]:
    return {tool.name: tool for tool in basic_tools(ToolConfig(files=(data,)))}


@pytest.fixture
def query(tools: dict[str, BaseTool]) -> Any:
    return lambda sql: tools["query_tables"].invoke({"sql": sql})


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT sum(amount) FROM sales", "0.3"),
        ("select a from sales_2024;", "1234.5"),
        ("SELECT region FROM 'sales.csv' WHERE amount > 0.15", "south"),
        ('SELECT * FROM "Sales 2024.csv"', "1234.5"),
        ("SELECT name FROM order_table", "é"),
        ("SELECT name FROM latin", "é"),
        ("SELECT a + b FROM values_table", "3"),
        ("SELECT * FROM events ORDER BY a", "a | b\n1 | z\n2 | NULL"),
        ("SELECT a, b FROM one", 'a | b\n[1.5, 2.0] | {"c": 1}'),
        ("SELECT a FROM we_ir_d", "7"),
        ("SELECT deeper FROM sales_csv", "1"),
        ("SELECT sum(v) FROM big", "749250"),
        ("SELECT count(n), count(*) FROM book", "count(n) | count_star()\n1 | 2"),
        ("SELECT q FROM book_second_one", "5"),
        ("SELECT day FROM sales LIMIT 1", "2024-01-02"),
        ("SELECT i FROM big WHERE i < 0", "no rows (columns: i)"),
        ("WITH t AS (SELECT 1/3 AS x) SELECT x FROM t", "0.333333333333"),
        ("SELECT NULL", "NULL"),
        ("SELECT true, 'a\nb'::VARCHAR AS t, 10::HUGEINT * 10**0", None),
    ],
)
def test_queries(query: Any, sql: str, expected: str | None) -> None:
    result = query(sql)
    assert expected is None or result == expected


def test_names_and_descriptions(query: Any, tools: dict[str, BaseTool]) -> None:
    names = query("SHOW TABLES").split("\n")
    assert {"sales", "sales_2024", "order_table", "big", "book", "sales_csv"} <= set(names)
    assert not {"link", "linked", "secret", "hidden", "loop", "folder"} & set(names)
    described = tools["describe_tables"].invoke({})
    assert "sales (sales.csv, 2 rows)\n  columns: region VARCHAR, amount DOUBLE, day DATE\n" in described
    assert "  example: north | 0.1 | 2024-01-02" in described
    assert "book_second_one (book.xlsx, 1 rows)" in described
    assert "broken: broken.json cannot be read" in described
    assert "region" in query("DESCRIBE sales")


def test_rows_and_cells_are_limited_and_it_says_so(query: Any) -> None:
    lines = query("SELECT * FROM big").split("\n")
    assert len(lines) == 1 + tables.MAX_ROWS + 1
    assert lines[-1] == "… [only the first 50 rows: for the next add LIMIT 50 OFFSET 50]"
    assert "[shortened: 100000 characters in all]" in query("SELECT repeat('x', 100000)")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT * FROM nope", "The tables are: .*sales"),
        ("SELECT foo FROM sales", 'Candidate bindings: .*"region"'),
        ("SELEC", "syntax error"),
        ("SELECT * FROM broken", "broken.json cannot be read"),
        ("SELECT * FROM fake", "fake.xlsx cannot be read"),
        ("", "one SELECT"),
        ("SELECT 1" + " " * 30_000, "one SELECT"),
        ("SELECT " + "(" * 5_000 + "1" + ")" * 5_000, "query_tables: "),
    ],
)
def test_errors_say_what_to_do(query: Any, sql: str, message: str) -> None:
    with pytest.raises(ToolException, match=message):
        query(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1; SELECT 2",
        "DROP TABLE sales",
        "INSERT INTO sales VALUES ('a', 1, NULL)",
        "COPY sales TO '{outside}/out.csv'",
        "EXPORT DATABASE '{outside}/out'",
        "ATTACH '{outside}/out.db'",
        "INSTALL httpfs",
        "PRAGMA version",
        "SET threads = 1",
        "CALL pragma_version()",
        "SELECT * FROM read_csv('{outside}/secret.csv')",
        "SELECT * FROM read_text('{outside}/secret.csv')",
        "SELECT * FROM \"read_csv\"('{outside}/secret.csv')",
        "SELECT * FROM read_csv/**/('{outside}/secret.csv')",
        "SELECT * FROM '{outside}/secret.csv'",
        "SELECT * FROM '../{name}/secret.csv'",
        "SELECT * FROM '{data}/link.csv'",
        "SELECT * FROM '{data}/linked/secret.csv'",
        "SELECT * FROM link",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM \"glob\"('/*')",
        "SELECT getenv('HOME')",
        "SELECT \"getenv\"('HOME')",
        "SELECT * FROM 'http://127.0.0.1:9/x.csv'",
        "SELECT * FROM query('SELECT 1')",
        "SELECT current_setting('secret_directory')",
        "SELECT * FROM duckdb_settings()",
        'SELECT * FROM "duckdb_extensions"()',
        "SELECT * FROM pg_catalog.pg_settings",
        "SELECT * FROM sqlite_scan('{outside}/secret.csv', 'x')",
    ],
)
def test_nothing_but_reading_these_tables(query: Any, sql: str, data: Path, outside: Path) -> None:
    before = sorted(outside.iterdir())
    with pytest.raises(ToolException) as refused:
        query(sql.format(outside=outside, data=data, name=outside.name))
    message = str(refused.value)
    assert message.startswith("query_tables: ")
    assert "TOPSECRET" not in message
    assert str(data) not in message
    assert str(outside) not in message
    assert sorted(outside.iterdir()) == before
    assert query("SELECT count(*) FROM sales") == "2"


def test_settings_that_can_still_be_reached_tell_no_folder(query: Any) -> None:
    assert query("SELECT \"current_setting\"('secret_directory')") == ""
    assert query("FROM \"duckdb_settings\"() WHERE value LIKE '%/%' AND name LIKE '%directory%'").startswith(
        "no rows"
    )


def test_changes_reach_only_the_copy(query: Any) -> None:
    query("WITH gone AS (DELETE FROM sales RETURNING *) SELECT count(*) FROM gone")
    assert query("SELECT count(*) FROM sales") == "2"


def test_memory_and_time_are_limited(query: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ToolException, match="too much memory"):
        query("SELECT repeat('x', 4000000000)")
    with pytest.raises(ToolException, match="too much memory"):
        query("SELECT list(i) FROM range(1000000000) t(i)")
    monkeypatch.setattr(tables, "SECONDS", 1.0)
    start = time.perf_counter()
    with pytest.raises(ToolException, match="stopped after 1 seconds"):
        query("SELECT count(*) FROM range(1000000000000)")
    assert time.perf_counter() - start < 3


async def test_async_and_a_single_file(data: Path) -> None:
    tools = {
        tool.name: tool
        for tool in basic_tools(
            ToolConfig(
                files=(
                    data / "sales.csv",
                    data / "missing",
                )
            )
        )
    }
    assert await tools["query_tables"].ainvoke({"sql": "SHOW TABLES"}) == "sales"
    assert await tools["query_tables"].ainvoke({"sql": "SELECT max(region) FROM sales"}) == "south"


def test_no_files(tmp_path: Path) -> None:
    tools = {tool.name: tool for tool in basic_tools(ToolConfig(files=(tmp_path,)))}
    assert tools["describe_tables"].invoke({}).startswith("there are no data files")
    with pytest.raises(ToolException, match="There are no tables"):
        tools["query_tables"].invoke({"sql": "SELECT * FROM sales"})


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    tool = next(tool for tool in basic_tools(ToolConfig(files=(tmp_path,))) if tool.name == "query_tables")
    for number in ("1", "2"):
        (tmp_path / "t.csv").write_text(f"a\n{number}\n")
        assert tool.invoke({"sql": "SELECT a FROM t"}) == number
