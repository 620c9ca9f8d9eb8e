"""What the built-in tools are given, and how each says whether it can be used."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from memento.tools.web import Web

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_core.tools import BaseTool
    from pydantic import SecretStr

    from memento.tools.code_session import CodeSessions
    from memento.tools.media import Transcribe
    from memento.tools.pages import Embed
    from memento.tools.run_folder import RunFolders
    from memento.tools.seeing import See


_DISTRIBUTIONS = {"pptx": "python-pptx"}  # where a package is called otherwise than its module


@dataclass(frozen=True, kw_only=True)
class ToolConfig:
    """Everything that tools may be given; each takes what is its own, and is absent without what it needs.

    `files` are the folders (or files) that tools may read, `web` how they reach the web, `embed` the frozen
    encoder, `see` and `transcribe` models that see and hear; `folders` are those of the runs, and `code` runs
    Python in them, or `code_needs` says what that would need. Keys are shown by no repr.
    """

    files: tuple[Path, ...] = ()
    tavily_api_key: SecretStr | None = None
    tavily_base_url: str | None = None
    searxng_url: str | None = None
    search: Literal["auto", "tavily", "searxng", "ddgs"] = "auto"
    web: Web = field(default_factory=Web)
    embed: Embed | None = None
    see: See | None = None
    transcribe: Transcribe | None = None
    folders: RunFolders | None = None
    code: CodeSessions | None = None
    code_needs: str = ""


@dataclass(frozen=True)
class Offer:
    """A tool, and what would have to be done to have it: empty when it is ready."""

    tool: BaseTool
    needs: str = ""


def missing_packages(*modules: str) -> str:
    """What to do to have these; empty when all are there."""
    missing = [name for name in modules if find_spec(name) is None]
    return (
        f"run `pip install {' '.join(_DISTRIBUTIONS.get(name, name) for name in missing)}`" if missing else ""
    )
