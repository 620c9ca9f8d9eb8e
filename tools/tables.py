"""SQL over the data files in the folders that tools may read."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.tools import ToolException
from pydantic import BaseModel, Field

from memento.tools import _tables_worker
from memento.tools.config import Offer, ToolConfig
from memento.tools.limits import format_number, hide_paths, make_tool, run_worker, shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SECONDS = 30.0
MAX_SQL = 20_000
MAX_ROWS = 50
MAX_CELL = 200
MAX_TABLES = 100  # found
MAX_DESCRIBED = 25
_MAX_ENTRIES = 20_000
_MAX_DEPTH = 5
_MEMORY = 3_000_000_000  # of address space, of which DuckDB may fill 512 MB
_KINDS = {
    ".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".xlsx": "xlsx",
    ".json": "json", ".jsonl": "json", ".ndjson": "json",
}  # fmt: skip
_SKIPPED_FOLDERS = {"node_modules", "__pycache__", "site-packages", "venv"}
_RESERVED = frozenset(
    {
        *("all", "and", "any", "as", "asc", "case", "check", "column", "create", "cross", "default", "desc"),
        *(
            "distinct",
            "do",
            "else",
            "end",
            "except",
            "exists",
            "false",
            "fetch",
            "for",
            "foreign",
            "from",
            "full",
        ),
        *("group", "having", "in", "inner", "intersect", "into", "is", "join", "lateral", "left", "limit"),
        *("natural", "not", "null", "offset", "on", "only", "or", "order", "outer", "primary", "references"),
        *(
            "right",
            "select",
            "some",
            "table",
            "then",
            "to",
            "true",
            "union",
            "unique",
            "using",
            "values",
            "when",
        ),
        *("where", "window", "with"),
    }
)
# None of these works, since the database is closed off when the query runs; named for a clearer answer.
_FORBIDDEN = re.compile(
    r"\b(read_\w+|\w+_scan|scan_\w+|glob|sniff_csv|parquet_\w+|getenv|duckdb_\w+|pragma_\w+|current_setting|"
    r"which_secret|query|query_table)\s*\(|\bpg_settings\b",
    re.IGNORECASE,
)
_SHOW_TABLES = re.compile(r"\s*show\s+(?:all\s+)?tables\s*;?\s*", re.IGNORECASE)


@dataclass(frozen=True)
class DataFile:
    name: str  # of its table
    path: Path
    kind: str


class QueryTablesArgs(BaseModel):
    sql: str = Field(description="One SELECT statement; a file sales.csv is the table sales")


class DescribeTablesArgs(BaseModel):
    pass


def tables_tools(config: ToolConfig) -> list[Offer]:
    """The tools over the data files in the folders that may be read (a file may be named too)."""
    roots = config.files

    def query_tables(sql: str) -> str:
        """Answer a question about data files with one SQL SELECT; each file is a table named after it.

        Works on CSV, TSV, Parquet, XLSX, JSON and JSONL files, in DuckDB's SQL, and only reads.
        Example: query_tables(sql="SELECT region, sum(amount) FROM sales GROUP BY region")
        """
        return _query(roots, sql)

    def describe_tables() -> str:
        """List the tables that query_tables can read, with their columns, types and one example row.

        Example: describe_tables()
        """
        return _describe(roots)

    return [
        Offer(make_tool(query_tables, QueryTablesArgs)),
        Offer(make_tool(describe_tables, DescribeTablesArgs)),
    ]


def find_tables(roots: Sequence[Path]) -> list[DataFile]:
    """Every data file in the folders, with the name of its table; the nearest to the top come first."""
    found: list[DataFile] = []
    taken: set[str] = set()
    for path in _data_files(roots):
        stem = re.sub(r"\W+", "_", path.stem.lower()).strip("_") or "data"
        stem = f"t_{stem}" if stem[0].isdigit() else f"{stem}_table" if stem in _RESERVED else stem
        kind = path.suffix.lower()
        name = next(
            name
            for name in (
                stem,
                stem + kind.replace(".", "_"),
                *(f"{stem}_{n}" for n in range(2, MAX_TABLES + 3)),
            )
            if name not in taken
        )
        taken.add(name)
        found.append(DataFile(name, path, _KINDS[kind]))
        if len(found) == MAX_TABLES:
            break
    return found


def _data_files(roots: Sequence[Path]) -> Iterator[Path]:
    seen: set[Path] = set()
    for root in roots:
        try:
            top = root.resolve(strict=True)
        except (OSError, RuntimeError):
            continue
        candidates = [top] if top.is_file() else _walk(top)
        for path in candidates:
            resolved = _regular_file(path)
            # A link may lead out of the folder; what it leads to is then not allowed.
            if resolved and resolved.is_relative_to(top) and resolved not in seen:
                seen.add(resolved)
                yield path


def _regular_file(path: Path) -> Path | None:
    """Where a data file really is; None for what is no data file, or cannot be looked at."""
    if path.suffix.lower() not in _KINDS:
        return None
    try:
        resolved = path.resolve(strict=True)
        return resolved if resolved.is_file() else None
    except (OSError, RuntimeError):
        return None


def _walk(top: Path) -> list[Path]:
    paths: list[Path] = []
    entries = 0
    for folder, folders, names in os.walk(top):
        here = Path(folder)
        depth = len(here.relative_to(top).parts)
        keep = (name for name in folders if not name.startswith(".") and name not in _SKIPPED_FOLDERS)
        folders[:] = sorted(keep) if depth < _MAX_DEPTH else []
        paths += [here / name for name in names if not name.startswith((".", "~$"))]
        entries += len(names) + len(folders)
        if entries > _MAX_ENTRIES:
            break
    return sorted(paths, key=lambda path: (len(path.parts), str(path)))


def _query(roots: Sequence[Path], sql: str) -> str:
    if _SHOW_TABLES.fullmatch(sql):
        return shorten("\n".join(table.name for table in find_tables(roots)) or "there are no tables")
    answer = select(roots, sql, MAX_ROWS, "query_tables")
    return shorten(as_text(answer["columns"], answer["rows"], more=answer["more"]))


def select(roots: Sequence[Path], sql: str, rows: int, name: str) -> dict[str, Any]:
    """The columns, the first rows, and whether there are more, of a SELECT for the tool of that name.

    Raises:
        ToolException: it cannot be answered.
    """
    if not sql.strip() or len(sql) > MAX_SQL:
        raise ToolException(f"{name}: give one SELECT statement of at most {MAX_SQL} characters")
    tables = find_tables(roots)
    if found := _FORBIDDEN.search(sql):
        raise ToolException(
            f"{name}: {found.group().rstrip('( ')} is not available: select from the tables. {_names(tables)}"
        )
    files = [_item(table) for table in _referred(sql, tables)]
    reply = _ask({"files": files, "sql": sql, "rows": rows}, name)
    if "error" in reply:
        raise ToolException(f"{name}: {_explained(reply, roots, tables)}")
    return reply


def _describe(roots: Sequence[Path]) -> str:
    tables = find_tables(roots)
    if not tables:
        return "there are no data files to query (CSV, TSV, Parquet, XLSX, JSON or JSONL)"
    reply = _ask(
        {"files": [_item(table) for table in tables[:MAX_DESCRIBED]], "sql": None, "rows": 1},
        "describe_tables",
    )
    if "error" in reply:
        raise ToolException(f"describe_tables: {_explained(reply, roots, tables)}")
    blocks = [_described(table, roots) for table in reply["tables"]]
    if len(tables) > MAX_DESCRIBED:
        blocks.append("and " + ", ".join(table.name for table in tables[MAX_DESCRIBED:]))
    return shorten("\n".join(blocks))


def _described(table: dict[str, Any], roots: Sequence[Path]) -> str:
    if "error" in table:
        return f"{table['name']}: {_tidy(table['error'], roots)}"
    about = f"{table['name']} ({table['file']}, {table['count']} rows)"
    columns = ", ".join(f"{name} {kind}" for name, kind in table["columns"])
    example = " | ".join(_cell(value) for value in table["sample"]) or "(no rows)"
    return f"{about}\n  columns: {columns}\n  example: {example}"


def _ask(job: dict[str, Any], name: str) -> dict[str, Any]:
    try:
        return run_worker(_tables_worker.__file__, job, SECONDS, _MEMORY)
    except TimeoutError:
        raise ToolException(
            f"{name}: stopped after {SECONDS:g} seconds: ask for less, with WHERE, LIMIT or an aggregate"
        ) from None
    except MemoryError:
        raise ToolException(
            f"{name}: this needs too much memory: ask for less, with WHERE, LIMIT or an aggregate"
        ) from None


def _item(table: DataFile) -> dict[str, str]:
    return {
        "name": table.name,
        "file": table.path.name,
        "path": str(table.path.resolve()),
        "kind": table.kind,
    }


def _referred(sql: str, tables: list[DataFile]) -> list[DataFile]:
    """The tables whose name, or whose file's name, is anywhere in the statement; only these are loaded."""
    lower = sql.lower()
    words = set(re.findall(r"\w+", lower))
    if "information_schema" in words:
        return tables[:MAX_DESCRIBED]
    sheets = partial(_names_a_sheet, words)
    chosen: dict[str, DataFile] = {}
    for table in tables:
        by_file = table.path.name.lower() in lower and table.path.name.lower() not in chosen
        if table.name in words or by_file or (table.kind == "xlsx" and sheets(table.name)):
            chosen.setdefault(table.path.name.lower() if by_file else table.name, table)
    return list(chosen.values())


def _names_a_sheet(words: set[str], name: str) -> bool:
    return any(word.startswith(name + "_") for word in words)


def _explained(reply: dict[str, Any], roots: Sequence[Path], tables: list[DataFile]) -> str:
    if reply["kind"] == "memory":
        return "this needs too much memory: ask for less, with WHERE, LIMIT or an aggregate"
    if reply["kind"] == "statement":
        return f"only one SELECT statement is allowed, and nothing else. {_names(tables)}"
    message = _tidy(reply["error"], roots)
    return (
        f"{message}. {_names(tables)}" if "Catalog Error" in message or "Permission" in message else message
    )


def _tidy(message: str, roots: Sequence[Path]) -> str:
    message = re.split(r"\n+LINE \d+:|\nDid you mean", message)[0].strip()
    return shorten(hide_paths(message, [*roots, *(root.resolve() for root in roots)]), 600)


def _names(tables: list[DataFile]) -> str:
    if not tables:
        return "There are no tables."
    return shorten("The tables are: " + ", ".join(table.name for table in tables), 600)


def as_text(columns: list[str], rows: list[list[Any]], *, more: bool) -> str:
    if not rows:
        return f"no rows (columns: {', '.join(columns)})"
    if len(rows) == 1 and len(columns) == 1:
        return _cell(rows[0][0], None)
    lines = [" | ".join(columns), *(" | ".join(_cell(value) for value in row) for row in rows)]
    if more:
        count = len(rows)
        lines.append(f"… [only the first {count} rows: for the next add LIMIT {count} OFFSET {count}]")
    return "\n".join(lines)


def _cell(value: Any, limit: int | None = MAX_CELL) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, float):
        return format_number(value, 12)
    text = str(value) if limit is None else re.sub(r"\s*\n\s*", " ", str(value))
    return text if limit is None or len(text) <= limit else text[: limit - 1] + "…"
