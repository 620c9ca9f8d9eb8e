"""How far a case contradicts what other cases on like tasks did.

Cases that succeeded vote for the form of what they did (memory/form.py), the more the closer their tasks. A
case c that did it in form g is behind the form with the most votes by

    dissent(c) = (max_h V_h(c) − V_g(c)) / (Σ_h V_h(c) + .3),   V_h(c) = Σ_c' w(c,c')·1[form of c' = h]

over the others that succeeded and tell what they did, where w(c,c') = exp((cos(c,c') − 1)/.12). It is near 1
where like cases all did one other thing, and 0 where most did the same or there are none. A case that is
marked as a success and contradicts its neighbours is often a wrong one, as the answer that most samples
agree on is most often right (Wang et al. 2023, on self-consistency). What that costs is learned: it is a
feature of the model of advantage. Agreement is none: how much there is says how many like cases there are,
not whether they are right.
"""

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

_WIDTH = 0.12
_FEW = 0.3


def dissents(vectors: Vectors, succeeded: NDArray[np.bool_], form: Codes) -> Floats:
    """Of each case from the others, shape (cases,). `vectors` are of unit length, shape (cases, dimensions);
    `form` says by codes how they did what they did, 0 where that is not known.
    """
    voters = succeeded & (form != 0)
    if not voters.any():
        return np.zeros(len(form))
    weights = np.exp((vectors @ vectors[voters].T - 1.0) / _WIDTH).astype(np.float64)
    weights[np.flatnonzero(voters), np.arange(int(voters.sum()))] = 0.0
    forms, which = np.unique(form[voters], return_inverse=True)
    votes = weights @ np.eye(len(forms))[which]
    own = (votes * (form[:, None] == forms)).sum(axis=1)
    behind = (votes.max(axis=1) - own) / (votes.sum(axis=1) + _FEW)
    return np.where(form != 0, behind, 0.0)
