"""Starts one container and is its stdin and stdout; the container ends with it.

It is a program of its own, so that code in a container is spoken to as code in any other boundary is. It
reads what to start as JSON from its argument, and imports nothing of the package.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
from typing import Any


def main() -> None:
    import docker
    from docker.utils.socket import frames_iter

    client = docker.from_env(timeout=600)
    container = client.containers.create(**json.loads(sys.argv[1]))
    try:
        attached = container.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
        container.start()
        threading.Thread(target=_pass_in, args=(attached, container), daemon=True).start()
        for _, part in frames_iter(attached, tty=False):
            os.write(1, part)
    finally:
        _remove(container)


def _pass_in(attached: Any, container: Any) -> None:
    """Pass on what is said to the code; when who says it is gone, end the container, whatever it is doing."""
    stream = getattr(attached, "_sock", attached)
    with contextlib.suppress(OSError):
        while part := os.read(0, 65_536):
            stream.sendall(part)
    _remove(container)


def _remove(container: Any) -> None:
    from docker.errors import APIError

    with contextlib.suppress(APIError):
        container.remove(force=True)


if __name__ == "__main__":
    main()
