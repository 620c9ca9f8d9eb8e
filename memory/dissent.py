"""How far a case contradicts what other cases on like tasks did.

Cases that succeeded vote on how tasks like theirs are solved, the more the closer their tasks. Of a case c

    dissent(c) = max(0, Σ_c' w(c,c')·(1 − 2·common(c,c')) / (Σ_c' w(c,c') + .5))

over the others that succeeded and tell what they did, where w(c,c') = exp((cos(c,c') − 1)/.12), and common
is what they have in common (memory/form.py). It is near 1 where like cases called other tools, and 0 where
most of them did the same or there are none. A case that is marked as a success and contradicts its
neighbours is often a wrong one, as the answer that most samples agree on is most often right (Wang et al.
2023, on self-consistency). What that costs is learned: it is a feature of the model of advantage. Agreement
is none: how much there is says how many like cases there are, not whether they are right.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memento.memory.case_bank import Candidate
from memento.memory.form import in_common_of

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

_WIDTH = 0.12
_FEW = 0.5


def dissents(candidates: Sequence[Candidate], did: Codes, form: Codes) -> Floats:
    """Of each candidate from the others, shape (candidates,). Codes say which tools they called and in which
    form, 0 where that is not known.
    """
    voters = np.asarray([candidate.outcome == "success" for candidate in candidates]) & (form != 0)
    if not voters.any():
        return np.zeros(len(candidates))
    vectors = np.stack([candidate.vector for candidate in candidates])
    weights = np.exp((vectors @ vectors[voters].T - 1.0) / _WIDTH).astype(np.float64)
    weights[np.flatnonzero(voters), np.arange(int(voters.sum()))] = 0.0
    same_tools, same_form = did[:, None] == did[voters], form[:, None] == form[voters]
    against = (weights * (1.0 - 2.0 * in_common_of(same_tools, same_form))).sum(axis=1)
    return np.where(form != 0, np.maximum(against, 0.0) / (weights.sum(axis=1) + _FEW), 0.0)
