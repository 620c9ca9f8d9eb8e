"""Cases as JSON lines, for other homes and other programs; docs/cases.md has the format.

A line is an object with `"schema": 1` and the fields of `Case`; with `vector`, a list of numbers, it also
says which `embedding` made it.
"""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memento.memory import journal
from memento.memory.case import Case
from memento.memory.centre import made_by
from memento.memory.errors import UsageError
from memento.memory.jsonl import Line, read_lines
from memento.memory.ledger import Ledger
from memento.memory.memento_files import case_from_memento

Vector = NDArray[np.float32]

SCHEMA = 1
LONGEST_TASK = 100_000
"""Characters."""


@dataclass(frozen=True)
class BadLine:
    """A line that is no case, numbered from 1."""

    line: int
    problem: str


@dataclass(frozen=True)
class Incoming:
    """A case from a file; a vector where the line has one, and the embedding that is said to have made it."""

    case: Case
    vector: Vector | None = None
    embedding: str | None = None


def export_lines(ledger: Ledger, namespace: str, *, vectors: bool = False) -> Iterator[str]:
    """The namespace's cases, oldest first, each with its vector where that is asked for."""
    embedding = made_by(ledger) if vectors else None
    with ledger.home.reader.connect() as connection:
        for case, vector in journal.stream(connection, namespace):
            row: dict[str, Any] = {"schema": SCHEMA, **case.to_dict()}
            if vectors:
                # The shortest decimals that read back as the same float32.
                row |= {"embedding": embedding, "vector": [float(str(number)) for number in vector]}
            yield json.dumps(row, ensure_ascii=False)


def write_file(file: Path, lines: Iterable[str]) -> int:
    """Write lines to a file, all or none of them, and return how many there were.

    Raises:
        UsageError: it cannot be written.
    """
    target = file.resolve()
    part = target if target.exists() and not target.is_file() else target.with_name(f".{target.name}.part")
    count = 0
    try:
        with part.open("w", encoding="utf-8") as stream:
            for line in lines:
                stream.write(f"{line}\n")
                count += 1
            stream.flush()
            if part is not target:
                os.fsync(stream.fileno())
        if part is not target:
            part.replace(target)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from None
    finally:
        if part is not target:
            _remove(part)
    return count


def read_cases(file: Path, namespace: str) -> Iterator[Incoming | BadLine]:
    """The cases of a file, placed in a namespace, and the lines that are none.

    Raises:
        UsageError: the file cannot be read.
    """
    for line in read_lines(file):
        yield _incoming(line, namespace)


def _incoming(line: Line, namespace: str) -> Incoming | BadLine:
    if line.problem:
        return BadLine(line.number, line.problem)
    try:
        return _from_row(line.value, namespace)
    except (UsageError, TypeError, RecursionError) as error:
        return BadLine(line.number, str(error))


def _from_row(row: Any, namespace: str) -> Incoming:
    if not isinstance(row, dict):
        raise UsageError("a case is an object with a task")
    schema = row.get("schema", SCHEMA)
    if schema != SCHEMA:
        raise UsageError(f"its schema is {schema!r}, and this version of Memento reads {SCHEMA}")
    case = case_from_memento(row) or Case.from_dict(row)
    if len(case.task) > LONGEST_TASK:
        raise UsageError(f"its task is longer than {LONGEST_TASK:,} characters")
    embedding = row.get("embedding")
    if not isinstance(embedding, str | None):
        raise UsageError("a case's embedding is the name of what made its vector")
    return Incoming(replace(case, namespace=namespace), _vector(row.get("vector")), embedding)


def _vector(numbers: Any) -> Vector | None:
    if numbers is None:
        return None
    plain = isinstance(numbers, list) and numbers and all(type(number) in {int, float} for number in numbers)
    with np.errstate(over="ignore"):
        vector = np.asarray(numbers, dtype=np.float32) if plain else np.full(1, np.nan, np.float32)
    if not np.isfinite(vector).all():
        raise UsageError("a case's vector is a list of finite numbers")
    return vector


def _remove(part: Path) -> None:
    try:
        part.unlink(missing_ok=True)
    except OSError:
        return
