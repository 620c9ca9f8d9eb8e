"""Looking at one table more closely than the list of all tables does."""

from __future__ import annotations

from pydantic import BaseModel, Field

from memento.tools.config import Offer, ToolConfig
from memento.tools.limits import make_tool, shorten
from memento.tools.tables import as_text, select

MAX_ROWS = 50
_COLUMNS = "column_name, column_type, min, max, approx_unique, null_percentage"


class SampleTableArgs(BaseModel):
    table: str = Field(description="The table, for example sales", pattern=r"^\w{1,200}$")
    rows: int = Field(default=10, ge=0, le=MAX_ROWS, description=f"How many rows to show, at most {MAX_ROWS}")
    offset: int = Field(default=0, ge=0, description="How many rows to leave out before them")


def table_sample_tools(config: ToolConfig) -> list[Offer]:
    def sample_table(table: str, rows: int = 10, offset: int = 0) -> str:
        """Show one table's columns with type, range, number of values and share of NULL, and some rows.

        Example: sample_table(table="sales", rows=5)
        """
        summary = f'SELECT {_COLUMNS} FROM (SUMMARIZE "{table}")'  # noqa: S608  (the table is one word)
        columns = select(config.files, summary, 500, "sample_table")
        text = as_text(columns["columns"], columns["rows"], more=columns["more"])
        if rows:
            shown = select(config.files, f'FROM "{table}" LIMIT {rows} OFFSET {offset}', rows, "sample_table")
            text += f"\n\nrows from {offset} on:\n" + as_text(shown["columns"], shown["rows"], more=False)
        return shorten(text)

    return [Offer(make_tool(sample_table, SampleTableArgs))]
