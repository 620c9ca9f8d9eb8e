"""The code and workspace tools over a folder of a test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.tools import ToolException

from memento.tools import ToolConfig, builtin_tools
from memento.tools.boundary import find_boundary
from memento.tools.code_session import CodeLimits, CodeSessions
from memento.tools.run_folder import RunFolders
from memento.tools.traits import RUN_ID

if TYPE_CHECKING:
    from pathlib import Path

    from memento.tools.boundary import Boundary

BOUNDARY, _ = find_boundary()
needs_sandbox = pytest.mark.skipif(
    BOUNDARY is None, reason="no sandbox here: apt-get install bubblewrap gives one"
)


class Workbench:
    """`code(...)` and `use(name, ...)` call a tool as a run would, and give its result or its error."""

    def __init__(
        self,
        root: Path,
        limits: CodeLimits | None = None,
        quota: int = 200_000_000,
        boundary: Boundary | None = BOUNDARY,
    ) -> None:
        self.folders = RunFolders(root, quota=quota, files=500)
        self.sessions = CodeSessions(boundary, self.folders, limits) if boundary else None
        config = ToolConfig(folders=self.folders, code=self.sessions)
        self.tools = {tool.name: tool for tool in builtin_tools(config)}

    def code(self, code: str, run: str = "run") -> str:
        return self.use("run_python", run, code=code)

    def use(self, name: str, run: str = "run", **args: Any) -> str:
        try:
            return str(self.tools[name].invoke(args, {"configurable": {RUN_ID: run}}))
        except ToolException as error:
            return f"Error: {error}"

    def close(self) -> None:
        if self.sessions is not None:
            self.sessions.close()
