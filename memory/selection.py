"""What was chosen for one task, and the ledger's record of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from memento.memory.ledger import RunRecord
from memento.memory.shown import Shown

Vector = NDArray[np.float32]
Arm = Literal["none", "similarity", "learned"]


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What was chosen for one task, and with which probabilities.

    `arm` is "none" (the floor, or the policy of that name), "similarity" or "learned" (which may show
    nothing), and `arm_propensity` its probability. `stop_propensity` is that of the slate's ending where it
    ends, None where it is full; on the floor, that of the other arms' showing nothing. `slate_propensity`
    is the probability of all that was shown, in this order, and `empty_propensity` that of showing nothing,
    both over all arms. Of `auto` these, and each slot's, are frequencies among the draw that counts and 64
    others: never below 1/65, so too great for slates that are rarer; `empty_propensity` leaves out the one
    that counts. `explored` slates are shown to learn from them. `expected` is the reward that the policy
    expects of what it shows, `without` that of showing nothing (`without_std` its standard deviation),
    `gained` what the shown slate is promised to add to the better of nothing and the nearest cases, and
    `forgone` what the best known would have, where exploring that was paid for took its place. `candidates`
    holds (case id, similarity, Q) of all that were considered; `usual_cosine` is what cases that have
    nothing to do with the task are expected to have; `shared` the namespace whose cases were candidates
    too. What a policy does not know is None.
    """

    run_id: str
    number: int
    namespace: str
    shared: str | None = None
    policy: str
    arm: Arm
    arm_propensity: float
    cases: list[Shown] = field(default_factory=list)
    stop_propensity: float | None = None
    slate_propensity: float | None = None
    empty_propensity: float | None = None
    explored: bool | None = None
    expected: float | None = None
    without: float | None = None
    without_std: float | None = None
    forgone: float | None = None
    gained: float | None = None
    usual_cosine: float | None = None
    candidates: list[tuple[str, float, float]] = field(default_factory=list)
    vector: Vector


PLAIN = tuple(f.name for f in fields(Selection) if f.name not in {"cases", "candidates", "vector"})
"""The fields of a selection that are plain values, under the names that they have in the ledger."""


def run_record(selection: Selection, shown: Sequence[Shown], **about: object) -> RunRecord:
    """The ledger's record of a selection, with `about` filling in the rest of the run."""
    return RunRecord(
        **{name: getattr(selection, name) for name in PLAIN},
        vector=selection.vector,
        candidates=selection.candidates,
        shown=shown,
        **about,  # type: ignore[arg-type]
    )
