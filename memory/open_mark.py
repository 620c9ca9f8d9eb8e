"""A file that says that a store is open: where it is still there at the next opening, nobody closed it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

Left = Literal["closed", "open", "opening"]


class OpenMark:
    """What the last process left: `closed`, `open` (it was killed, or the machine stopped), or `opening` (it
    ended meanwhile: it was killed, or died of it, as a process does of an index whose files are damaged).
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.left: Left = "closed"

    def read(self) -> None:
        """Look at what the last process left."""
        try:
            self.left = "opening" if self._file.read_text() == "opening" else "open"
        except FileNotFoundError:
            self.left = "closed"

    @contextmanager
    def opening(self) -> Iterator[None]:
        """Say that it is being opened, and then that it is open."""
        self._file.write_text("opening")
        try:
            yield
        finally:
            self._file.write_text("open")

    def settled(self) -> None:
        """What the last process left was looked after."""
        self.left = "closed"

    def leave(self) -> None:
        """The store is closed: nothing is left to look after, unless it was not looked after by now."""
        if self.left == "closed":
            self._file.unlink(missing_ok=True)
        else:
            self._file.write_text(self.left)
