"""Runs as trials of the model of advantage."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memento.memory import credit
from memento.memory.advantage_terms import FEATURES, TASK_PARTS, Cases, Trials
from memento.memory.components import COMPONENTS, components, directions
from memento.memory.hubs import Hubs
from memento.memory.runs import Run, Slot, code

Vector = NDArray[np.float32]
Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


class Marks(NamedTuple):
    """What is known of cases beside the newest runs that showed them: which are hubs, and the records that
    they had before, by their codes (memory/earlier.py).
    """

    hubs: Hubs
    records: Mapping[int, float]


NO_MARKS = Marks(Hubs({}, 0.0), {})


def trials_of(rows: Sequence[Run], marks: Marks, *, guarded: bool) -> Trials:
    """The runs, all with a reward, as trials."""
    dimensions = rows[0].vector.size if rows else COMPONENTS
    vectors = np.stack([row.vector for row in rows]) if rows else np.zeros((0, dimensions), np.float32)
    parts = components(vectors)
    tasks = directions(parts).astype(np.float32)
    slots, places, shares = [], [], []
    for place, row in enumerate(rows):
        doubted = guarded and row.use_is == credit.SAID
        share = credit.shares({slot.case_id: slot.used for slot in row.slots}, doubted=doubted)
        for slot in row.slots:
            slots.append((slot, row.usual, tasks[place]))
            places.append(place)
            shares.append(share[slot.case_id])
    return Trials(
        tasks=tasks,
        parts=parts[:, :TASK_PARTS],
        sizes=np.asarray([len(row.slots) for row in rows], np.int64),
        rewards=np.asarray([row.reward for row in rows], np.float64),
        weights=np.asarray([row.weight for row in rows], np.float64),
        slots=_cases(slots, marks),
        slot_runs=np.asarray(places, np.int64),
        slot_shares=np.asarray(shares, np.float64),
    )


def features(
    deviations: Floats, match: Floats, doubts: Floats, dissent: Floats, codes: Codes, marks: Marks
) -> Floats:
    """φ, shape (cases, 7)."""
    hubness = [marks.hubs.hubness(case) for case in codes.tolist()]
    records = [marks.records.get(case, 0.0) for case in codes.tolist()]
    columns = (np.ones(len(codes)), deviations, match, doubts, hubness, records, dissent)
    return np.stack(columns, axis=1)


def _cases(slots: Sequence[tuple[Slot, float, Vector]], marks: Marks) -> Cases:
    nowhere = np.zeros(COMPONENTS, np.float16)
    looks = [nowhere if s.direction is None else np.frombuffer(s.direction, np.float16) for s, _, _ in slots]
    directions = np.asarray(looks, np.float32).reshape(-1, COMPONENTS)
    tasks = np.asarray([task for _, _, task in slots], np.float32).reshape(-1, COMPONENTS)
    deviations = np.asarray([slot.similarity - usual for slot, usual, _ in slots], np.float64)
    doubts = np.asarray([slot.doubt or 0.0 for slot, _, _ in slots], np.float64)
    dissent = np.asarray([slot.dissent or 0.0 for slot, _, _ in slots], np.float64)
    match = np.einsum("ij,ij->i", directions, tasks)
    codes = np.asarray([code(slot.case_id) for slot, _, _ in slots], np.int64)
    return Cases(
        codes=codes,
        did=np.asarray([code(slot.did) for slot, _, _ in slots], np.int64),
        form=np.asarray([code(slot.form or slot.did) for slot, _, _ in slots], np.int64),
        directions=directions,
        features=features(deviations, match, doubts, dissent, codes, marks).reshape(-1, FEATURES),
    )
