"""Whether opening the embedded Chroma takes a process down with it, found out in a process of its own.

Chroma's native code may die of an index whose files are damaged. A process that ended while it opened one
may have died of it, or may only have been killed then: to fill a large bank anew for that would take long.
"""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from memento.memory import chroma_client
from memento.memory.errors import MementoError

_PAGE = 5_000
_RUN = f"import sys; from {__name__} import main; main(sys.argv[1])"
_FROM_OUTSIDE = {getattr(signal, name, None) for name in ("SIGHUP", "SIGINT", "SIGKILL", "SIGTERM")}


def is_deadly(chroma: Path) -> bool:
    """Whether a process that opens this folder and reads it whole dies of it, or cannot read it.

    Raises:
        MementoError: the process was ended from outside.
    """
    command = [sys.executable, "-c", _RUN, str(chroma)]
    out = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=out) as trial:  # noqa: S603 - this very module
        code = trial.wait()
    if -code in _FROM_OUTSIDE:
        raise MementoError(f"the process that tried {chroma} was ended by a signal ({-code}): open it again")
    return code != 0


def main(chroma: str) -> None:
    """Open it and read all of it. It ends with the process that asked, so that nobody else opens it then."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    client = chroma_client.embedded(Path(chroma))
    for collection in client.list_collections():
        ids = collection.get(include=[])["ids"]
        for start in range(0, len(ids), _PAGE):
            found = collection.get(ids=ids[start : start + _PAGE], include=["embeddings"])["embeddings"]
            collection.query(query_embeddings=found[:1], n_results=1, include=[])  # type: ignore[index]


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)
