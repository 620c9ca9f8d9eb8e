"""What came of the shown slates beyond what happens without cases, as that is known now."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from memento.memory.advantage import Posterior
from memento.memory.advantage_terms import TASK_PARTS
from memento.memory.components import components
from memento.memory.promises import CAME, KIND, SIMILARITY, WEIGHT, Account
from memento.memory.runs import Run

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Accounts:
    """Of some slates in run order: `rows`, shape (slates, 7), with what came as it is; and the components of
    their tasks, shape (slates, 24).
    """

    rows: Floats
    parts: Floats

    def beyond(self, posterior: Posterior) -> Floats:
        """The rows with what came beyond b(s), shape (slates, 7)."""
        found = self.rows.copy()
        found[:, CAME] -= posterior.baseline_of(self.parts)
        return found

    def of_nearest(self, counting: float) -> Self:
        """Those of slates of the nearest cases, each counting for so much of itself."""
        which = self.rows[:, KIND] == SIMILARITY
        rows = self.rows[which]
        rows[:, WEIGHT] *= counting
        return type(self)(rows, self.parts[which])


def accounts_of(runs: Sequence[Run]) -> Accounts:
    """Those of the runs that have one."""
    shown = [(run.account, run.vector) for run in runs if run.account is not None]
    rows = np.asarray([account for account, _ in shown], np.float64).reshape(-1, len(Account._fields))
    if not shown:
        return Accounts(rows, np.zeros((0, TASK_PARTS)))
    return Accounts(rows, components(np.stack([vector for _, vector in shown]))[:, :TASK_PARTS])
