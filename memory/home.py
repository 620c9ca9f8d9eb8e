"""Home: one folder with its two stores, the ledger (SQLite) and the case bank (Chroma), and its lock."""

import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from filelock import FileLock, Timeout

from memento.memory.database import open_engine
from memento.memory.errors import HomeInUseError, UsageError
from memento.memory.migrate import bring_up_to_date

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

LEDGER = "ledger.sqlite3"


class Home:
    """The folder that one agent's memory lives in. Get it with `Home.open`; end it with `close` or `with`.

    There is one Home for a path in a process, however often it is opened, and it closes with the last
    user. The ledger may be used by several processes at once. An embedded Chroma stands only one: the
    first use of `chroma` takes the home's lock and keeps it until the home closes.
    """

    # Two clients on one folder corrupt it, so a process must be able to find the one that is open.
    _open_homes: ClassVar[dict[Path, "Home"]] = {}
    _registry_lock: ClassVar[threading.RLock] = threading.RLock()

    def __init__(self, path: Path) -> None:
        self.path = path
        self.engine = open_engine(path / LEDGER)
        try:
            bring_up_to_date(self.engine, path / LEDGER)
        except BaseException:
            self.engine.dispose()
            raise
        self.reader = self.engine.execution_options(reads=True)
        """The same database, for transactions that only read: they wait for no writer."""
        self._users = 0
        self._lock = FileLock(path / "home.lock", thread_local=False)
        self._chroma: ClientAPI | None = None
        self._guard = threading.RLock()
        self.bank_lock = threading.RLock()
        """Held while the bank's collections are made equal to the journal."""
        self._numbers: dict[str, int] = {}

    @classmethod
    def open(cls, path: "str | Path | Home", *, create: bool = True) -> "Home":
        """The home at `path`, counted once more; the folder is made unless `create` is off.

        Raises:
            UsageError: no home is there (without `create`), or the folder cannot be used.
        """
        if isinstance(path, Home):
            return path.opened_again()
        folder = _usable_folder(Path(path), create=create)
        with cls._registry_lock:
            home = cls._open_homes.get(folder)
            if home is None:
                home = cls._open_homes[folder] = cls(folder)
            home._users += 1
            return home

    def opened_again(self) -> "Home":
        with self._registry_lock:
            self._check_open()
            self._users += 1
            return self

    def _check_open(self) -> None:
        if self._users == 0:
            raise UsageError("this home was closed: open its path again")

    def claim(self) -> None:
        """Take the lock that an embedded case bank needs.

        Raises:
            HomeInUseError: another process has it; the message says which, and the way out.
        """
        with self._guard:
            self._check_open()
            if self._lock.is_locked:
                return
            try:
                self._lock.acquire(timeout=0)
            except Timeout:
                raise HomeInUseError(f"{self.path} is in use by {self._owner()}") from None
            self._owner_file.write_text(json.dumps({"pid": os.getpid(), "command": _command()}))

    @property
    def chroma(self) -> "ClientAPI":
        """The embedded Chroma client, started at the first use."""
        with self._guard:
            if self._chroma is None:
                self.claim()
                import chromadb
                from chromadb.config import Settings

                self._chroma = chromadb.PersistentClient(
                    path=str(self.path / "chroma"), settings=Settings(anonymized_telemetry=False)
                )
            return self._chroma

    def next_number(self, namespace: str, last_recorded: Callable[[], int]) -> int:
        """The next run's number in a namespace: one more than was last given out here, or else recorded."""
        with self._guard:
            last = self._numbers[namespace] if namespace in self._numbers else last_recorded()
            self._numbers[namespace] = last + 1
            return last + 1

    def close(self) -> None:
        """Give up one use; the last one closes the stores and frees the lock."""
        with self._registry_lock:
            if self._users == 0:
                return
            self._users -= 1
            if self._users:
                return
            self._open_homes.pop(self.path, None)
        with self._guard:
            if self._chroma is not None:
                self._chroma.close()  # type: ignore[attr-defined]
                self._chroma = None
            self.engine.dispose()
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _owner_file(self) -> Path:
        return self.path / "home.owner.json"

    def _owner(self) -> str:
        try:
            owner: dict[str, Any] = json.loads(self._owner_file.read_text())
            who = f"pid {int(owner['pid'])} ({owner['command']})"
        except (OSError, ValueError, KeyError, TypeError):
            who = "another process"
        return (
            f"{who}: stop it, or use another home with --home DIR or MEMENTO_HOME; "
            "`memento runs` and `memento feedback` work meanwhile"
        )


def _usable_folder(path: Path, *, create: bool) -> Path:
    try:
        path = path.expanduser()
        missing = not create and not (path / LEDGER).is_file()
        if not missing:
            path.mkdir(parents=True, exist_ok=True)
        folder = path.resolve(strict=not missing)
    except (FileExistsError, NotADirectoryError):
        raise UsageError(f"the home {path} is not a folder: give another with --home DIR") from None
    except (OSError, ValueError, RuntimeError) as error:  # a zero byte in the path; a ~ of nobody's
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"the home {path} cannot be used: {reason}") from None
    if missing:
        raise UsageError(f"there is no Memento home at {path}: give another with --home DIR")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise UsageError(f"the home {path} cannot be read and written: check its permissions")
    return folder


def _command() -> str:
    """What this process would be called by the person who started it; arguments stay private."""
    program = Path(sys.argv[0] or "python")
    name = program.parent.name if program.name == "__main__.py" else program.name
    words = ["python" if name == "-c" else name, *sys.argv[1:2]]
    return " ".join(word for word in words if not word.startswith("-"))[:60]
