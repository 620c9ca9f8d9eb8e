"""What the executor may use: ordinary LangChain tools, each with limits of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from memento.tools.arithmetic import arithmetic_tools
from memento.tools.dates import dates_tools
from memento.tools.search import NAME, NEEDS, WebSearchArgs, search_tools
from memento.tools.tables import tables_tools
from memento.tools.text import text_tools
from memento.tools.units import units_tools

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from langchain_core.tools import BaseTool
    from pydantic import SecretStr

__all__ = ["ToolStatus", "builtin_tools", "tool_status"]


@dataclass(frozen=True)
class ToolStatus:
    name: str
    ready: bool
    needs: str  # what to do to have it; empty when it is ready
    args: dict[str, Any]  # JSON schema of its arguments


def builtin_tools(
    files: Sequence[Path],
    tavily_api_key: SecretStr | str | None = None,
    tavily_base_url: str | None = None,
) -> list[BaseTool]:
    """The tools that are ready, in an order that does not change. `files`: the folders that they may read."""
    key = _secret(tavily_api_key)
    return [
        *arithmetic_tools(),
        *units_tools(),
        *dates_tools(),
        *text_tools(),
        *tables_tools(files),
        *(search_tools(key, tavily_base_url) if key else ()),
    ]


def tool_status(
    files: Sequence[Path],
    tavily_api_key: SecretStr | str | None = None,
    tavily_base_url: str | None = None,
) -> list[ToolStatus]:
    """Every built-in tool, also those that still need something."""
    ready = builtin_tools(files, tavily_api_key, tavily_base_url)
    status = [ToolStatus(tool.name, ready=True, needs="", args=tool.get_input_jsonschema()) for tool in ready]
    if not _secret(tavily_api_key):
        status.append(ToolStatus(NAME, ready=False, needs=NEEDS, args=WebSearchArgs.model_json_schema()))
    return status


def _secret(value: SecretStr | str | None) -> str:
    text = value if isinstance(value, str) or value is None else value.get_secret_value()
    return (text or "").strip()
