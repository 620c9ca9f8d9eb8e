"""What the executor may use: ordinary LangChain tools, each with limits of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from memento.tools.arithmetic import arithmetic_tools
from memento.tools.charts import charts_tools
from memento.tools.code import code_tools
from memento.tools.config import Offer, ToolConfig
from memento.tools.dates import dates_tools
from memento.tools.documents import documents_tools
from memento.tools.image import image_tools
from memento.tools.media import media_tools
from memento.tools.search import search_tools
from memento.tools.table_sample import table_sample_tools
from memento.tools.tables import tables_tools
from memento.tools.text import text_tools
from memento.tools.units import units_tools
from memento.tools.web_page import web_page_tools
from memento.tools.workspace import workspace_tools

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_core.tools import BaseTool

__all__ = ["Offer", "ToolConfig", "ToolStatus", "all_tools", "basic_tools", "builtin_tools", "tool_status"]

# A family is one file: a function from what tools are given to what it offers.
_BASIC: tuple[Callable[[ToolConfig], list[Offer]], ...] = (
    arithmetic_tools,
    units_tools,
    dates_tools,
    text_tools,
    tables_tools,
    search_tools,
)
_FAMILIES = (
    *_BASIC,
    web_page_tools,
    documents_tools,
    table_sample_tools,
    charts_tools,
    image_tools,
    media_tools,
    code_tools,
    workspace_tools,
)


@dataclass(frozen=True)
class ToolStatus:
    name: str
    ready: bool
    needs: str  # what to do to have it; empty when it is ready
    args: dict[str, Any]  # JSON schema of its arguments


def builtin_tools(config: ToolConfig) -> list[BaseTool]:
    """The tools that are ready, in an order that does not change."""
    return [offer.tool for family in _FAMILIES for offer in family(config) if not offer.needs]


def all_tools(config: ToolConfig) -> list[BaseTool]:
    """Every tool, also those that could not be used."""
    return [offer.tool for family in _FAMILIES for offer in family(config)]


def basic_tools(config: ToolConfig) -> list[BaseTool]:
    """Those of the ready tools that are soon described, which is what a small model has room for."""
    return [offer.tool for family in _BASIC for offer in family(config) if not offer.needs]


def tool_status(config: ToolConfig) -> list[ToolStatus]:
    """Every built-in tool, also those that still need something."""
    return [
        ToolStatus(offer.tool.name, not offer.needs, offer.needs, offer.tool.get_input_jsonschema())
        for family in _FAMILIES
        for offer in family(config)
    ]
