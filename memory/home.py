"""Home: one folder with its two stores, the ledger (SQLite) and the case bank (Chroma), and its lock."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Self

from memento.memory import chroma_client
from memento.memory.database import check_not_forked, open_engine
from memento.memory.errors import UsageError
from memento.memory.hnsw_files import wipe_unused
from memento.memory.home_lock import HomeLock
from memento.memory.migrate import bring_up_to_date, check_version
from memento.memory.open_mark import OpenMark

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

LEDGER = "ledger.sqlite3"
CHROMA = "chroma"


class Home:
    """The folder that one agent's memory lives in. Get it with `Home.open`; end it with `close` or `with`.

    There is one Home for a path in a process, however often it is opened, and it closes with the last
    user. The ledger may be used by several processes at once. An embedded Chroma stands only one: the
    first use of `chroma` takes the home's lock and keeps it until the home closes.
    """

    # Two clients on one folder corrupt it, so a process must be able to find the one that is open.
    _open_homes: ClassVar[dict[Path, "Home"]] = {}
    _registry_lock: ClassVar[threading.RLock] = threading.RLock()

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._owner_pid = os.getpid()
        self.engine = open_engine(path / LEDGER, read_only=read_only)
        try:
            (check_version if read_only else bring_up_to_date)(self.engine, path / LEDGER)
        except BaseException:
            self.engine.dispose()
            raise
        self.reader = self.engine.execution_options(reads=True)
        """The same database, for transactions that only read: they wait for no writer."""
        self._users = 0
        self._lock = HomeLock(path)
        self._chroma: ClientAPI | None = None
        self._guard = threading.RLock()
        self.bank_lock = threading.RLock()
        """Held while the bank's collections are made equal to the journal."""
        self._numbers: dict[str, int] = {}
        self.chroma_folders = 0
        """How many Chroma folders were put aside since the home was opened."""
        self.chroma_mark = OpenMark(path / "chroma.open")
        self._working = 0
        self._idle = threading.Condition()

    @classmethod
    def open(cls, path: "str | Path | Home", *, create: bool = True) -> "Home":
        """The home at `path`, counted once more; the folder is made unless `create` is off.

        Raises:
            UsageError: no home is there (without `create`), or the folder cannot be used.
        """
        if isinstance(path, Home):
            return path.opened_again()
        folder = usable_folder(Path(path), create=create)
        with cls._registry_lock:
            home = cls._open_homes.get(folder)
            if home is None:
                home = cls._open_homes[folder] = cls(folder)
            home._users += 1
            return home

    @classmethod
    def open_to_read(cls, path: "str | Path | Home") -> "Home":
        """The home at `path` to read its ledger alone, beside whatever process owns it; its case bank is not
        opened, and nothing is written or migrated.

        Raises:
            UsageError: no home is there, it cannot be read, or another version wrote it.
        """
        if isinstance(path, Home):
            return path.opened_again()
        home = cls(usable_folder(Path(path), create=False, read_only=True), read_only=True)
        home._users = 1
        return home

    @classmethod
    def is_open(cls, folder: Path) -> bool:
        """Whether this process has the home of that folder open."""
        with cls._registry_lock:
            return folder in cls._open_homes

    def opened_again(self) -> "Home":
        with self._registry_lock:
            self._check_open()
            self._users += 1
            return self

    def _check_open(self) -> None:
        check_not_forked(self._owner_pid, self.path)
        if self._users == 0:
            raise UsageError("this home was closed: open its path again")

    def claim(self) -> None:
        """Take the lock that an embedded case bank needs.

        Raises:
            HomeInUseError: another process has it; the message says which, and the way out.
        """
        with self._guard:
            self._check_open()
            if self._lock.is_held:
                return
            self._lock.take()
            self.chroma_mark.read()

    @property
    def chroma(self) -> "ClientAPI":
        """The embedded Chroma client, started at the first use."""
        with self._guard:
            self._check_open()
            if self._chroma is None:
                self.claim()
                wipe_unused(self.path / CHROMA)  # what was killed before it could
                with self.chroma_mark.opening():
                    self._chroma = chroma_client.embedded(self.path / CHROMA)
            return self._chroma

    @property
    def chroma_is_open(self) -> bool:
        return self._chroma is not None

    def put_chroma_aside(self, name: str) -> Path | None:
        """Make room for a new Chroma folder; the old one, if there is one, is renamed to what is returned."""
        with self._guard:
            self.claim()
            self._close_chroma()
            self.chroma_mark.settled()
            self.chroma_folders += 1
            folder, aside = self.path / CHROMA, self.path / f"{CHROMA}.broken-{name}"
            if not folder.exists():
                return None
            folder.rename(aside)
            return aside

    def _close_chroma(self) -> None:
        if self._chroma is not None:
            self._chroma.close()  # type: ignore[attr-defined]
            self._chroma = None
            wipe_unused(self.path / CHROMA)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """A write under way: closing waits for its end."""
        with self._idle:
            if not self._working:
                self._check_open()
            self._working += 1
        try:
            yield
        finally:
            with self._idle:
                self._working -= 1
                self._idle.notify_all()

    def next_number(self, namespace: str, last_recorded: Callable[[], int]) -> int:
        """The next run's number in a namespace: one more than was last given out here, or else recorded."""
        with self._guard:
            last = self._numbers[namespace] if namespace in self._numbers else last_recorded()
            self._numbers[namespace] = last + 1
            return last + 1

    def close(self) -> None:
        """Give up one use; the last one waits for writes under way, closes the stores and frees the lock."""
        if os.getpid() != self._owner_pid:
            return  # a fork shares the lock with its parent: to free it here would free it there
        with self._registry_lock:
            if self._users == 0:
                return
            self._users -= 1
            if self._users:
                return
            if self._open_homes.get(self.path) is self:
                del self._open_homes[self.path]
        with self._idle:
            self._idle.wait_for(lambda: not self._working)
        with self._guard:
            if self._chroma is not None:
                self._close_chroma()
                self.chroma_mark.leave()
            self.engine.dispose()
            self._lock.free()

    @classmethod
    def _forget(cls) -> None:
        """In a forked process: what was open stays the parent's."""
        cls._open_homes.clear()
        cls._registry_lock = threading.RLock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


os.register_at_fork(after_in_child=Home._forget)  # noqa: SLF001 - the class's own


def usable_folder(path: Path, *, create: bool, read_only: bool = False) -> Path:
    """The folder at `path`, made if it is not there; without `create` a home must be there.

    Raises:
        UsageError: there is none, or it cannot be used.
    """
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
    if not os.access(folder, os.R_OK | os.X_OK | (0 if read_only else os.W_OK)):
        needed = "read" if read_only else "read and written"
        raise UsageError(f"the home {path} cannot be {needed}: check its permissions")
    return folder
