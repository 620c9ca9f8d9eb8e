"""Reading JSON lines that may be anything: each line is a value, or says what is wrong with it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from memento.memory.errors import UsageError

LONGEST = 16 * 1024 * 1024
"""Bytes of a line. A longer one is passed over without ever being in memory as a whole."""
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Line:
    """One line that is not blank, numbered from 1; `problem` is empty where `value` is what it says."""

    number: int
    value: Any = None
    problem: str = ""


def read_lines(file: Path) -> Iterator[Line]:
    """The lines of a file.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        with file.open("rb") as stream:
            number = 0
            # A line ends at a newline only: JSON leaves U+2028 and its like as they are inside a text.
            while raw := stream.readline(LONGEST + 1):
                number += 1
                if len(raw) > LONGEST:
                    _pass_over(stream, raw)
                    yield Line(number, problem=f"it is longer than {LONGEST // 2**20} MB")
                elif stripped := (raw.removeprefix(_BOM) if number == 1 else raw).strip():
                    yield _read(number, stripped)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None


def _read(number: int, raw: bytes) -> Line:
    try:
        return Line(number, json.loads(raw.decode()))
    except UnicodeDecodeError:
        return Line(number, problem="it is not UTF-8")
    except (ValueError, RecursionError):
        return Line(number, problem="this is no JSON")


def _pass_over(stream: BinaryIO, raw: bytes) -> None:
    while raw and not raw.endswith(b"\n"):
        raw = stream.readline(LONGEST)
