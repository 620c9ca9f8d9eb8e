"""Charts and samples of tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, ToolException
from PIL import Image

from memento.tools import ToolConfig, builtin_tools, tool_status
from memento.tools.run_folder import RunFolders
from memento.tools.traits import RUN_ID

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tables")
    (made / "sales.csv").write_text("region,amount $\n" + "".join(f"r{n % 4},{n}\n" for n in range(80)))
    (made / "bosses.csv").write_text("region,boss\nr0,Ada\nr1,Bo\nr2,Cy\nr3,\n")
    return made


@pytest.fixture
def tools(folder: Path, tmp_path: Path) -> dict[str, BaseTool]:
    config = ToolConfig(files=(folder,), folders=RunFolders(tmp_path / "runs"), see=see)
    return {tool.name: tool for tool in builtin_tools(config)}


async def see(question: str, pictures: Sequence[bytes]) -> str:
    return f"{len(pictures)} picture"


@pytest.mark.parametrize(
    ("kind", "sql"),
    [
        ("bar", 'SELECT boss, sum("amount $") AS total FROM sales JOIN bosses USING (region) GROUP BY boss'),
        ("histogram", 'SELECT "amount $" FROM sales'),
    ],
)
def test_a_chart_is_a_picture_in_the_workspace(
    tools: dict[str, BaseTool], tmp_path: Path, kind: str, sql: str
) -> None:
    said = tools["chart_table"].invoke({"sql": sql, "kind": kind, "title": "$ and $"})
    assert said.startswith(f"chart-1.png: a {kind} chart of ")
    picture = Image.open(tmp_path / "runs" / "calls" / "chart-1.png")
    assert (picture.format, picture.size) == ("PNG", (900, 550))
    assert len(picture.convert("RGB").getcolors(1_000_000) or ()) > 10


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"sql": "SELECT boss, region FROM bosses"}, "column region is not of numbers"),
        ({"sql": "SELECT boss FROM bosses"}, "there is nothing to draw"),
        ({"sql": "SELECT boss, 1 FROM bosses WHERE false"}, "there is nothing to draw"),
        ({"sql": "DROP TABLE bosses"}, "only one SELECT"),
        ({"sql": "SELECT 1, 2", "kind": "blob"}, "kind: "),
    ],
)
def test_what_cannot_be_drawn(
    tools: dict[str, BaseTool], tmp_path: Path, args: dict[str, str], message: str
) -> None:
    with pytest.raises(ToolException, match=f"chart_table: {message}"):
        tools["chart_table"].invoke(args)
    assert not list(tmp_path.rglob("*.png"))


def test_each_run_has_its_charts_which_other_tools_find(tools: dict[str, BaseTool]) -> None:
    sql = "SELECT boss, 1 FROM bosses"
    runs = [RunnableConfig(configurable={RUN_ID: run}) for run in ("one", "two")]
    names = [tools["chart_table"].invoke({"sql": sql}, run).partition(":")[0] for run in (*runs, runs[0])]
    assert names == ["chart-1.png", "chart-1.png", "chart-2.png"]
    look = tools["look_at_image"]
    for path in ("chart-2.png", "/workspace/chart-2.png"):
        assert look.invoke({"path": path, "question": "?"}, runs[0]) == "[chart-2.png, 900 x 550]\n1 picture"
    with pytest.raises(ToolException, match="there is no file"):
        look.invoke({"path": "chart-2.png", "question": "?"}, runs[1])


def test_without_a_workspace_there_are_no_charts() -> None:
    status = {item.name: item for item in tool_status(ToolConfig())}
    assert (status["chart_table"].ready, status["chart_table"].needs) == (
        False,
        "set MEMENTO_WORKSPACES to a folder",
    )


def test_a_sample_of_a_table(tools: dict[str, BaseTool]) -> None:
    sample = tools["sample_table"].invoke({"table": "sales", "rows": 2, "offset": 5})
    assert "amount $ | BIGINT | 0 | 79 | " in sample
    assert sample.endswith("rows from 5 on:\nregion | amount $\nr1 | 5\nr2 | 6")
    assert "boss | VARCHAR | Ada | Cy | 3 | 25" in tools["sample_table"].invoke(
        {"table": "bosses", "rows": 0}
    )
    with pytest.raises(ToolException, match="The tables are: bosses, sales"):
        tools["sample_table"].invoke({"table": "nope"})
    with pytest.raises(ToolException, match="sample_table: table: "):
        tools["sample_table"].invoke({"table": 'x" UNION SELECT 1'})
