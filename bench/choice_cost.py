"""What a choice costs: select, record and the first choice after opening, on a ledger with many outcomes.

.venv/bin/python bench/choice_cost.py --outcomes 100000
prints the median and the 95th percentile in milliseconds, for 64 candidates. `select` is told with the
search of the bank and without it; `record` with the database's commit and without it.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from bank_fill import reward_row, run_row, slot_row, write_rows
from numpy.typing import NDArray

from memento.bench.worlds import question_vectors
from memento.memory import Case, CaseBank, build_policy
from memento.memory.components import components, directions

_CASES = 700
_CHUNK = 10_000
_SHOWN = 2


def fill(bank: CaseBank, outcomes: int) -> list[str]:
    """A bank of 700 cases, and a ledger with so many outcomes of them."""
    vectors, rng = question_vectors(), np.random.default_rng(0)
    cases = [Case.from_demonstration(task=f"case {number}") for number in range(_CASES)]
    ids = bank.add_many(cases, vectors[:_CASES])
    looks = [row.astype(np.float16).tobytes() for row in directions(components(vectors[:_CASES]))]
    tasks = vectors[rng.integers(_CASES, len(vectors), outcomes)]
    for start in range(0, outcomes, _CHUNK):
        _fill_chunk(bank, range(start, min(start + _CHUNK, outcomes)), ids, looks, tasks, rng)
    return ids


def _fill_chunk(
    bank: CaseBank,
    numbers: range,
    ids: list[str],
    looks: list[bytes],
    tasks: NDArray[np.float32],
    rng: np.random.Generator,
) -> None:
    run_rows, slot_rows, reward_rows = [], [], []
    for number in numbers:
        run_id = f"run-{number}"
        run_rows.append(run_row(bank.namespace, run_id, number, tasks[number].tobytes()))
        for rank, case in enumerate(rng.choice(_CASES, _SHOWN, replace=False)):
            slot_rows.append(slot_row(run_id, rank, ids[case], looks[case]))
        reward_rows.append(reward_row(run_id, rng))
    write_rows(bank, run_rows, slot_rows, reward_rows)


def measure(home: Path, policy_name: str, rounds: int) -> dict[str, float]:
    """Milliseconds, of one policy."""
    tasks = question_vectors()[-rounds:]
    with CaseBank(home) as bank:
        bank.search(tasks[0], 64)
        policy = build_policy(policy_name, bank=bank)
        began = time.perf_counter()
        policy.select(tasks[0])
        first = time.perf_counter() - began
        search, select, record, commit = [], [], [], []
        for task in tasks:
            began = time.perf_counter()
            bank.search(task, 64)
            searched = time.perf_counter()
            selection = policy.select(task)
            selected = time.perf_counter()
            policy.record(selection, reward=1.0)
            recorded = time.perf_counter()
            with bank.home.engine.begin() as connection:
                connection.exec_driver_sql("UPDATE facts SET value = value WHERE name = 'schema'")
            ended = time.perf_counter()
            search.append(searched - began)
            select.append(selected - searched)
            record.append(recorded - selected)
            commit.append(ended - recorded)
    chosen, kept = np.subtract(select, search), np.subtract(record, commit)
    figures = {"first choice": [first], "select": select, "without search": chosen, "record": record}
    figures["without commit"] = kept
    return {
        f"{name} {label}": round(1000 * float(np.quantile(values, share)), 2)
        for name, values in figures.items()
        for label, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--outcomes", type=int, default=100_000)
    parser.add_argument("--policies", default="auto,kernel")
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        with CaseBank(folder) as bank:
            fill(bank, options.outcomes)
        found = {name: measure(Path(folder), name, options.rounds) for name in options.policies.split(",")}
    if options.json:
        print(json.dumps(found))
        return
    for name, figures in found.items():
        print(f"{name}, {options.outcomes:,} outcomes, ms:")
        for figure, value in figures.items():
            print(f"  {figure:22s} {value:8.2f}")


if __name__ == "__main__":
    main()
