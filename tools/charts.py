"""Charts of what a query gives."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from langchain_core.tools import ToolException
from platformdirs import user_cache_path
from pydantic import BaseModel, Field

from memento.tools.config import Offer, ToolConfig
from memento.tools.limits import make_tool, run_worker
from memento.tools.tables import select
from memento.tools.traits import Traits

if TYPE_CHECKING:
    from typing import Any

SECONDS = 25.0
MAX_ROWS = 2_000
MEMORY = 2_000_000_000
WORKER = str(Path(__file__).with_name("_chart_worker.py"))
NEEDS = "give the tools a place to keep what they make"
_COLUMNS = {"histogram": 1}


class ChartTableArgs(BaseModel):
    sql: str = Field(
        description="One SELECT: first what goes along the axis, then one or more columns of numbers"
    )
    kind: Literal["bar", "line", "scatter", "pie", "histogram"] = Field(
        default="bar", description="The chart; a histogram takes one column"
    )
    title: str = Field(default="", description="What stands above it", max_length=200)


def charts_tools(config: ToolConfig) -> list[Offer]:
    keep = config.keep

    def chart_table(sql: str, kind: str = "bar", title: str = "") -> str:
        """Draw a chart (PNG) of what a SQL SELECT over the data files gives, as a file.

        Example: chart_table(sql="SELECT region, sum(amount) FROM sales GROUP BY region", kind="bar")
        """
        if keep is None:
            raise ToolException(f"chart_table: there is no place for it: {NEEDS}")
        found = select(config.files, sql, MAX_ROWS, "chart_table")
        if not found["rows"] or len(found["columns"]) < _COLUMNS.get(kind, 2):
            raise ToolException(
                "chart_table: there is nothing to draw: select at least one row, and columns of numbers"
            )
        name = keep("chart.png", _drawn({**found, "kind": kind, "title": title}))
        more = f" (of the first {MAX_ROWS} rows)" if found["more"] else ""
        return f"{name}: a {kind} chart of {', '.join(found['columns'])}, {len(found['rows'])} rows{more}"

    return [
        Offer(
            make_tool(chart_table, ChartTableArgs, traits=Traits(effect="workspace")), "" if keep else NEEDS
        )
    ]


def _drawn(job: dict[str, Any]) -> bytes:
    cache = str(user_cache_path("memento", appauthor=False) / "matplotlib")
    try:
        reply = run_worker(WORKER, {**job, "cache": cache}, SECONDS, MEMORY)
    except (TimeoutError, MemoryError):
        raise ToolException("chart_table: this was too much to draw: select fewer rows") from None
    if "error" in reply:
        raise ToolException(f"chart_table: {reply['error']}")
    return base64.b64decode(reply["picture"])
