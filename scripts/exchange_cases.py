"""Import a file of cases twice into a new home, search it, export it and import that into another new home:
the cases must be equal. It says so, and how long each took; it ends with 1 where they are not.

    python scripts/exchange_cases.py memory.jsonl
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from memento.memory import CaseBank
from memento.memory.exchange import export_lines, write_file
from memento.memory.importing import BATCH, import_file

SEARCHED = 50
R = TypeVar("R")


def main(file: Path) -> int:
    with tempfile.TemporaryDirectory() as folder:
        checks = _exchanged(file, Path(folder))
    for name, holds in checks:
        print(f"{'ok' if holds else 'NO'}  {name}")  # noqa: T201
    return 0 if all(holds for _, holds in checks) else 1


def _exchanged(file: Path, folder: Path) -> list[tuple[str, bool]]:
    out = folder / "out.jsonl"
    with CaseBank(folder / "first") as bank:
        first = _timed(f"import, in batches of {BATCH}", lambda: import_file(bank, file))
        again = _timed("import again", lambda: import_file(bank, file))
        kept, ids = bank.all(), [case.id for case in bank.all()]
        vectors = bank.vectors(ids)
        sample = kept[:: max(1, len(kept) // SEARCHED)]
        asked = bank.embed([case.task for case in sample])
        best = _timed(f"search for {len(sample)}", lambda: [bank.search(v, 1)[0].case_id for v in asked])
        same_task = [bank.get(found) for found in best]
        _timed("export", lambda: write_file(out, export_lines(bank.ledger, bank.namespace)))
    with CaseBank(folder / "second") as bank:
        _timed("import into a new home", lambda: import_file(bank, out))
        other, other_vectors = bank.all(), bank.vectors(ids)
    same_vectors = all(np.allclose(vectors[i][0], other_vectors[i][0], atol=1e-5) for i in ids)
    return [
        (
            f"{first.read} cases read, {first.added} added, {len(first.skipped)} lines skipped",
            first.added > 0,
        ),
        ("the second import of the file adds none", (again.added, again.known) == (0, again.read)),
        (
            "each of the searched is found first by its own task",
            [case.task for case in same_task if case] == [case.task for case in sample],
        ),
        (f"the {len(other)} cases of the new home are equal, in order", other == kept),
        ("their vectors are equal to five decimals", same_vectors),
    ]


def _timed(name: str, work: Callable[[], R]) -> R:
    started = time.monotonic()
    done = work()
    print(f"{name}: {time.monotonic() - started:.1f} s", flush=True)  # noqa: T201
    return done


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
