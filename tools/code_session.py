"""A Python that lives as long as its run, behind a boundary, watched from outside."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Self, cast

from memento.tools.processes import (
    descendants,
    kill,
    kill_namespace,
    memory_below,
    running,
    running_inside,
)
from memento.tools.run_folder import OutsideError, RunFolder, RunFolders

if TYPE_CHECKING:
    from memento.tools.boundary import Boundary

_LONGEST_REPLY = 1_000_000
_STARTING = 15.0  # seconds
_WATCHED_EVERY = 0.05
_MOST_SESSIONS = 4
_SWEPT_EVERY = 0.002
_SWEEPING = 1.0  # seconds, until what is left running has lost
_ENDING = 5.0  # seconds, until the kernel has cleared the processes away


@dataclass(frozen=True)
class CodeLimits:
    """What one session may use: seconds a call, seconds of CPU in all, bytes of memory, bytes a file, and
    processes.
    """

    seconds: float = 50.0
    cpu: int = 300
    memory: int = 1_500_000_000
    file: int = 32_000_000
    processes: int = 64


class StoppedError(Exception):
    """The session was ended; the message says why, and what to do."""


@dataclass
class Session:
    """One Python process and whatever it starts."""

    boundary: Boundary
    folder: RunFolder
    limits: CodeLimits
    lock: threading.Lock = field(default_factory=threading.Lock)
    _process: subprocess.Popen[bytes] | None = None
    _own: frozenset[int] = frozenset()
    _jobs: int = 0
    _read: bytes = b""

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def run(self, code: str) -> dict[str, Any]:
        """What the worker says of the code.

        Raises:
            StoppedError: it went beyond a limit; all its processes are gone, and its variables with them.
        """
        if not self.alive:
            self._start()
        reply = self._ask({"code": code}, self.limits.seconds)
        self._sweep()
        return reply

    def end(self) -> None:
        """Kill everything that runs in the session."""
        process, self._process = self._process, None
        if process is None:
            return
        self.boundary.end(self.folder)
        below = descendants(process.pid)
        if self.boundary.isolated and below:
            # Those that are still ending count against the limits of the session that comes next.
            kill_namespace(below[0], _ENDING)
        for pid in below:
            kill(pid)
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            cast("IO[bytes]", pipe).close()

    def _start(self) -> None:
        self.end()
        self._jobs, self._read = 0, b""
        self.folder.give()
        self._process = subprocess.Popen(  # noqa: S603  (the boundary's own command; the code is its stdin)
            self.boundary.command(self.folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self.boundary.environment(self.folder),
            cwd=self.folder.path,
            start_new_session=True,
            bufsize=0,
        )
        given = {name: getattr(self.limits, name) for name in ("cpu", "memory", "file")}
        about: dict[str, Any] = {
            "packages": self.boundary.packages,
            "printed": self.boundary.printed,
            "folder": self.boundary.inside(self.folder),
        }
        # Beside what else the user runs, a limit on the user's processes would forbid any.
        alone = self.boundary.isolated and not self.boundary.held
        about |= {
            "processes": self.limits.processes if alone else None,
            "uid": self.folder.uid if alone else None,
            "sweeps": self.boundary.held,
        }
        self._ask({**given, **about}, _STARTING)
        self._own = frozenset(descendants(self._process.pid))

    def _ask(self, job: dict[str, Any], seconds: float) -> dict[str, Any]:
        process = cast("subprocess.Popen[bytes]", self._process)
        try:
            cast("IO[bytes]", process.stdin).write(json.dumps(job).encode() + b"\n")
            deadline = time.monotonic() + seconds
            reply = self._reply(process, deadline)
            while reply.get("job") != self._jobs:  # of a fork that answered, too
                reply = self._reply(process, deadline)
            self._jobs += 1
            self._watch(process, deadline)
        except (OSError, ValueError):
            self.end()
            raise StoppedError("Python ended unexpectedly; its variables are gone") from None
        except StoppedError:
            self.end()
            raise
        return reply

    def _reply(self, process: subprocess.Popen[bytes], deadline: float) -> dict[str, Any]:
        """A line of the worker's, while its memory, disk and time are watched."""
        fd = cast("IO[bytes]", process.stdout).fileno()
        looked = 0.0
        while b"\n" not in self._read:
            ready, _, _ = select.select([fd], [], [], _WATCHED_EVERY)
            if ready:
                part = os.read(fd, 65_536)
                if not part or len(self._read) > _LONGEST_REPLY:
                    raise ValueError
                self._read += part
            if time.monotonic() - looked > _WATCHED_EVERY:
                self._watch(process, deadline)
                looked = time.monotonic()
        line, _, self._read = self._read.partition(b"\n")
        reply = json.loads(line)
        if not isinstance(reply, dict):
            raise ValueError  # noqa: TRY004  (what the worker sends is no argument)
        return reply

    def _watch(self, process: subprocess.Popen[bytes], deadline: float) -> None:
        limits = self.limits
        if time.monotonic() > deadline:
            raise StoppedError(
                f"stopped after {limits.seconds:g} seconds; its variables are gone: do less at a time"
            )
        if memory_below(process.pid) > limits.memory:
            raise StoppedError("this needs too much memory; its variables are gone: do less at a time")
        try:
            room = self.folder.room()
        except (OSError, OutsideError):
            return  # files come and go while they are counted
        if room < 0:
            self.end()
            self.folder.make_room()
            raise StoppedError("this writes too much; its variables and newest files are gone: write less")

    def _sweep(self) -> None:
        """End what the code left running: it has no more time than the call."""
        process = cast("subprocess.Popen[bytes]", self._process)
        deadline = time.monotonic() + _SWEEPING
        while time.monotonic() < deadline:
            below = descendants(process.pid)
            left = [pid for pid in below if pid not in self._own and running(pid)]
            for pid in left:
                kill(pid)
            if not left and not self._hidden(below):
                return
            time.sleep(_SWEPT_EVERY)
        self.end()
        raise StoppedError("it went on starting processes; its variables are gone: start fewer, and wait")

    def _hidden(self, below: list[int]) -> bool:
        """Whether more runs in the sandbox than its own processes."""
        return self.boundary.isolated and bool(below) and running_inside(below[0]) > len(self._own)


class CodeSessions:
    """The sessions of the runs that use code, the newest few of them."""

    def __init__(self, boundary: Boundary, folders: RunFolders, limits: CodeLimits | None = None) -> None:
        self.boundary = boundary
        self._folders = folders
        self.limits = limits or CodeLimits()
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def of(self, run_id: str) -> Session:
        """The session of a run; where there are too many, the one that was longest unused ends."""
        with self._lock:
            if run_id not in self._sessions:
                folder = self._folders.of(run_id)
                self._sessions[run_id] = Session(self.boundary, folder, self.limits)
            self._sessions.move_to_end(run_id)
            idle = [name for name, session in self._sessions.items() if not session.lock.locked()]
            old = [self._sessions.pop(name) for name in idle[: max(len(self._sessions) - _MOST_SESSIONS, 0)]]
            session = self._sessions.get(run_id)
        for one in old:
            one.end()
        return session or self.of(run_id)

    def end(self, run_id: str) -> None:
        with self._lock:
            session = self._sessions.pop(run_id, None)
        if session is not None:
            session.end()

    def close(self) -> None:
        for run_id in list(self._sessions):
            self.end(run_id)
