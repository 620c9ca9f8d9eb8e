"""Charts of what a query gives."""

from __future__ import annotations

import base64
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from langchain_core.runnables import RunnableConfig  # noqa: TC002  (LangChain reads the annotations)
from langchain_core.tools import ToolException
from platformdirs import user_cache_path
from pydantic import BaseModel, Field

from memento.tools.config import Offer, ToolConfig
from memento.tools.limits import make_tool, run_worker
from memento.tools.run_folder import OutsideError
from memento.tools.tables import select
from memento.tools.traits import Traits, run_of

if TYPE_CHECKING:
    from typing import Any

    from memento.tools.run_folder import RunFolder

SECONDS = 25.0
MAX_ROWS = 2_000
MEMORY = 2_000_000_000
WORKER = str(Path(__file__).with_name("_chart_worker.py"))
NEEDS = "set MEMENTO_WORKSPACES to a folder"
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

    def chart_table(sql: str, run: RunnableConfig, kind: str = "bar", title: str = "") -> str:
        """Draw a chart (PNG) of what a SQL SELECT over the data files gives, into the workspace.

        Example: chart_table(sql="SELECT region, sum(amount) FROM sales GROUP BY region", kind="bar")
        """
        if config.folders is None:
            raise ToolException(f"chart_table: there is no workspace: {NEEDS}")
        found = select(config.files, sql, MAX_ROWS, "chart_table")
        if not found["rows"] or len(found["columns"]) < _COLUMNS.get(kind, 2):
            raise ToolException(
                "chart_table: there is nothing to draw: select at least one row, and columns of numbers"
            )
        picture = _drawn({**found, "kind": kind, "title": title})
        name = _kept(config.folders.of(run_of(run)), picture)
        more = f" (of the first {MAX_ROWS} rows)" if found["more"] else ""
        return f"{name}: a {kind} chart of {', '.join(found['columns'])}, {len(found['rows'])} rows{more}"

    return [
        Offer(
            make_tool(chart_table, ChartTableArgs, traits=Traits(effect="workspace")),
            "" if config.folders else NEEDS,
        )
    ]


def _kept(folder: RunFolder, picture: bytes) -> str:
    """Puts the picture into the workspace, under a name that is not taken."""
    try:
        taken = {entry.path for entry in folder.entries()}
        name = next(name for n in count(1) if (name := f"chart-{n}.png") not in taken)
        if len(picture) > folder.room():
            raise ToolException("chart_table: the workspace is full: overwrite what is no longer needed")
        with folder.open(name, write=True) as stream:
            stream.write(picture)
    except (OutsideError, OSError):
        raise ToolException("chart_table: the workspace cannot take the picture: go on without it") from None
    return name


def _drawn(job: dict[str, Any]) -> bytes:
    cache = str(user_cache_path("memento", appauthor=False) / "matplotlib")
    try:
        reply = run_worker(WORKER, {**job, "cache": cache}, SECONDS, MEMORY)
    except (TimeoutError, MemoryError):
        raise ToolException("chart_table: this was too much to draw: select fewer rows") from None
    if "error" in reply:
        raise ToolException(f"chart_table: {reply['error']}")
    return base64.b64decode(reply["picture"])
