"""Homes of any size for the measurements: cases, and runs that showed them with rewards."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import insert

from memento.bench.worlds import question_vectors
from memento.memory import Case, CaseBank
from memento.memory.components import components, directions
from memento.memory.embeddings import unit
from memento.memory.schema import retrievals, rewards, runs

Vectors = NDArray[np.float32]
Row = dict[str, object]

OUTCOMES = 10
"""Of each case."""
SHOWN = 4
"""Cases in a run."""
_CHUNK = 10_000


def vectors(count: int, seed: int = 0) -> Vectors:
    """Vectors like those of real questions, shape (count, 384): MiniLM's of a public question, leaning by a
    random share to another one, and reworded.
    """
    return np.concatenate(list(_vectors(count, seed)))


def _vectors(count: int, seed: int) -> Iterator[Vectors]:
    rng, pool = np.random.default_rng(seed), question_vectors()
    for start in range(0, count, 50_000):
        size = min(50_000, count - start)
        first, second = pool[rng.integers(len(pool), size=size)], pool[rng.integers(len(pool), size=size)]
        noise = unit(rng.standard_normal((size, pool.shape[1])).astype(np.float32))
        yield unit(first + rng.random((size, 1)).astype(np.float32) * second + 0.33 * noise)


def fill(home: Path, count: int) -> None:
    """Make a home with so many cases and ten outcomes of each, unless it is there."""
    rows = vectors(count)
    with CaseBank(home) as bank:
        for start in range(bank.count(), count, 1_000):
            numbers = range(start, min(start + 1_000, count))
            bank.add_many([_case(number) for number in numbers], rows[numbers.start : numbers.stop])
            print(f"\r{numbers.stop:,} of {count:,} cases ", end="", file=sys.stderr, flush=True)
        ids = [case.id for case in bank.all()]
        wanted = count * OUTCOMES // SHOWN
        for start in range(bank.ledger.last_number(bank.namespace), wanted, _CHUNK):
            _write_runs(bank, range(start, min(start + _CHUNK, wanted)), ids, rows)


def _case(number: int) -> Case:
    call = {"name": "stock", "args": {"item": str(number)}, "result": "120"}
    step = {"subtask": "look it up", "tool_calls": [call], "result": "120"}
    return Case.from_demonstration(task=f"case {number}: how many?", trajectory=[step], answer="120")


def _write_runs(bank: CaseBank, numbers: range, ids: list[str], rows: Vectors) -> None:
    rng = np.random.default_rng(numbers.start)
    looks = directions(components(rows[:1_000])).astype(np.float16)
    run_rows, slots, said = [], [], []
    for number in numbers:
        run_id, place = f"run-{number}", int(rng.integers(len(rows)))
        run_rows.append(run_row(bank.namespace, run_id, number, rows[place].tobytes()))
        for rank in range(SHOWN):
            case = (number * SHOWN + rank) % len(ids)  # each case comes equally often
            slots.append(slot_row(run_id, rank, ids[case], looks[case % len(looks)].tobytes()))
        said.append(reward_row(run_id, rng))
    write_rows(bank, run_rows, slots, said)


def write_rows(bank: CaseBank, run_rows: list[Row], slots: list[Row], said: list[Row]) -> None:
    """Put runs, what they showed and their rewards into the ledger at once."""
    with bank.home.engine.begin() as connection:
        for table, written in ((runs, run_rows), (retrievals, slots), (rewards, said)):
            connection.execute(insert(table), written)


def run_row(namespace: str, run_id: str, number: int, vector: bytes) -> Row:
    """A run that ended, the one after `number` others."""
    texts = {"task": "", "policy": "auto", "arm": "learned", "answer": "", "status": "answered"}
    lists: dict[str, object] = {"candidates": [], "plan": [], "trajectory": [], "models": {}, "usage": {}}
    about = {"arm_propensity": 0.97, "empty_propensity": 0.1, "expected": 0.5, "without": 0.45}
    more = {"without_std": 0.02, "usual_cosine": 0.2, "forgone": 0.0, "gained": 0.0, "explored": False}
    place = {"namespace": namespace, "number": number + 1, "revision": number + 1, "learn": True}
    when = {"vector": vector, "started_at": "2026-01-01T00:00:00"}
    return {"run_id": run_id, **texts, **lists, **about, **more, **place, **when}


def slot_row(run_id: str, rank: int, case_id: str, direction: bytes) -> Row:
    """A case that a run showed."""
    about = {"similarity": 0.4, "q": 0.5, "q_std": 0.1, "propensity": 0.3, "did": "", "doubt": 0.0}
    return {"run_id": run_id, "rank": rank, "case_id": case_id, **about, "direction": direction, "used": None}


def reward_row(run_id: str, rng: np.random.Generator) -> Row:
    """A reward of 0 or 1, either as likely."""
    reward = {"reward": float(rng.random() < 0.5), "source": "environment", "weight": 1.0}  # noqa: PLR2004
    return {"run_id": run_id, **reward, "comment": "", "created_at": ""}
