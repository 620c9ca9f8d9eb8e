"""Answers one question about tables with DuckDB, in a process of its own.

Reads {"files": [{"name", "file", "path", "kind"}], "sql": str | null, "rows": int} from stdin and writes
{"columns", "rows", "more"}, {"tables": […]} when there is no SQL, or {"error", "kind"} to stdout. It has a
process because DuckDB's memory limit does not count strings, and an interrupt does not stop every function.
It imports nothing of the package, so that it starts quickly.
"""

from __future__ import annotations

import json
import re
import sys
import time
import zipfile
from decimal import Decimal
from typing import Any

MEMORY = "512MB"
DESCRIBING = 15.0  # seconds, after which the other tables are only named
MAX_WORKBOOK = 300_000_000  # bytes, unpacked
_READERS = {
    # One strict try with types found from every row, then what is still readable of an untidy file.
    "csv": (
        "read_csv($path, sample_size = -1)",
        "read_csv($path, sample_size = -1, encoding = 'latin-1')",
        "read_csv($path, null_padding = true, strict_mode = false, all_varchar = true)",
    ),
    "json": ("read_json($path)",),
    "parquet": ("read_parquet($path, hive_partitioning = false)",),
}


class Unreadable(Exception):  # noqa: N818
    """A file that cannot be read as what its name says."""


def connect() -> Any:
    import duckdb

    connection = duckdb.connect(
        ":memory:",
        config={
            "threads": "2",
            "memory_limit": MEMORY,
            "temp_directory": "",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "python_enable_replacements": "false",
        },
    )
    # These settings can be read by a query, and would tell the folders of this machine.
    connection.execute(
        "SET secret_directory = ''; SET extension_directory = ''; SET allow_persistent_secrets = false"
    )
    return connection


def close_off(connection: Any) -> None:
    """From here on no statement reaches a file, the network, or these settings."""
    connection.execute("SET enable_external_access = false; SET lock_configuration = true")


def load(connection: Any, item: dict[str, str]) -> list[str]:
    """Copies the file into tables of the database; their names."""
    if item["kind"] == "xlsx":
        return _load_workbook(connection, item)
    import duckdb

    path = re.sub(r"([*?\[])", r"[\1]", item["path"])  # a name, not a pattern
    problem: Exception | None = None
    for reader in _READERS[item["kind"]]:
        try:
            connection.execute(f"CREATE TABLE {quoted(item['name'])} AS FROM {reader}", {"path": path})
        except duckdb.OutOfMemoryException:
            raise Unreadable(f"{item['file']} is too large") from None
        except (duckdb.Error, UnicodeDecodeError) as error:
            problem = problem or error
        else:
            connection.execute(
                f"CREATE VIEW IF NOT EXISTS {quoted(item['file'])} AS FROM {quoted(item['name'])}"
            )
            return [item["name"]]
    raise Unreadable(f"{item['file']} cannot be read: {problem}")


def _load_workbook(connection: Any, item: dict[str, str]) -> list[str]:
    """The first sheet under the file's own name; when there are more, each under file_sheet as well."""
    import pandas as pd

    try:
        with zipfile.ZipFile(item["path"]) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        sheets = (
            {} if size > MAX_WORKBOOK else pd.read_excel(item["path"], sheet_name=None, engine="openpyxl")
        )
    except Exception as error:  # noqa: BLE001  (openpyxl raises whatever a broken workbook makes it raise)
        raise Unreadable(f"{item['file']} cannot be read: {type(error).__name__}") from None
    names: list[str] = []
    for position, (title, sheet) in enumerate(sheets.items()):
        if not len(sheet.columns):
            continue
        connection.register("_sheet", _tidy(sheet))
        suffix = re.sub(r"\W+", "_", str(title).lower()).strip("_") or str(position + 1)
        wanted = [item["name"]] if not names else []
        wanted += [f"{item['name']}_{suffix}"] if len(sheets) > 1 else []
        for name in wanted:
            if name not in names:
                connection.execute(f"CREATE TABLE {quoted(name)} AS FROM _sheet")
                names.append(name)
        connection.unregister("_sheet")
    if not names:
        raise Unreadable(f"{item['file']} has no sheet with columns, or is too large: save the sheet as CSV")
    connection.execute(f"CREATE VIEW IF NOT EXISTS {quoted(item['file'])} AS FROM {quoted(names[0])}")
    return names


def _tidy(sheet: Any) -> Any:
    import pandas as pd

    tidy = sheet.rename(columns=str).convert_dtypes()
    for column, values in tidy.items():
        if values.dtype == object:  # of mixed types, which a column of a table cannot be
            tidy[column] = values.map(lambda value: None if pd.isna(value) else str(value))
    return tidy


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def answer(connection: Any, sql: str, limit: int) -> dict[str, Any]:
    import duckdb

    statements = connection.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        return {"error": "only a single SELECT is allowed", "kind": "statement"}
    result = connection.execute(statements[0])
    columns = [column[0] for column in result.description]
    rows = result.fetchmany(limit + 1)
    return {
        "columns": columns,
        "rows": [[cell(v) for v in row] for row in rows[:limit]],
        "more": len(rows) > limit,
    }


def query(connection: Any, job: dict[str, Any]) -> dict[str, Any]:
    import duckdb

    problems = []
    for item in job["files"]:
        try:
            load(connection, item)
        except Unreadable as error:
            problems.append(str(error))
    close_off(connection)
    try:
        return answer(connection, job["sql"], job["rows"])
    except duckdb.CatalogException:
        if not problems:
            raise
        return {"error": "; ".join(problems), "kind": "file"}


def describe(connection: Any, files: list[dict[str, str]]) -> dict[str, Any]:
    tables: list[dict[str, Any]] = []
    deadline = time.monotonic() + DESCRIBING
    for item in files:
        try:
            names = load(connection, item) if time.monotonic() < deadline else _unread(item)
        except Unreadable as error:
            tables.append({"name": item["name"], "file": item["file"], "error": str(error)})
            continue
        for name in names:
            result = connection.execute(f"DESCRIBE {quoted(name)}")
            columns = [[row[0], row[1]] for row in result.fetchall()]
            (count,) = connection.execute(f"SELECT count(*) FROM {quoted(name)}").fetchone()  # noqa: S608
            sample = connection.execute(f"FROM {quoted(name)} LIMIT 1").fetchone() or ()
            tables.append(
                {
                    "name": name,
                    "file": item["file"],
                    "columns": columns,
                    "count": count,
                    "sample": [cell(v) for v in sample],
                }
            )
            connection.execute(f"DROP TABLE {quoted(name)} CASCADE")
    return {"tables": tables}


def _unread(item: dict[str, str]) -> list[str]:
    raise Unreadable(f"{item['file']} was not read for want of time")


def cell(value: Any) -> Any:
    """As JSON can hold it: numbers, text, nothing."""
    if value is None or isinstance(value, (str, float)):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, (list, tuple, dict)):
        return json.dumps(
            value, default=lambda part: float(part) if isinstance(part, Decimal) else cell(part)
        )
    return str(value)  # integers too: they may have more digits than JSON's readers keep


def main() -> None:
    import duckdb

    job = json.loads(sys.stdin.read())
    try:
        connection = connect()
        reply = describe(connection, job["files"]) if job["sql"] is None else query(connection, job)
    except MemoryError:
        reply = {"error": "", "kind": "memory"}
    except duckdb.Error as error:
        reply = {
            "error": str(error),
            "kind": "memory" if isinstance(error, duckdb.OutOfMemoryException) else "query",
        }
    sys.stdout.write(json.dumps(reply))


if __name__ == "__main__":
    main()
