"""A progress bar for work that takes long, on stderr, where somebody is there to see it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress


class Bar:
    """What is told how far the work is; shows nothing without `progress`."""

    def __init__(self, progress: "Progress | None" = None, what: str = "", total: int = 0) -> None:
        self._progress = progress
        self._task = progress.add_task(what, total=total) if progress else None

    def more(self, done: int) -> None:
        """So much more is done."""
        if self._progress and self._task is not None:
            self._progress.advance(self._task, done)

    def at(self, done: int, total: int) -> None:
        """So much of so much is done."""
        if self._progress and self._task is not None:
            self._progress.update(self._task, completed=done, total=total)


@contextmanager
def progress_bar(what: str, total: int | None) -> Iterator[Bar]:
    """Shows nothing with None for `total`, or where stderr is no terminal."""
    if total is None:
        yield Bar()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    screen = Console(stderr=True)
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as progress:
        yield Bar(progress, what, total)
