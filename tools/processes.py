"""The processes below one, seen from outside: which there are, what they hold, and that they are gone.

Processes come and go while they are counted: what has just ended counts for nothing, and is no error.
"""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from pathlib import Path

_MOST = 10_000
_ROUGH = 500_000_000  # bytes
_ENDED = "ZX"


def descendants(pid: int) -> list[int]:
    """All processes below one, as the kernel lists them now."""
    found: list[int] = []
    left = [pid]
    while left and len(found) < _MOST:
        below = _children(left.pop())
        found += below
        left += below
    return found


def _children(pid: int) -> list[int]:
    children: list[int] = []
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                children += [int(child) for child in (thread / "children").read_text().split()]
    return children


def running(pid: int) -> bool:
    """Whether a process is more than an entry that nobody has collected."""
    return not _ended(Path(f"/proc/{pid}"))


def running_inside(init: int) -> int:
    """How many processes run, at most, in the namespace whose first process this is.

    They are read from the namespace's own /proc, which lists them in the order of their numbers: what starts
    another and ends meanwhile has not hidden it, as it may where parents are asked for their children. Only
    what had ended before they were listed is left out, since it can start nothing any more.
    """
    inside = Path(f"/proc/{init}/root/proc")
    ended = {name for name in _numbers(inside) if _ended(inside / name)}
    return len(_numbers(inside) - ended)


def _numbers(folder: Path) -> set[str]:
    try:
        return {entry.name for entry in folder.iterdir() if entry.name.isdigit()}
    except OSError:
        return set()


def _ended(about: Path) -> bool:
    try:
        fields = (about / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return True
    # The first thread may end before the others do.
    return fields[0] in _ENDED and int(fields[17]) <= 1


def memory_below(pid: int) -> int:
    """Bytes that the processes below one hold together."""
    pids = descendants(pid)
    # What forked processes share counts for each here; the exact figure takes longer.
    roughly = sum(_resident(one) for one in pids)
    return min(roughly, sum(_proportional(one) for one in pids)) if roughly > _ROUGH else roughly


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def _proportional(pid: int) -> int:
    """The process's memory, of what it shares its part; all of it where the kernel does not tell."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except FileNotFoundError:
        return 0
    except OSError:
        return _resident(pid)
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def kill(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def kill_namespace(init: int, seconds: float) -> None:
    """Kill a namespace's first process, and wait so long for all of them: the kernel tells of its end when no
    other is left.
    """
    try:
        handle = os.pidfd_open(init)
    except OSError:
        return
    try:
        kill(init)
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        poll.poll(seconds * 1000)
    finally:
        os.close(handle)
