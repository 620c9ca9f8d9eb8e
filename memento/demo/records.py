"""What an experiment writes while it runs: one row a line, at once, so that nothing is lost when it stops."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from rich.progress import Progress

R = TypeVar("R", bound="DataclassInstance")


def record(file: Path, rows: "Callable[[Progress], Iterator[R]]", *, quiet: bool = False) -> list[R]:
    """Append every row to `file` as it comes, beside a progress bar that `rows` keeps. Ctrl-C ends it with
    what there is.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    file.parent.mkdir(parents=True, exist_ok=True)
    found: list[R] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    screen = Console(stderr=True, quiet=quiet)
    with Progress(*columns, console=screen) as progress, file.open("a", encoding="utf-8") as log:
        try:
            for row in rows(progress):
                found.append(row)
                log.write(json.dumps(asdict(row), ensure_ascii=False) + "\n")
                log.flush()
        except KeyboardInterrupt:
            screen.print(f"stopped; what was learned is in {file.parent}")
    return found


def read_rows(file: Path, kind: Callable[..., R]) -> list[R]:
    """The rows that `record` wrote.

    Raises:
        OSError, ValueError, TypeError: the file cannot be read, or holds something else.
    """
    lines = file.read_text(encoding="utf-8").split("\n")
    return [kind(**_row(line)) for line in lines if line]


def go_on(file: Path, kind: Callable[..., R]) -> list[R]:
    """The rows of an earlier `record` that is to go on; a last line that was cut short is taken away.

    Raises:
        OSError, ValueError, TypeError: the file cannot be read, or holds something else.
    """
    if not file.exists():
        return []
    text = file.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    if whole != text:
        file.write_bytes(whole)
    return read_rows(file, kind)


def _row(line: str) -> dict[str, Any]:
    row = json.loads(line)
    if not isinstance(row, dict):
        raise TypeError("a row is a JSON object")
    return row
