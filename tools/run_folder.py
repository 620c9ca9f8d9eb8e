"""One folder a run, that tools may write in and nothing gets out of.

Every path is walked component by component from an open folder, and no link is followed, so that nothing that
is put there between a check and its use leads elsewhere.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INSIDE = "/workspace"
"""What the folder is called in a sandbox; paths that begin so mean the folder, too."""
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
_FILE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_UIDS = 2_000_000, 1_000_000  # of sandboxes that root starts: the first, and how many
_DEEPEST = 20


class OutsideError(Exception):
    """A path that cannot be used; the message says why, without a folder of this machine."""


@dataclass(frozen=True)
class Entry:
    path: str
    size: int
    changed: int  # nanoseconds


class RunFolders:
    """The folders of the runs under `root`, the newest `kept` of them, each of at most `quota` bytes."""

    def __init__(self, root: Path, quota: int = 200_000_000, files: int = 5_000, kept: int = 100) -> None:
        self.root = root
        self.quota = quota
        self.files = files
        self._kept = kept

    def of(self, run_id: str) -> RunFolder:
        """The folder of a run, made if it is not there."""
        path = self.root / _name(run_id)
        if not path.is_dir():
            path.mkdir(parents=True, mode=0o700)
            self._forget()
        return RunFolder(path, self.quota, self.files)

    def end(self, run_id: str) -> None:
        """Remove the folder of a run that left nothing in it."""
        folder = self.root / _name(run_id)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()

    def remove(self, run_id: str) -> None:
        """Remove the folder of a run with all that is in it."""
        _remove(self.root / _name(run_id))

    def _forget(self) -> None:
        folders = sorted((p for p in self.root.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime_ns)
        for old in folders[: -self._kept]:
            _remove(old)


@dataclass(frozen=True)
class RunFolder:
    """One run's folder."""

    path: Path
    quota: int
    files: int

    @property
    def uid(self) -> int | None:
        """Whose it is, where root starts sandboxes: a user that is nobody else; None where it is our own."""
        if os.name != "posix" or os.geteuid() != 0:
            return None
        first, many = _UIDS
        return first + int(hashlib.sha256(str(self.path).encode()).hexdigest()[:8], 16) % many

    def give(self) -> None:
        """Let the sandbox's user write in it."""
        if self.uid is not None:
            os.chown(self.path, self.uid, self.uid)

    @contextmanager
    def open(self, path: str, *, write: bool = False, append: bool = False) -> Iterator[BinaryIO]:
        """A regular file in the folder; missing folders on the way are made for writing.

        Raises:
            OutsideError: there is none, or the path leads elsewhere.
        """
        *folders, name = self._parts(path) or [""]
        if not name:
            raise OutsideError(f"{path!r} names no file")
        with self._walk(folders, make=write) as parent:
            flags = _FILE | (os.O_WRONLY | os.O_CREAT if write else os.O_RDONLY)
            try:
                fd = os.open(name, flags, 0o600, dir_fd=parent)
            except OSError as error:
                raise OutsideError(_why(path, error)) from None
        with os.fdopen(fd, "wb" if write else "rb") as stream:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
                raise OutsideError(f"{path!r} is no plain file, or a link")
            if write:
                self._own(fd)
                os.lseek(fd, 0, os.SEEK_END) if append else os.ftruncate(fd, 0)
            yield stream

    def entries(self, path: str = "") -> list[Entry]:
        """The files below a path of the folder, by path; links are not among them.

        Raises:
            OutsideError: there is no such folder.
        """
        below = self._parts(path)
        found: list[Entry] = []
        with self._walk(below, make=False) as top:
            for here, folders, names, fd in os.fwalk(".", dir_fd=top, follow_symlinks=False):
                folders.sort()
                inside = [part for part in here.split("/") if part != "."]
                if len(inside) >= _DEEPEST:
                    folders.clear()
                for name in sorted(names):
                    about = os.stat(name, dir_fd=fd, follow_symlinks=False)
                    if stat.S_ISREG(about.st_mode):
                        whole = "/".join([*below, *inside, name])
                        found.append(Entry(whole, about.st_size, about.st_mtime_ns))
                if len(found) > self.files:
                    break
        return found

    def room(self) -> int:
        """How many bytes more it may hold; negative where it is over its quota, too deep, or has too
        many files and folders.
        """
        left, many = self.quota, 0
        with self._walk([], make=False) as top:
            for here, folders, names, fd in os.fwalk(".", dir_fd=top, follow_symlinks=False):
                many += len(names) + len(folders)
                if many > self.files or (folders and here.count("/") >= _DEEPEST):
                    return -1
                left -= sum(os.stat(name, dir_fd=fd, follow_symlinks=False).st_size for name in names)
        return left

    def make_room(self) -> None:
        """Remove the newest files until it is within its quota; if that does not help, all of it."""
        for entry in sorted(self.entries(), key=lambda entry: -entry.changed):
            if self.room() >= 0:
                return
            *folders, name = entry.path.split("/")
            with self._walk(folders, make=False) as parent:
                os.unlink(name, dir_fd=parent)
        if self.room() < 0:
            _remove(self.path)
            self.path.mkdir(mode=0o700)
            self.give()

    def _parts(self, path: str) -> list[str]:
        if "\0" in path or len(path) > 1000:  # noqa: PLR2004
            raise OutsideError("a path is a short text such as notes/a.txt")
        inside = path.removeprefix(INSIDE) if path == INSIDE or path.startswith(f"{INSIDE}/") else path
        if inside is path and path.startswith(("/", "~")):
            raise OutsideError(
                f"{path!r} is outside the workspace: give a path inside it, such as notes/a.txt"
            )
        parts = [part for part in inside.split("/") if part not in {"", "."}]
        if ".." in parts or len(parts) > _DEEPEST:
            raise OutsideError(f"{path!r} leads out of the workspace: give a path inside it")
        return parts

    @contextmanager
    def _walk(self, folders: list[str], *, make: bool) -> Iterator[int]:
        """An open folder, reached without following a link."""
        fd = os.open(self.path, _FOLDER)
        try:
            for name in folders:
                if make:
                    try:
                        os.mkdir(name, 0o700, dir_fd=fd)
                    except FileExistsError:
                        made = False
                    else:
                        made = True
                try:
                    deeper = os.open(name, _FOLDER, dir_fd=fd)
                except OSError as error:
                    raise OutsideError(_why("/".join(folders), error)) from None
                os.close(fd)
                fd = deeper
                if make and made:
                    self._own(fd)
            yield fd
        finally:
            os.close(fd)

    def _own(self, fd: int) -> None:
        if self.uid is not None:
            os.fchown(fd, self.uid, self.uid)


def _remove(path: Path) -> None:
    """Python's own way gives up on folders that are nested a thousand deep."""
    subprocess.run(["rm", "-rf", "--", str(path)], check=False, capture_output=True)  # noqa: S603, S607


def _name(run_id: str) -> str:
    """A run's id as the name of a folder, and of nothing else."""
    plain = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}", run_id)
    return run_id if plain else hashlib.sha256(run_id.encode("utf-8", "replace")).hexdigest()[:32]


def _why(path: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"there is no {path!r} in the workspace"
    return f"{path!r} is no plain file or folder in the workspace"
