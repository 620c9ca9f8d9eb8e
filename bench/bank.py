"""What a case bank costs as it grows: choosing, writing, looking through it, opening, memory, recall.

    .venv/bin/python bench/bank.py --sizes 1000,10000,100000 --homes DIR

Each size is measured in a process of its own, on one thread, without embedding and without a model; ten
outcomes a case are in the ledger. Filling 100,000 cases takes minutes: with --homes they are kept for the
next time. Beside it, two other ways to retrieve: that of Memento's released code, which encodes the whole
pool for each query (measured at 100 and 1,278 tasks, and extrapolated beyond: marked ~), and MemRL's, a
Python loop over all vectors. --million fills a bare Chroma with 1,000,000 vectors and searches it.
Bars: retrieve and select p95 <= 20 ms at 100,000, and p50 <= the greater of 8 ms and twice that of 1,000;
write back p95 <= 60 ms; open <= 3 s; recall of the nearest 64 >= .98.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from bank_fill import fill, vectors
from others import memrl_seconds, released_seconds

from memento.memory import Case, CaseBank, Selection, build_policy
from memento.memory.browse import list_cases
from memento.memory.embeddings import unit
from memento.memory.find import find_cases
from memento.memory.ledger import Reward
from memento.memory.selection import run_record

NEAREST = 64
WRITES = 200
LOOKS = 20
RECALL_OF = 200
LEAST_RECALL = 0.98
MEASURED_POOLS = (100, 1278)
_QUERIES = 11
_ADDITIONS = 2_000_000

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def main() -> None:
    options = _options()
    sizes = [int(size) for size in options.sizes.split(",")]
    if options.part:
        print(json.dumps(part(options, sizes)))
        return
    with tempfile.TemporaryDirectory() as folder:
        homes = options.homes or Path(folder)
        found = {"sizes": {}, "others": _child("others", options, homes)}
        for size in sizes:
            if not (homes / f"{size}.filled").exists():
                _child("fill", options, homes / str(size), size)
                (homes / f"{size}.filled").touch()
            found["sizes"][size] = _child("measure", options, homes / str(size), size)
        if options.million:
            found["million"] = _child("million", options, homes / "million")
    if options.json:
        print(json.dumps(found))
    else:
        report(found)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="1000,10000,100000")
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--homes", type=Path, help="Where the homes are kept; else they are thrown away.")
    parser.add_argument("--policy", default="auto")
    parser.add_argument("--million", action="store_true", help="Search 1,000,000 vectors too; slow to fill.")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    return parser.parse_args()


def _child(name: str, options: argparse.Namespace, home: Path, size: int | None = None) -> dict[str, Any]:
    """One part in a process of its own, on one thread: memory is that of a process that did nothing else."""
    sizes = options.sizes if size is None else str(size)
    asked = ["--part", name, "--sizes", sizes, "--homes", str(home), "--rounds", str(options.rounds)]
    told = subprocess.run(  # noqa: S603 - this very script
        [sys.executable, __file__, *asked, "--policy", options.policy],
        env={**os.environ, **ONE_THREAD},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return dict(json.loads(told.stdout))


def part(options: argparse.Namespace, sizes: list[int]) -> dict[str, Any]:
    """What a child process does."""
    if options.part == "fill":
        fill(options.homes, sizes[0])
        return {}
    if options.part == "measure":
        return measure(options.homes, options.policy, options.rounds)
    return million(options.homes) if options.part == "million" else others(sizes)


def measure(home: Path, policy_name: str, rounds: int) -> dict[str, float]:
    """The figures of one home: times in milliseconds but for opening, which is in seconds."""
    import chromadb  # noqa: F401 - what importing costs is not the bank's

    queries = vectors(max(rounds, RECALL_OF), seed=1)
    before, pace = _resident(), [_pace()]
    began = time.perf_counter()
    with CaseBank(home) as bank:
        policy = build_policy(policy_name, bank=bank)
        policy.select(queries[0])
        figures = {"open": time.perf_counter() - began}
        select = [_timed(lambda query=query: policy.select(query)) for query in queries[:rounds]]
        figures["memory"] = _resident() - before
        pace.append(_pace())
        search = [_timed(lambda query=query: bank.search(query, NEAREST)) for query in queries[:rounds]]
        figures["recall"] = recall(bank, queries[:RECALL_OF])
        chosen = [policy.select(query) for query in queries[:WRITES]]
        write = [_timed(lambda selection=selection: _write_back(bank, selection)) for selection in chosen]
        pace.append(_pace())
        ids = [case.id for case in bank.all()[-WRITES:]]
        update = [_timed(lambda case_id=case_id: bank.set_status(case_id, "quarantined")) for case_id in ids]
        for case_id in ids:
            bank.delete(case_id)
        times = {
            "select": select,
            "search": search,
            "write back": write,
            "update": update,
            **looking(bank, queries),
        }
    figures["write back max"] = 1000 * max(write)
    figures["ten million additions"] = float(np.median(pace))
    for name, took in times.items():
        figures[f"{name} p50"], figures[f"{name} p95"] = (
            1000 * float(np.quantile(took, share)) for share in (0.5, 0.95)
        )
    return figures


def looking(bank: CaseBank, queries: np.ndarray) -> dict[str, list[float]]:
    """What a person waits for: a page of the list, and searches by a rare word and by meaning."""
    ledger, space = bank.ledger, bank.namespace
    return {
        "list": [_timed(lambda: list_cases(ledger, space, last=40)) for _ in range(LOOKS)],
        "find by word": [_timed(lambda n=n: find_cases(ledger, space, words=str(n))) for n in range(LOOKS)],
        "find by meaning": [
            _timed(lambda query=query: find_cases(ledger, space, vector=query)) for query in queries[:LOOKS]
        ],
    }


def _write_back(bank: CaseBank, selection: Selection) -> None:
    """What the graph's last node does: the run, what it showed, its reward and its case; then the bank."""
    call = {"name": "stock", "args": {"item": "bolt"}, "result": "120"}
    done: list[Any] = [{"subtask": "look it up", "tool_calls": [call], "result": "120"}]
    task, shown = f"task {selection.run_id}", selection.cases
    run = run_record(selection, shown, task=task, answer="120", trajectory=done)
    texts: dict[str, Any] = {"task": task, "plan": ["look it up"], "trajectory": done, "answer": "120"}
    parents = [slot.case_id for slot in shown]
    case = Case.from_run(run.run_id, namespace=bank.namespace, reward=1.0, parents=parents, **texts)
    bank.ledger.commit_run(run, Reward(reward=1.0), case, run.vector)
    bank.sync()


def recall(bank: CaseBank, queries: np.ndarray) -> float:
    """The share of the nearest 64 by exact search that the bank finds."""
    ids = [case.id for case in bank.all(status="active")]
    held = bank.vectors(ids)
    matrix = unit(np.stack([held[case_id][0] for case_id in ids]))
    found = 0
    for query in queries:
        nearest = np.argpartition(-(matrix @ query), NEAREST - 1)[:NEAREST]
        exact = {ids[place] for place in nearest}
        found += len(exact & {candidate.case_id for candidate in bank.search(query, NEAREST)})
    return found / (len(queries) * NEAREST)


def others(sizes: list[int]) -> dict[str, dict[str, float]]:
    """Seconds a query of the two other ways, by size."""
    measured = {size: released_seconds(size) for size in MEASURED_POOLS}
    each = measured[MEASURED_POOLS[-1]] / MEASURED_POOLS[-1]
    return {
        "released": {str(size): took for size, took in measured.items()}
        | {f"~{size}": each * size for size in sizes},
        "memrl": {str(size): memrl_seconds(vectors(size)) for size in sizes},
    }


def million(folder: Path) -> dict[str, float]:
    """Seconds to fill a bare Chroma with 1,000,000 vectors, and milliseconds of a search."""
    import chromadb

    client = chromadb.PersistentClient(path=str(folder))
    many = {"sync_threshold": 200_000, "batch_size": 20_000}
    settings = {"hnsw": {"space": "cosine", "ef_search": 256, **many}}
    held = client.get_or_create_collection("million", embedding_function=None, configuration=settings)  # type: ignore[arg-type]
    began = time.perf_counter()
    for block in range(20):
        rows = vectors(50_000, seed=100 + block)
        for start in range(0, 50_000, 5_000):
            names = [f"{block}-{start + place}" for place in range(5_000)]
            held.upsert(ids=names, embeddings=rows[start : start + 5_000])  # type: ignore[arg-type]
        print(f"\r{(block + 1) * 50_000:,} of 1,000,000 vectors", end="", file=sys.stderr, flush=True)
    filled = time.perf_counter() - began
    queries = vectors(_QUERIES * 10, seed=1)
    held.query(query_embeddings=queries[:1], n_results=NEAREST, include=[])  # type: ignore[arg-type]
    times = [
        _timed(lambda query=query: held.query(query_embeddings=[query], n_results=NEAREST, include=[]))
        for query in queries
    ]
    client.close()
    return {"fill": filled, **{f"p{int(100 * q)}": 1000 * float(np.quantile(times, q)) for q in (0.5, 0.95)}}


def report(found: dict[str, Any]) -> None:
    rows = found["sizes"]
    print(f"{'':24s}" + "".join(f"{size:>12,}" for size in rows))
    for name in next(iter(rows.values())):
        unit_ = {"open": "s", "memory": "MB", "recall": "", "ten million additions": "s"}.get(name, "ms")
        print(f"{name + ' ' + unit_:24s}" + "".join(f"{row[name]:12.3f}" for row in rows.values()))
    judge(rows)
    print("\nother ways to retrieve, seconds a query (~: extrapolated)")
    for name, by_size in found["others"].items():
        print(f"{name:12s}" + "  ".join(f"{size}: {took:.4f}" for size, took in by_size.items()))
    if "million" in found:
        print(f"1,000,000 vectors, the search alone: {found['million']}")


def judge(rows: dict[int, dict[str, float]]) -> None:
    """Which bars the largest home meets."""
    row, most = rows[max(rows)], max(8.0, 2.0 * rows[min(rows)]["select p50"])
    bars = {"select p95": 20.0, "select p50": most, "write back p95": 60.0, "open": 3.0}
    met = {name: row[name] <= bar for name, bar in bars.items()} | {"recall": row["recall"] >= LEAST_RECALL}
    told = ", ".join(f"{name} {'met' if ok else 'MISSED'}" for name, ok in met.items())
    print(f"bars at {max(rows):,} cases: {told}")


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _pace() -> float:
    """Seconds that ten million additions take here and now: machines differ, and shared ones from minute to
    minute.
    """
    began, total = time.perf_counter(), 0
    for number in range(_ADDITIONS):
        total += number
    return (time.perf_counter() - began) * 10_000_000 / _ADDITIONS


def _resident() -> float:
    """What this process has in memory, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
