"""Datasets: tasks with their reference answers, one JSON object a line.

    {"task": "What is 17% of 2340?", "reference": "397.8", "id": "a1", "source": "sums"}
    {"task": "Who wrote Emma?", "reference": ["Jane Austen", "Austen"]}
    {"question": "...", "ground_truth": "one<|answer_split|>another", "data_source": "popqa"}

`id` and `source` are optional. The last shape is DeepResearcher's.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memento.errors import UsageError
from memento.evaluators import normalize
from memento.graph.nodes.retrieve_case import MAX_TASK

_SPLIT = "<|answer_split|>"


@dataclass(frozen=True)
class Row:
    """One task; `number` is its place in the file, from 0, and `references` the answers that are right."""

    number: int
    task: str
    references: tuple[str, ...]
    id: str
    source: str

    @property
    def group(self) -> str:
        """The same for near-duplicates: tasks that differ in case, punctuation and spaces at most."""
        return normalize(self.task) or self.task


def read_dataset(file: Path, most: int | None = None) -> list[Row]:
    """The rows of a file, at most the first `most`; every line is checked. Empty lines are left out.

    Raises:
        UsageError: the file cannot be read, a line is no row, or there is none; the message has its number.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        number = error.object[: error.start].count(b"\n") + 1
        raise UsageError(f"{file}, line {number}: this is no UTF-8 text") from None
    rows: list[Row] = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                rows.append(_row(len(rows), line))
            except UsageError as error:
                raise UsageError(f"{file}, line {number}: {error}") from None
    if not rows:
        raise UsageError(f"{file} holds no task: give lines such as {_EXAMPLE}")
    return rows[:most]


_EXAMPLE = '{"task": "What is 2 + 3?", "reference": "5"}'


def _row(number: int, line: str) -> Row:
    try:
        found: Any = json.loads(line)
    except (ValueError, RecursionError):
        raise UsageError(f"this is no JSON: a line is such as {_EXAMPLE}") from None
    if not isinstance(found, dict):
        raise UsageError(f"this is no JSON object: a line is such as {_EXAMPLE}")
    researcher = "task" not in found and "question" in found
    names = ("question", "ground_truth", "data_source") if researcher else ("task", "reference", "source")
    task, reference, source = (found.get(name) for name in names)
    if not isinstance(task, str) or not task.strip():
        raise UsageError(f"{names[0]!r} should be a text that is not empty")
    if len(task) > MAX_TASK:
        raise UsageError(f"{names[0]!r} has more than {MAX_TASK:,} characters")
    if isinstance(reference, str) and researcher:
        reference = reference.split(_SPLIT)
    return Row(
        number=number,
        task=task.strip(),
        references=_references(names[1], [reference] if isinstance(reference, str) else reference),
        id=_short_text("id", found.get("id", number)),
        source=_short_text(names[2], source),
    )


def _references(name: str, given: Any) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(answer, str) for answer in given):
        raise UsageError(f"{name!r} should be a text, or a list of them")
    kept = tuple(answer.strip() for answer in given if answer.strip())
    if not kept:
        raise UsageError(f"{name!r} should hold an answer")
    return kept


def _short_text(name: str, given: Any) -> str:
    if given is None:
        return ""
    if isinstance(given, bool) or not isinstance(given, str | int):
        raise UsageError(f"{name!r} should be a text")
    return str(given)
