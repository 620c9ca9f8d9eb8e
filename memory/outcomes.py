"""What a namespace's runs teach, held in memory and brought up to date by what changed since."""

import threading
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memento.memory import credit
from memento.memory.components import COMPONENTS
from memento.memory.ledger import Ledger, OutcomeRow
from memento.memory.lessons import REGRESSORS, Lesson, count_rewarded, read_after, read_changed, read_last

Vector = NDArray[np.float32]
Floats = NDArray[np.float64]
Key = tuple[int, str]

HORIZON = 10_000
"""How many of the newest runs are read: to open a ledger costs the same however long it is."""
NEWEST = 64
"""So many of a case's outcomes among these are looked at: a choice costs the same however many there are."""
WINDOW = 1024
"""How many of the newest runs say what is expected without cases, and of cases at large."""


@dataclass(frozen=True)
class Evidence:
    """The outcomes of one case in run order; all arrays have one entry an outcome. `directions` has shape
    (outcomes, 48) and `regressors` (outcomes, 28); `weights` are the rewards' and `shares` the case's of the
    credit.
    """

    directions: Vector
    regressors: Floats
    rewards: Floats
    weights: Floats
    shares: Floats

    @classmethod
    def of(cls, lessons: Sequence[Lesson], case_id: str) -> "Evidence":
        """The evidence in runs that showed the case and have a reward."""
        directions = [np.zeros(0, np.float32), *[lesson.direction for lesson in lessons]]
        regressors = [np.zeros(0), *[lesson.regressors for lesson in lessons]]
        return cls(
            np.concatenate(directions).reshape(-1, COMPONENTS),
            np.concatenate(regressors).reshape(-1, REGRESSORS),
            np.asarray([lesson.reward for lesson in lessons], np.float64),
            np.asarray([lesson.weight for lesson in lessons], np.float64),
            np.asarray([lesson.shares[case_id] for lesson in lessons], np.float64),
        )


class Outcomes:
    """A namespace's outcomes. A function of the ledger alone: the order in which rewards came is no part
    of it, since everything is summed in run order. While what planners said they used follows success in the
    newest runs, all cases that were shown share the credit.
    """

    def __init__(self, ledger: Ledger, namespace: str) -> None:
        self._ledger = ledger
        self._namespace = namespace
        self._lock = threading.RLock()
        self._purges = 0
        self._forget()

    def _forget(self) -> None:
        self._last = self._revision = 0
        self._window: dict[Key, Lesson] = {}
        self._guarded = False
        self._cases: dict[str, dict[Key, Lesson]] = {}
        self._evidence: dict[str, tuple[int, Evidence]] = {}  # with the number of its oldest run
        self._rewarded: list[OutcomeRow] = []
        self._rewarded_keys: list[Key] = []
        self._rewarded_revision = 0

    @property
    def namespace(self) -> str:
        return self._namespace

    def refresh(self) -> None:
        """Take in what was written since the last time, by this process or another."""
        with self._lock:
            purges = self._ledger.purges()
            if purges != self._purges:
                self._forget()
                self._purges = purges
            if self._revision:
                changed = read_changed(self._ledger, self._namespace, self._revision)
            else:
                self._last = read_last(self._ledger, self._namespace)
                changed = read_after(self._ledger, self._namespace, self._last - HORIZON)
            for lesson in changed:
                self._take(lesson)
            self._window = {key: one for key, one in self._window.items() if key[0] > self._last - WINDOW}
            if changed:
                self._guard()

    def of(self, case_ids: Sequence[str]) -> list[Evidence]:
        """The newest outcomes of each case, in the order of the cases."""
        with self._lock:
            return [self._evidence_of(case_id) for case_id in case_ids]

    def recent(self) -> tuple[int, list[Lesson]]:
        """The number of the newest run, and those of the newest 1,024 that have a reward, in run order."""
        with self._lock:
            return self._last, [self._read(self._window[key]) for key in sorted(self._window)]

    def total(self) -> int:
        """How many runs have a reward."""
        return count_rewarded(self._ledger, self._namespace)

    def rewarded(self) -> list[OutcomeRow]:
        """All runs that have a reward, in run order. A run's row is the same object until something new is
        written about it.
        """
        with self._lock:
            for row in self._ledger.outcomes_since(self._namespace, self._rewarded_revision):
                self._rewarded_revision = max(self._rewarded_revision, row.revision)
                if row.reward is not None:
                    self._take_rewarded(row)
            return self._rewarded

    def _take_rewarded(self, row: OutcomeRow) -> None:
        key, keys = (row.number, row.run_id), self._rewarded_keys
        place = bisect_left(keys, key)
        if place < len(keys) and keys[place] == key:
            self._rewarded[place] = row
        else:
            keys.insert(place, key)
            self._rewarded.insert(place, row)

    def _take(self, lesson: Lesson) -> None:
        self._revision = max(self._revision, lesson.revision)
        self._last = max(self._last, lesson.number)
        if lesson.reward is None or lesson.number <= self._last - HORIZON:
            return
        self._window[lesson.key] = lesson
        for case_id in lesson.shares:
            known = self._cases.setdefault(case_id, {})
            known[lesson.key] = lesson
            if len(known) > NEWEST:
                del known[min(known)]
            self._evidence.pop(case_id, None)

    def _guard(self) -> None:
        guarded = credit.citations_follow_success(
            (lesson.use_is, lesson.reward, lesson.used.values()) for lesson in self._window.values()
        )
        if guarded != self._guarded:
            self._guarded = guarded
            self._evidence = {}

    def _read(self, lesson: Lesson) -> Lesson:
        return lesson.doubted if self._guarded and lesson.doubted else lesson

    def _evidence_of(self, case_id: str) -> Evidence:
        beyond = self._last - HORIZON
        held = self._evidence.get(case_id)
        if held is None or held[0] <= beyond:
            known = self._cases.get(case_id, {})
            keys = sorted(key for key in known if key[0] > beyond)
            oldest = keys[0][0] if keys else self._last
            lessons = [self._read(known[key]) for key in keys]
            held = self._evidence[case_id] = oldest, Evidence.of(lessons, case_id)
        return held[1]
