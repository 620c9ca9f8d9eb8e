"""What the ledger's runs teach, held in memory and brought up to date by what changed since."""

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memento.memory import credit
from memento.memory.ledger import Ledger, OutcomeRow

Vector = NDArray[np.float32]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Evidence:
    """The outcomes that bear on one thing, in run order; all arrays have one entry an outcome.

    `states` holds the tasks' unit vectors, shape (outcomes, dimensions); `weights` the share of the run's
    credit times the reward's weight; `similarities` the cosine of the case and the task.
    """

    states: Vector
    rewards: Floats
    weights: Floats
    similarities: Floats


NO_EVIDENCE = Evidence(np.zeros((0, 0), np.float32), np.zeros(0), np.zeros(0), np.zeros(0))


@dataclass(frozen=True)
class Slots:
    """All that was ever shown, in run order; one entry a slot. `credited` is False where others of the run
    were used and this was not; `weights` is the reward's weight over the number of cases shown.
    """

    similarities: Floats
    rewards: Floats
    weights: Floats
    credited: NDArray[np.bool_]


class Outcomes:
    """A namespace's outcomes. A function of the ledger alone: the order in which rewards came is no part
    of it, since everything is summed in run order.
    """

    def __init__(self, ledger: Ledger, namespace: str) -> None:
        self._ledger = ledger
        self._namespace = namespace
        self._revision = 0
        self._runs: dict[tuple[int, str], OutcomeRow] = {}
        self._by_case: dict[str, set[tuple[int, str]]] = {}
        self._without: set[tuple[int, str]] = set()
        self._evidence: dict[str | None, Evidence] = {}
        self._slots: dict[tuple[int, str], Floats] = {}
        self._all_slots: Slots | None = None
        self._rewarded: list[OutcomeRow] | None = None
        self._lock = threading.RLock()

    @property
    def namespace(self) -> str:
        return self._namespace

    def refresh(self) -> None:
        """Take in what was written since the last time, by this process or another."""
        with self._lock:
            for row in self._ledger.outcomes_since(self._namespace, self._revision):
                self._revision = max(self._revision, row.revision)
                self._take(row)

    def of(self, case_id: str | None) -> Evidence:
        """The evidence on a case, or with None that of the runs in which nothing was shown."""
        with self._lock:
            found = self._evidence.get(case_id)
            if found is None:
                keys = self._without if case_id is None else self._by_case.get(case_id, set())
                found = self._evidence[case_id] = self._collect(case_id, sorted(keys))
            return found

    def slots(self) -> Slots:
        """Every slot of every run that has a reward."""
        with self._lock:
            if self._all_slots is None:
                rows = [self._slots[key] for key in sorted(self._slots)]
                table = np.concatenate([np.zeros((0, 4)), *rows])
                self._all_slots = Slots(table[:, 0], table[:, 1], table[:, 2], table[:, 3] > 0)
            return self._all_slots

    def rewarded(self) -> list[OutcomeRow]:
        """The runs that have a reward, in run order. A run's row is the same object until something new is
        written about it.
        """
        with self._lock:
            if self._rewarded is None:
                rows = (self._runs[key] for key in sorted(self._runs))
                self._rewarded = [row for row in rows if row.reward is not None]
            return self._rewarded

    def usual_cosine(self) -> tuple[float, int]:
        """The mean cosine of tasks to their candidates, and over how many runs."""
        with self._lock:
            rows = (self._runs[key] for key in sorted(self._runs))
            cosines = [row.candidate_cosine for row in rows if row.candidate_cosine is not None]
            return (float(np.mean(cosines)) if cosines else 0.0), len(cosines)

    def _take(self, row: OutcomeRow) -> None:
        key = (row.number, row.run_id)
        self._runs[key] = row
        self._rewarded = None
        if row.reward is None:
            return
        self._all_slots = None
        if row.shown:
            self._slots[key] = _slot_table(row, row.reward)
        else:
            self._without.add(key)
            self._evidence.pop(None, None)
        for slot in row.shown:
            self._by_case.setdefault(slot.case_id, set()).add(key)
            self._evidence.pop(slot.case_id, None)

    def _collect(self, case_id: str | None, keys: list[tuple[int, str]]) -> Evidence:
        states, rewards, weights, similarities = [], [], [], []
        for key in keys:
            row = self._runs[key]
            share = 1.0
            if case_id is not None:
                share = credit.shares({slot.case_id: slot.used for slot in row.shown})[case_id]
                similarities.append(next(s.similarity for s in row.shown if s.case_id == case_id))
            states.append(row.vector)
            rewards.append(row.reward)
            weights.append(share * row.weight)
        if not states:
            return NO_EVIDENCE
        return Evidence(
            np.stack(states),
            np.asarray(rewards, dtype=np.float64),
            np.asarray(weights, dtype=np.float64),
            np.asarray(similarities, dtype=np.float64),
        )


def _slot_table(row: OutcomeRow, reward: float) -> Floats:
    """Shape (slots, 4): the columns of `Slots`."""
    shares = credit.shares({slot.case_id: slot.used for slot in row.shown})
    weight = row.weight / len(row.shown)
    return np.asarray(
        [[slot.similarity, reward, weight, shares[slot.case_id]] for slot in row.shown], dtype=np.float64
    )
