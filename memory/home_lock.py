"""The lock that lets one process at a time have a home's case bank open, and who that is."""

import json
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from memento.memory.errors import HomeInUseError

_CLOSING = 30.0
"""Seconds that another Home of this process may take to close."""


class HomeLock:
    """A lock file in the folder; the system frees it when its process ends, however that ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = FileLock(folder / "home.lock", thread_local=False)
        self._owner_file = folder / "home.owner.json"

    @property
    def is_held(self) -> bool:
        return bool(self._lock.is_locked)

    def take(self) -> None:
        """Raises HomeInUseError where another process has it; the message says which, and the way out."""
        try:
            # Where it is this process's own, another Home of it is just being closed.
            self._lock.acquire(timeout=_CLOSING if self._owner().items() >= _process().items() else 0)
        except Timeout:
            raise HomeInUseError(f"{self._folder} is in use by {self._told()}") from None
        self._owner_file.write_text(json.dumps({**_process(), "command": _command()}))

    def free(self) -> None:
        self._lock.release()

    @contextmanager
    def held(self) -> Iterator[None]:
        self.take()
        try:
            yield
        finally:
            self.free()

    def _owner(self) -> dict[str, Any]:
        try:
            owner = json.loads(self._owner_file.read_text())
        except (OSError, ValueError):
            return {}
        return owner if isinstance(owner, dict) else {}

    def _told(self) -> str:
        owner = self._owner()
        elsewhere = owner.get("host") not in {None, platform.node()}
        where = f" on {owner['host']}" if elsewhere else ""
        known = isinstance(owner.get("pid"), int)
        who = f"pid {owner['pid']}{where} ({owner.get('command', '')})" if known else "another process"
        return (
            f"{who}: stop it, or use another home with --home DIR or MEMENTO_HOME; "
            "`memento runs` and `memento feedback` work meanwhile"
        )


def _process() -> dict[str, Any]:
    """This one; containers that share a folder may all have the same pid."""
    return {"pid": os.getpid(), "host": platform.node()}


def _command() -> str:
    """What this process would be called by the person who started it; arguments stay private."""
    program = Path(sys.argv[0] or "python")
    name = program.parent.name if program.name == "__main__.py" else program.name
    words = ["python" if name == "-c" else name, *sys.argv[1:2]]
    return " ".join(word for word in words if not word.startswith("-"))[:60]
