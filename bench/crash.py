"""Kill a process at random while it writes, imports, repairs, purges or migrates: what was lost?

    .venv/bin/python bench/crash.py --kills 200 --terms 50

Each trial forks a process that works on a home and says what the memory has acknowledged; it is ended by
kill -9 or SIGTERM at a random moment. Another process then opens the home and compares. What counts: cases
and rewards that were acknowledged and are gone, homes that do not open, differences between the case bank
and the ledger, and texts of purged cases that are in any file. Homes go on from trial to trial until they
hold 3,000 cases, so that Chroma's writing of its index, with every 250th change, is hit too. Exit code 1
where anything was found.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import chromadb
import chromadb.api.rust  # noqa: F401
import numpy as np

from memento.memory import Case, CaseBank, Home, RunRecord
from memento.memory.embeddings import KnownByName, unit
from memento.memory.home import CHROMA
from memento.memory.importing import import_file
from memento.memory.ledger import Reward
from memento.memory.repair import look, repair

DIMENSIONS = 32
FULL = 3_000
BULK = 200
FROM_ITS_BEGINNING = 2 / 3
"""The share of trials that are ended while they work, and not while they may be opening the home."""
OLD = Path(__file__).parents[1] / "tests" / "data" / "ledger_schema_1.sql"
OLD_CASES, OLD_RUNS = 3, 7
Say = Callable[[dict[str, Any]], None]


@dataclass
class Found:
    """What went wrong, and how often what was done."""

    trials: dict[str, int] = field(default_factory=dict)
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    differ: list[str] = field(default_factory=list)
    filled_anew: int = 0

    @property
    def ok(self) -> bool:
        return not (self.lost or self.closed or self.differ)


def vector_of(text: str) -> np.ndarray:
    """The same vector for the same text."""
    rng = np.random.default_rng(list(text.encode()))
    return unit(rng.standard_normal(DIMENSIONS).astype(np.float32))


def open_bank(home: Path) -> CaseBank:
    return CaseBank(home, KnownByName("crash"))


def single(home: Path, stamp: str, say: Say) -> None:
    """Runs with a case and a reward, one after another, some of them corrected, and cases without a run."""
    with open_bank(home) as bank:
        bank.sync()
        say({"begun": True})
        for turn in range(100_000):
            name = f"{stamp}-{turn}"
            if turn % 3 == 0:
                say({"case": bank.add(Case(task=name), vector_of(name))})
                continue
            reward = float(turn % 2)
            _run(bank, name, reward)
            say({"run": name, "reward": reward})
            if turn % 5 == 0:
                bank.ledger.feedback(name, 1.0 - reward)
                bank.sync()
                say({"run": name, "reward": 1.0 - reward})


def _run(bank: CaseBank, name: str, reward: float) -> None:
    vector, space = vector_of(name), bank.namespace
    texts: dict[str, Any] = {"task": name, "plan": [], "trajectory": [], "answer": "", "parents": []}
    case = Case.from_run(name, namespace=space, reward=reward, **texts)
    number = bank.ledger.next_number(space)
    run = RunRecord(run_id=name, namespace=space, number=number, vector=vector, arm="learned", task=name)
    with bank.home.at_work():
        bank.ledger.commit_run(run, Reward(reward=reward), case, vector)
        bank.sync()


def bulk(home: Path, stamp: str, say: Say) -> None:
    """Many cases at once."""
    with open_bank(home) as bank:
        bank.sync()
        say({"begun": True})
        for turn in range(100_000):
            names = [f"{stamp}-{turn}-{place}" for place in range(BULK)]
            for case_id in bank.add_many([Case(task=name) for name in names], [vector_of(n) for n in names]):
                say({"case": case_id})


def importing(home: Path, stamp: str, say: Say) -> None:
    """A file of cases; the next trial begins it again."""
    file = home.with_suffix(".jsonl")
    while True:
        if not file.exists():
            names = [f"{stamp}-import-{place}" for place in range(600)]
            rows = [{"task": name, "vector": vector_of(name).tolist()} for name in names]
            part = file.with_suffix(".part")
            part.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
            part.rename(file)
        with open_bank(home) as bank:
            bank.sync()
            say({"begun": True})
            import_file(bank, file)
            for row in map(json.loads, file.read_text().splitlines()):
                say({"case": Case(task=row["task"]).id})
        file.unlink()
        stamp += "+"


def repairing(home: Path, stamp: str, say: Say) -> None:
    """Filling Chroma anew, over and over; it acknowledges nothing but what was there."""
    with open_bank(home) as bank:
        if bank.count() < BULK:
            names = [f"{stamp}-{place}" for place in range(1_200)]
            for case_id in bank.add_many([Case(task=name) for name in names], [vector_of(n) for n in names]):
                say({"case": case_id})
    say({"begun": True})
    while True:
        with Home.open(home) as opened:
            repair(opened, anew=True)
        for aside in home.glob(f"{CHROMA}.broken-*"):
            shutil.rmtree(aside, ignore_errors=True)


def purging(home: Path, stamp: str, say: Say) -> None:
    """Cases that come and are purged."""
    with open_bank(home) as bank:
        if bank.count() < BULK:
            names = [f"{stamp}-{place}" for place in range(BULK)]
            bank.add_many([Case(task=name) for name in names], [vector_of(name) for name in names])
        bank.sync()
        say({"begun": True})
        for turn in range(100_000):
            text = f"xyzzy-{stamp}-{turn}"
            case_id = bank.add(Case(task=text), vector_of(text))
            bank.note(case_id, text)
            say({"case": case_id})
            say({"purging": case_id, "text": text})
            bank.purge(case_id)
            say({"purged": case_id})


def migrating(home: Path, _stamp: str, say: Say) -> None:
    """Opening homes of the first version."""
    for turn in range(100_000):
        old = home / f"{turn}"
        if not old.exists():
            part = home / f".{turn}"
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            with closing(sqlite3.connect(part / "ledger.sqlite3")) as connection:
                connection.executescript(OLD.read_text())
            part.rename(old)
        say({"old": turn})
        with CaseBank(old, KnownByName("test-words")) as bank:
            bank.sync()


WORK: dict[str, Callable[[Path, str, Say], None]] = {
    "single": single,
    "bulk": bulk,
    "import": importing,
    "repair": repairing,
    "purge": purging,
    "migrate": migrating,
}
LONGEST = {"single": 1.5, "bulk": 2.5, "import": 2.5, "repair": 2.5, "purge": 2.5, "migrate": 1.0}
"""Seconds within which a process is ended."""


def trial(
    kind: str, home: Path, stamp: str, ended_by: signal.Signals, wait: float, *, from_its_beginning: bool
) -> list[dict[str, Any]]:
    """Let a process work and end it, so many seconds after it started, or after it began its work once the
    home was open. Returns what it said was acknowledged.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _quietly(lambda: WORK[kind](home, stamp, lambda row: _say(writer, row)))
    os.close(writer)
    with os.fdopen(reader) as told:
        first = told.readline() if from_its_beginning else ""
        time.sleep(wait)
        os.kill(child, ended_by)
        lines = [first, *told.read().splitlines(keepends=True)]
    os.waitpid(child, 0)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _say(writer: int, row: dict[str, Any]) -> None:
    os.write(writer, f"{json.dumps(row)}\n".encode())


def _quietly(work: Callable[[], None]) -> None:
    """Do something in a forked process, and end it."""
    code = 1
    try:
        work()
        code = 0
    except BaseException as error:  # noqa: BLE001 - said to whoever reads the output
        print(f"{type(error).__name__}: {error}"[:300], file=sys.stderr)
    finally:
        os._exit(code)


def verdict(kind: str, home: Path, said: list[dict[str, Any]]) -> dict[str, Any] | None:
    """What a fresh process finds of all that was ever acknowledged in a home; None where it does not open."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        check = _check_old if kind == "migrate" else _check
        _quietly(lambda: _say(writer, check(home, said)))
    os.close(writer)
    with os.fdopen(reader) as told:
        text = told.read()
    _, status = os.waitpid(child, 0)
    return json.loads(text) if status == 0 and text else None


def _check(home: Path, said: list[dict[str, Any]]) -> dict[str, Any]:
    begun = {row["purging"]: row["text"] for row in said if "purging" in row}
    purged = {row["purged"] for row in said if "purged" in row}
    cases = [row["case"] for row in said if "case" in row and row["case"] not in begun]
    rewards = {row["run"]: row["reward"] for row in said if "run" in row}
    with open_bank(home) as bank:
        bank.sync()  # the bank looks after what a crash left at its first use
        there = {case.id: case for case in bank.all()}
        lost = [case_id for case_id in cases if case_id not in there]
        traces = [case_id for case_id in purged if case_id in there]
        traces += _texts_in(home, [text for case_id, text in begun.items() if case_id not in there])
        kept = {run["run_id"]: run for run in bank.ledger.runs()}
        known = {case.source_run: case for case in there.values()}
        for run_id, reward in rewards.items():
            run = kept.get(run_id)
            # What came after the last word that was heard may have been written too.
            if run is None or run["reward"] is None or run_id not in known:
                lost.append(run_id)
            elif known[run_id].reward != run["reward"]:
                lost.append(f"{run_id}: its case says {known[run_id].reward}, its run {run['reward']}")
            elif reward != run["reward"] and len((bank.ledger.run(run_id) or {})["rewards"]) < 2:  # noqa: PLR2004
                lost.append(f"{run_id}: the reward {reward} became {run['reward']}")
        found = {c.case_id for c in bank.search(vector_of("anywhere"), len(there) + 5)} if there else set()
        sample = list(there.values())[-50:]
        unfound = [c.task for c in sample if bank.search(vector_of(c.task), 1)[0].case_id != c.id]
    with Home.open(home) as opened:
        health = look(opened)
    differ = [] if health.ok else [health.chroma or str(health.namespaces)[:200]]
    if len(found) != len(there):
        differ.append(f"{len(found)} of {len(there)} cases are found")
    return {
        "lost": lost,
        "differ": differ + unfound[:1] + traces,
        "size": len(there),
        "anew": _forget_asides(home),
    }


def _check_old(home: Path, said: list[dict[str, Any]]) -> dict[str, Any]:
    lost, differ = [], []
    for turn in sorted({row["old"] for row in said})[-2:]:
        with CaseBank(home / f"{turn}", KnownByName("test-words")) as bank:
            if (bank.count(), len(bank.ledger.runs())) != (OLD_CASES, OLD_RUNS):
                lost.append(f"home {turn}")
            bank.search(np.ones(64, np.float32), 5)
        with Home.open(home / f"{turn}") as opened:
            differ += [] if look(opened).ok else [f"home {turn}"]
    return {"lost": lost, "differ": differ, "size": 0, "anew": 0}


def _texts_in(home: Path, texts: list[str]) -> list[str]:
    """Where texts are that should be in no file."""
    files = {file: file.read_bytes() for file in home.rglob("*") if file.is_file()} if texts else {}
    return [f"{text} is in {file}" for file, held in files.items() for text in texts if text.encode() in held]


def _forget_asides(home: Path) -> int:
    asides = list(home.glob(f"{CHROMA}.broken-*"))
    for aside in asides:
        shutil.rmtree(aside, ignore_errors=True)
    return len(asides)


def run(kills: int, terms: int, seed: int, folder: Path) -> Found:
    """So many trials, the kinds in turn."""
    rng, found = random.Random(seed), Found()
    ends = [signal.SIGKILL] * kills + [signal.SIGTERM] * terms
    rng.shuffle(ends)
    said: dict[Path, list[dict[str, Any]]] = {}
    homes = {kind: folder / f"{kind}-0" for kind in WORK}
    for number, ended_by in enumerate(ends):
        kind = list(WORK)[number % len(WORK)]
        home = homes[kind]
        begun = rng.random() < FROM_ITS_BEGINNING
        wait = rng.uniform(0.005, LONGEST[kind])
        told = trial(kind, home, f"t{number}", ended_by, wait, from_its_beginning=begun)
        said.setdefault(home, []).extend(told)
        found.trials[f"{kind}, {ended_by.name}"] = found.trials.get(f"{kind}, {ended_by.name}", 0) + 1
        found.acknowledged += sum("begun" not in row for row in told)
        if _opened(found, number, kind, home, said[home]) >= FULL or kind == "migrate":
            homes[kind] = folder / f"{kind}-{number}"
            shutil.rmtree(home, ignore_errors=True)
        if sys.stderr.isatty():
            print(f"\r{number + 1} of {len(ends)}", end="", file=sys.stderr)
    return found


def _opened(found: Found, number: int, kind: str, home: Path, said: list[dict[str, Any]]) -> int:
    """Look at a home after a trial, and return how many cases it holds."""
    if not home.exists() and not said:
        return 0
    seen = verdict(kind, home, said)
    if seen is None:
        found.closed.append(f"trial {number}, {kind}")
        return FULL
    found.lost += [f"trial {number}, {kind}: {what}" for what in seen["lost"]]
    found.differ += [f"trial {number}, {kind}: {what}" for what in seen["differ"]]
    found.filled_anew += seen["anew"]
    return int(seen["size"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--terms", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = run(options.kills, options.terms, options.seed, Path(folder))
    row = {
        "trials": found.trials,
        "acknowledged": found.acknowledged,
        "lost": found.lost,
        "homes that do not open": found.closed,
        "differences": found.differ,
        "filled anew": found.filled_anew,
    }
    if options.json:
        print(json.dumps(row))
    else:
        for name, value in row.items():
            print(f"{name}: {value if isinstance(value, dict | int) else len(value)}")
            if isinstance(value, list):
                print("".join(f"  {line}\n" for line in value[:20]), end="")
    sys.exit(not found.ok)


if __name__ == "__main__":
    main()
