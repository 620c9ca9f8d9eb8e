"""Cases as JSON lines, one `Case.to_dict()` a line."""

import json
from dataclasses import replace
from pathlib import Path

from memento.memory import journal
from memento.memory.case import Case
from memento.memory.errors import UsageError
from memento.memory.ledger import Ledger


def export_lines(ledger: Ledger, namespace: str) -> list[str]:
    """The namespace's cases, oldest first."""
    with ledger.home.reader.connect() as connection:
        cases = journal.read_all(connection, namespace)
    return [json.dumps(case.to_dict(), ensure_ascii=False) for case in cases]


def read_cases(file: Path, namespace: str) -> list[Case]:
    """The cases of a file, placed in a namespace.

    Raises:
        UsageError: the file cannot be read, or a line is no case; the message has the line's number.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"{file} cannot be read: {reason}") from None
    cases = []
    # Not splitlines: JSON leaves U+2028 and its like as they are inside a text.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            cases.append(replace(Case.from_dict(json.loads(line)), namespace=namespace))
        except (ValueError, TypeError, RecursionError) as error:
            problem = "this is no JSON" if isinstance(error, json.JSONDecodeError) else str(error)
            raise UsageError(f"{file}, line {number}: {problem}") from None
    return cases
