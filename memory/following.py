"""Which of the shown cases a planner is expected to follow.

Cases that did the same (memory/form.py) make one pattern, and a run follows one pattern or none: the
likelier, the closer the pattern's nearest task is to its own (as a cue calls up what is most like it;
Shepard 1957, Luce 1959),

    P(pattern g | slate) = exp(β·max_{c in g} cos(s,c)) / Σ_g' exp(β·max_{c in g'} cos(s,c))

and within a pattern its cases share equally. β comes from the runs that were seen to follow a pattern. Where
a shown case says nothing of what it did, nothing tells patterns apart, and all cases share equally.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

SHARPNESS = np.asarray([0.0, 2.0, 4.0, 8.0, 16.0, 32.0])
_PRIOR = np.asarray([0.05, 0.1, 0.15, 0.3, 0.3, 0.1])
USUAL_SHARPNESS = float(_PRIOR @ SHARPNESS)
_OTHERWISE = 1e-3
"""How likely a run is to follow a pattern for another reason."""


def sharpness(runs: Places, did: Places, cosines: Floats, shares: Floats) -> float:
    """The posterior mean of β, from the shown cases of runs in run order: the run that each belongs to, what
    it did (0 where that is not known), its cosine to the task and its share of the credit; shape (slots,).
    """
    log = np.log(_PRIOR)
    for places in np.split(np.arange(len(runs)), np.flatnonzero(np.diff(runs)) + 1):
        followed = shares[places] > 0
        if followed.any() and not followed.all() and did[places].all():
            expected = [expected_shares(did[places], cosines[places], beta)[followed] for beta in SHARPNESS]
            log = log + np.log(np.sum(expected, axis=1) + _OTHERWISE)
    weights = np.exp(log - log.max())
    return float(weights @ SHARPNESS / weights.sum())


def expected_shares(did: Places, cosines: Floats, beta: float) -> Floats:
    """What share of the credit each case of one slate is expected to get, shape (cases,)."""
    if not did.all():
        return np.full(len(did), 1.0 / len(did))
    patterns, which, sizes = np.unique(did, return_inverse=True, return_counts=True)
    nearest = np.full(len(patterns), -np.inf)
    np.maximum.at(nearest, which, cosines)
    pull = np.exp(beta * (nearest - nearest.max()))
    return np.asarray((pull / pull.sum() / sizes)[which])


def shares_by_size(did: Places, cosines: Floats, beta: float) -> Floats:
    """The same of the first case, the first two, ... of many slates: shape (slates, k, k) for slates of shape
    (slates, k), the size before the case.
    """
    slates, k = did.shape
    shares = np.zeros((slates, k, k))
    nearest, count = np.full((slates, k), -np.inf), np.zeros((slates, k))
    top, blind = np.full((slates, 1), -np.inf), np.zeros((slates, 1), dtype=bool)
    for rank in range(k):
        here, now = cosines[:, rank, None], slice(None, rank + 1)
        same = did == did[:, rank, None]
        nearest = np.where(same, np.maximum(nearest, here), nearest)
        count += same
        top = np.maximum(top, here)
        blind |= did[:, rank, None] == 0
        pull = np.exp(beta * (nearest[:, now] - top)) / count[:, now]
        pull[blind[:, 0]] = 1.0
        shares[:, rank, now] = pull / pull.sum(axis=1, keepdims=True)
    return shares
