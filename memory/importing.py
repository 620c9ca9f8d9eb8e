"""Taking cases in from a file: in batches, each kept once it is in, so that an import that stopped goes on
where it was when it is run again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from memento.memory import journal
from memento.memory.case_bank import CaseBank
from memento.memory.centre import made_by
from memento.memory.errors import UsageError
from memento.memory.exchange import BadLine, Incoming, Vector, read_cases

BATCH = 256
"""Cases that are embedded and written at once."""


@dataclass
class Imported:
    """What an import found: cases in the file, those that were added, those that were there already, and the
    lines that are none.
    """

    read: int = 0
    added: int = 0
    known: int = 0
    skipped: list[BadLine] = field(default_factory=list)


def check_file(file: Path, *, strict: bool = False) -> int:
    """How many cases a file has.

    Raises:
        UsageError: it cannot be read; or a line is no case, with `strict`, or where no line is one.
    """
    if file.exists() and not (file.is_file() or file.is_dir()):
        raise UsageError(
            f"{file} is a pipe, and it is read more than once: write it to a file, and import that"
        )
    bad: BadLine | None = None
    good = 0
    for found in read_cases(file, "default"):
        if isinstance(found, Incoming):
            good += 1
        elif bad is None:
            bad = found
    if bad is not None and (strict or not good):
        raise UsageError(f"{file}, line {bad.line}: {bad.problem}; nothing was imported")
    return good


def import_file(
    bank: CaseBank, file: Path, *, strict: bool = False, progress: Callable[[int], None] = lambda _: None
) -> Imported:
    """Add a file's cases to the bank's namespace; those whose ids are there stay as they are, and are not
    embedded again. `progress` is told how many cases are done. It is one change, which `undo` takes back.

    Raises:
        UsageError: as `check_file`, with nothing written.
    """
    check_file(file, strict=strict)
    told, number = Imported(), None
    found = read_cases(file, bank.namespace)
    while batch := list(islice(found, BATCH)):
        told.skipped += [line for line in batch if isinstance(line, BadLine)]
        cases = [row for row in batch if isinstance(row, Incoming)]
        fresh = _fresh(bank, cases)
        if fresh:
            number = bank.take_in([row.case for row in fresh], _vectors(bank, fresh), number)
        told.read += len(cases)
        told.added += len(fresh)
        told.known += len(cases) - len(fresh)
        progress(told.read)
    return told


def _fresh(bank: CaseBank, rows: Sequence[Incoming]) -> list[Incoming]:
    """Those that the bank has not got, each once."""
    by_id = {row.case.id: row for row in reversed(rows)}
    with bank.home.reader.connect() as connection:
        known = journal.known_ids(connection, bank.namespace, list(by_id))
    return [row for row in rows if row is by_id[row.case.id] and row.case.id not in known]


def _vectors(bank: CaseBank, rows: Sequence[Incoming]) -> list[Vector]:
    """Their vectors: as given where they can be the home's, the others embedded together."""
    bank.encoder.centre()  # before there are vectors
    known = {None, made_by(bank.ledger)}
    with bank.home.reader.connect() as connection:
        size = journal.known_dimensions(connection)
    given = {row.case.id: row.vector for row in rows if row.vector is not None and row.embedding in known}
    if size is None and len(given) == len(rows):
        size = rows[0].vector.size if rows[0].vector is not None else None
    given = {case_id: vector for case_id, vector in given.items() if vector.size == size}
    missing = [row for row in rows if row.case.id not in given]
    if missing:
        made = bank.embed([row.case.task for row in missing])
        given |= {row.case.id: vector for row, vector in zip(missing, made, strict=True)}
    return [given[row.case.id] for row in rows]
