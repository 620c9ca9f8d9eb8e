"""The candidates of `auto`: the cases nearest the task, and some that did well, however far theirs is."""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memento.memory.advantage_q import Before
from memento.memory.case_bank import Candidate, CaseBank
from memento.memory.slate import CANDIDATES, usual_cosine

Vector = NDArray[np.float32]

PROVEN = 16
"""At most so many of the candidates are cases that did well."""


class Pool(NamedTuple):
    """The candidates, how many of the first are the nearest ones, nearest first, and the mean cosine of the
    task to all that are near, of which some had to give way.
    """

    candidates: list[Candidate]
    near: int
    usual: float


def pool_of(
    bank: CaseBank, vector: Vector, namespace: str, seen: Before, exclude: Collection[str] = ()
) -> Pool:
    """At most 64 candidates, without those in `exclude`. What did well elsewhere takes the place of the
    farthest near cases that did not.
    """
    proven = set(seen.promising(PROVEN))
    found = bank.search(vector, CANDIDATES, namespace, exclude, also=proven)
    near, elsewhere = found[:CANDIDATES], found[CANDIDATES:]
    others = [candidate.case_id for candidate in near if candidate.case_id not in proven]
    crowded_out = set(others[len(others) - len(elsewhere) :])
    kept = [candidate for candidate in near if candidate.case_id not in crowded_out]
    return Pool([*kept, *elsewhere], len(kept), usual_cosine(near) if near else 0.0)
