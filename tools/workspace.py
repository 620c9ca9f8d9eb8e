"""Files of the run: read, write, list, search."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from langchain_core.runnables import RunnableConfig  # noqa: TC002  (LangChain reads the annotations)
from langchain_core.tools import ToolException
from pydantic import BaseModel, Field

from memento.tools.config import Offer, ToolConfig
from memento.tools.limits import OUTPUT_CHARACTERS, make_tool, shorten
from memento.tools.run_folder import OutsideError, RunFolder
from memento.tools.traits import Traits, run_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_TEXT = 1_000_000
_LISTED = 200
_FOUND = 50
_LINE = 300
_SEARCHED = 50_000_000  # bytes
PATH = "A path inside the workspace, such as notes/a.txt"


class ReadArgs(BaseModel):
    path: str = Field(description=PATH)
    from_line: int = Field(default=1, ge=1, description="The first line to read, counted from 1")


class WriteArgs(BaseModel):
    path: str = Field(description=PATH)
    text: str = Field(description="What to write", max_length=MAX_TEXT)
    append: bool = Field(default=False, description="Whether to add it at the end of what is there")


class ListArgs(BaseModel):
    path: str = Field(default="", description="A folder inside the workspace; empty for all of it")


class SearchArgs(BaseModel):
    text: str = Field(description="The words to look for, upper and lower case alike", min_length=1)
    path: str = Field(default="", description="A folder inside the workspace; empty for all of it")


def workspace_tools(config: ToolConfig) -> list[Offer]:
    """The tools over the folder of the run that calls them."""

    def folder_of(config_of_run: RunnableConfig) -> RunFolder:
        assert config.folders is not None  # noqa: S101  (the tools are not offered without)
        return config.folders.of(run_of(config_of_run))

    def workspace_read(path: str, config: RunnableConfig, from_line: int = 1) -> str:
        """Read a text file of the workspace, the folder of this task.

        Example: workspace_read(path="notes/a.txt")
        """
        return _guarded("workspace_read", lambda: _read(folder_of(config), path, from_line))

    def workspace_write(path: str, text: str, config: RunnableConfig, append: bool = False) -> str:
        """Write a text file into the workspace, the folder of this task, over what was there.

        Example: workspace_write(path="notes/a.txt", text="three apples")
        """
        return _guarded("workspace_write", lambda: _write(folder_of(config), path, text, append=append))

    def workspace_list(config: RunnableConfig, path: str = "") -> str:
        """List the files in the workspace, the folder of this task, with their sizes.

        Example: workspace_list(path="")
        """
        return _guarded("workspace_list", lambda: _list(folder_of(config), path))

    def workspace_search(text: str, config: RunnableConfig, path: str = "") -> str:
        """Find the lines of the workspace's text files that contain some words.

        Example: workspace_search(text="apples")
        """
        return _guarded("workspace_search", lambda: _search(folder_of(config), text, path))

    needs = "" if config.folders else "set MEMENTO_WORKSPACES to a folder"
    reads = Traits(effect="reads")
    return [
        Offer(make_tool(workspace_read, ReadArgs, traits=reads), needs),
        Offer(make_tool(workspace_write, WriteArgs, traits=Traits(effect="workspace")), needs),
        Offer(make_tool(workspace_list, ListArgs, traits=reads), needs),
        Offer(make_tool(workspace_search, SearchArgs, traits=reads), needs),
    ]


def _guarded(name: str, work: Callable[[], str]) -> str:
    try:
        return work()
    except OutsideError as error:
        raise ToolException(f"{name}: {error}") from None
    except OSError as error:
        raise ToolException(f"{name}: the workspace cannot do that ({error.strerror})") from None


def _read(folder: RunFolder, path: str, from_line: int) -> str:
    with folder.open(path) as stream:
        if b"\0" in stream.read(4096):
            raise OutsideError(f"{path!r} is no text: read it with run_python")
        stream.seek(0)
        lines: list[str] = []
        size = 0
        for number, line in _lines(stream):
            if number < from_line:
                continue
            text = (
                line if len(line) <= OUTPUT_CHARACTERS // 2 else shorten(line, OUTPUT_CHARACTERS // 2) + "\n"
            )
            if size + len(text) > OUTPUT_CHARACTERS - 100:
                return "".join(lines) + f"… [more: read on with from_line={number}]"
            lines.append(text)
            size += len(text)
    return "".join(lines) or (f"there is no line {from_line}" if from_line > 1 else "(the file is empty)")


def _lines(stream: BinaryIO) -> Iterator[tuple[int, str]]:
    """The lines with their numbers; of one that is endless, the parts."""
    number = 0
    while raw := stream.readline(1_000_000):
        number += 1
        yield number, raw.decode("utf-8", "replace")


def _write(folder: RunFolder, path: str, text: str, *, append: bool) -> str:
    data = text.encode("utf-8", "replace")
    if len(data) > folder.room():
        raise OutsideError(
            f"the workspace is full ({folder.quota // 1_000_000} MB, {folder.files} files): "
            "overwrite what is no longer needed with less"
        )
    with folder.open(path, write=True, append=append) as stream:
        stream.write(data)
        size = stream.tell()
    return f"wrote {path} ({size} bytes)"


def _list(folder: RunFolder, path: str) -> str:
    entries = folder.entries(path)
    lines = [f"{_printable(entry.path)} ({entry.size} bytes)" for entry in entries[:_LISTED]]
    if len(entries) > _LISTED:
        lines.append(f"… [the first {_LISTED} of {len(entries)}: list a folder with path]")
    return shorten("\n".join(lines)) or "there are no files"


def _search(folder: RunFolder, text: str, path: str) -> str:
    wanted = text.casefold()
    found: list[str] = []
    looked = 0
    for entry in folder.entries(path):
        looked += entry.size
        if looked > _SEARCHED or len(found) >= _FOUND:
            found.append("… [not all files were searched: search in a folder with path, or for rarer words]")
            break
        found += _hits(folder, entry.path, wanted)[: _FOUND - len(found)]
    return shorten("\n".join(found)) or f"no line contains {shorten(text, 100)!r}"


def _hits(folder: RunFolder, path: str, wanted: str) -> list[str]:
    with folder.open(path) as stream:
        if b"\0" in stream.read(4096):
            return []
        stream.seek(0)
        return [
            f"{_printable(path)}:{number}: {shorten(line.strip(), _LINE)}"
            for number, line in _lines(stream)
            if wanted in line.casefold()
        ]


def _printable(path: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in path)
