"""What the built-in tools are given, and how each says whether it can be used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_core.tools import BaseTool
    from pydantic import SecretStr


@dataclass(frozen=True, kw_only=True)
class ToolConfig:
    """Everything that tools may be given; each takes what is its own, and is absent without what it needs.

    `files` are the folders (or files) that tools may read. Keys are shown by no repr.
    """

    files: tuple[Path, ...] = ()
    tavily_api_key: SecretStr | None = None
    tavily_base_url: str | None = None


@dataclass(frozen=True)
class Offer:
    """A tool, and what would have to be done to have it: empty when it is ready."""

    tool: BaseTool
    needs: str = ""
