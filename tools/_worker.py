"""Runs one script under limits: python -I _worker.py SCRIPT BYTES SECONDS."""

from __future__ import annotations

import runpy
import sys

MAX_FILE = 200_000_000  # bytes; no worker has a large file to write


def limit(memory: int, seconds: int) -> None:
    try:
        import resource
    except ImportError:  # not a Unix: the caller's clock is the only limit
        return
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    # The caller kills a worker that is late; this ends one whose caller is gone.
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE, MAX_FILE))


if __name__ == "__main__":
    limit(int(sys.argv[2]), int(sys.argv[3]))
    runpy.run_path(sys.argv[1], run_name="__main__")
