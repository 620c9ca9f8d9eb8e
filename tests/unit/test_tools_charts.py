"""Charts and samples of tables."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from langchain_core.tools import BaseTool, ToolException
from PIL import Image

from memento.tools import ToolConfig, builtin_tools, tool_status

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tables")
    (made / "sales.csv").write_text("region,amount $\n" + "".join(f"r{n % 4},{n}\n" for n in range(80)))
    (made / "bosses.csv").write_text("region,boss\nr0,Ada\nr1,Bo\nr2,Cy\nr3,\n")
    return made


@pytest.fixture
def kept() -> dict[str, bytes]:
    return {}


@pytest.fixture
def tools(folder: Path, kept: dict[str, bytes]) -> dict[str, BaseTool]:
    def keep(name: str, body: bytes) -> str:
        kept[name] = body
        return name

    return {tool.name: tool for tool in builtin_tools(ToolConfig(files=(folder,), keep=keep))}


@pytest.mark.parametrize(
    ("kind", "sql"),
    [
        ("bar", 'SELECT boss, sum("amount $") AS total FROM sales JOIN bosses USING (region) GROUP BY boss'),
        ("histogram", 'SELECT "amount $" FROM sales'),
    ],
)
def test_a_chart_is_a_picture_that_is_kept(
    tools: dict[str, BaseTool], kept: dict[str, bytes], kind: str, sql: str
) -> None:
    said = tools["chart_table"].invoke({"sql": sql, "kind": kind, "title": "$ and $"})
    assert said.startswith(f"chart.png: a {kind} chart of ")
    picture = Image.open(io.BytesIO(kept["chart.png"]))
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
    tools: dict[str, BaseTool], kept: dict[str, bytes], args: dict[str, str], message: str
) -> None:
    with pytest.raises(ToolException, match=f"chart_table: {message}"):
        tools["chart_table"].invoke(args)
    assert kept == {}


def test_without_a_place_for_pictures_there_are_no_charts() -> None:
    status = {item.name: item for item in tool_status(ToolConfig())}
    assert (status["chart_table"].ready, status["chart_table"].needs) == (
        False,
        "give the tools a place to keep what they make",
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
