"""Files by the names that a model gives them: the run's own, and those in the folders that tools may read."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from langchain_core.tools import ToolException

from memento.tools.run_folder import INSIDE, OutsideError
from memento.tools.traits import run_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from langchain_core.runnables import RunnableConfig

    from memento.tools.config import ToolConfig

MAX_LISTED = 200
MAX_NAME = 500
_MAX_ENTRIES = 20_000
_MAX_DEPTH = 6
_SKIPPED = {"node_modules", "__pycache__", "site-packages", "venv"}


@dataclass(frozen=True)
class Opened:
    """A file that a tool may read. `name` is what a model calls it; `state` changes when the file does."""

    path: Path
    name: str
    state: tuple[int, int]


@contextmanager
def opened(path: str, config: ToolConfig, run: RunnableConfig) -> Iterator[Opened]:
    """A file of the run's workspace or, failing that, of the folders.

    Raises:
        ToolException: there is no such file.
    """
    with ExitStack() as stack:
        own = _in_workspace(path, config, run, stack)
        if own is None:
            found = find_file(path, config.files)
            about = found.stat()
            own = Opened(found, shown_name(found, config.files), (about.st_mtime_ns, about.st_size))
        yield own


def _in_workspace(path: str, config: ToolConfig, run: RunnableConfig, stack: ExitStack) -> Opened | None:
    """A copy of the run's file, since what runs in the workspace may change it at any time."""
    if config.folders is None:
        return None
    try:
        stream = stack.enter_context(config.folders.of(run_of(run)).open(path))
    except (OutsideError, OSError):
        return None
    about = os.fstat(stream.fileno())
    copy = Path(stack.enter_context(TemporaryDirectory())) / f"file{Path(path).suffix}"
    with copy.open("wb") as target:
        shutil.copyfileobj(stream, target)
    return Opened(copy, path.removeprefix(f"{INSIDE}/"), (about.st_mtime_ns, about.st_size))


def find_file(path: str, roots: Sequence[Path]) -> Path:
    """Where the file really is. A link that leads out of the folders is not there, nor is a hidden file.

    Raises:
        ToolException: there is no such file; the message names those that there are, and no folder.
    """
    found = _inside(path, roots)
    if found is None or not found.is_file():
        names = listed(roots)[:20]
        there = f"the files are {', '.join(names)}" if names else "there are no files"
        raise ToolException(f"there is no file {path[:200]!r}: {there}")
    return found


def is_folder(path: str, roots: Sequence[Path]) -> bool:
    """Whether it names one of the folders, or one within them."""
    found = _inside(path, roots)
    return path.strip() in ("", ".", "/") or (found is not None and found.is_dir())


def listed(roots: Sequence[Path]) -> list[str]:
    """The names of the files that may be read, as they are given to a tool."""
    names = (name for root in roots for name in _names(root))
    return [name for name, _ in zip(dict.fromkeys(names), range(MAX_LISTED), strict=False)]


def shown_name(file: Path, roots: Sequence[Path]) -> str:
    """What a model calls a file that was found."""
    for root in roots:
        top = root.resolve()
        if file != top and file.is_relative_to(top):
            return file.relative_to(top).as_posix()
    return file.name


def _inside(path: str, roots: Sequence[Path]) -> Path | None:
    if not path.strip() or len(path) > MAX_NAME or "\0" in path:
        return None
    for root in roots:
        try:
            top = root.resolve(strict=True)
            if top.is_file():
                if path == top.name or Path(path) == top:
                    return top
                continue
            found = (top / path).resolve(strict=True)
        except (OSError, RuntimeError, ValueError):
            continue
        if found.is_relative_to(top) and not _hidden(found.relative_to(top)):
            return found
    return None


def _hidden(path: Path) -> bool:
    """Whether it is one of those that hold settings and keys."""
    return any(part.startswith(".") for part in path.parts)


def _names(root: Path) -> Iterator[str]:
    try:
        top = root.resolve(strict=True)
    except (OSError, RuntimeError):
        return
    if top.is_file():
        yield top.name
        return
    entries = 0
    for folder, folders, names in os.walk(top):
        here = Path(folder).relative_to(top)
        keep = (name for name in folders if not name.startswith(".") and name not in _SKIPPED)
        folders[:] = sorted(keep) if len(here.parts) < _MAX_DEPTH else []
        entries += len(names) + len(folders)
        if entries > _MAX_ENTRIES:
            return
        for name in sorted(names):
            if not name.startswith((".", "~$")):
                yield (here / name).as_posix()
