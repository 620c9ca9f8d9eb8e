"""Slates that are open to a choice, and what the model promises of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from memento.memory.advantage import Belief, Hyper
from memento.memory.advantage_q import Believed
from memento.memory.case_bank import Candidate
from memento.memory.following import shares_by_size
from memento.memory.slate import AGREEMENT, NEAR_DUPLICATE

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

_LEAST_COMPANY = 0.05


@dataclass(frozen=True)
class Drawn:
    """Some slates: places among the candidates, shape (draws, k), -1 where none is open any more; what share
    of the credit each case of the first so many is expected to get, shape (draws, k, k), the number before
    the case; and how many of the first so many tell what they did, beside one, shape (draws, k).
    """

    places: Places
    shares: Floats
    further: Floats

    @property
    def lengths(self) -> Places:
        return np.asarray((self.places >= 0).sum(axis=1))

    @property
    def first(self) -> Self:
        """The first of them alone."""
        return replace(self, places=self.places[:1], shares=self.shares[:1], further=self.further[:1])

    def times(self, count: int) -> Self:
        """One slate, so often."""
        same = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return replace(self, **{name: np.broadcast_to(a, (count, *a.shape[1:])) for name, a in same.items()})


@dataclass(frozen=True)
class Slates:
    """What is open to a choice: the model's belief of the candidates and its φ, what each did (0 where that
    is not known), how much each would add beside each other, shape (candidates, candidates), which are
    near-duplicates of which, and how many of the first are the nearest ones.
    """

    belief: Belief
    features: Floats
    did: Places
    agreement: Floats
    duplicates: NDArray[np.bool_]
    nearest: int
    hyper: Hyper
    k: int

    @property
    def told(self) -> bool:
        """Whether any candidate tells what it did."""
        return bool(self.did.any())

    def drawn(self, scores: Floats) -> Drawn:
        """The slates of the greatest scores, which have shape (draws, candidates)."""
        draws, count = scores.shape
        rows = np.arange(draws)
        picked = np.full((draws, self.k), -1, np.int64)
        left, bonus = scores.copy(), np.zeros((draws, count))
        agree = self.agreement.any()
        for rank in range(min(self.k, count)):
            worth = left + bonus if agree else left
            best = worth.argmax(axis=1)
            some = np.isfinite(left[rows, best])
            picked[some, rank] = best[some]
            left[self.duplicates[best]] = -np.inf
            if agree:
                np.maximum(bonus, self.agreement[best], out=bonus)
        return self._with_shares(picked)

    def alone(self, scores: Floats) -> Drawn:
        """The case of the greatest score, by itself, of each row of scores, shape (draws, candidates)."""
        picked = np.full((len(scores), self.k), -1, np.int64)
        picked[:, 0] = scores.argmax(axis=1)
        shares = np.zeros((len(scores), self.k, self.k))
        shares[:, :, 0] = 1.0
        return Drawn(picked, shares, np.zeros((len(scores), self.k)))

    def near(self) -> Drawn:
        """The slate of the K nearest, once."""
        order = np.arange(len(self.belief.mean), dtype=np.float64)
        open_ = replace(self, agreement=np.zeros_like(self.agreement))
        return open_.drawn(np.where(order < self.nearest, -order, -np.inf)[None, :])

    def values(self, drawn: Drawn, scores: Floats, rho: Floats, kappa: Floats) -> Floats:
        """(1 + ρ(m−1))·Σ share·score of the first m of each slate + κ·further, shape (draws, k); -inf beyond
        its end. Scores have shape (draws, candidates), ρ and κ (draws,).
        """
        there = drawn.places >= 0
        held = np.take_along_axis(scores, np.maximum(drawn.places, 0), axis=1) * there
        mean = np.matmul(drawn.shares, held[:, :, None])[:, :, 0]
        company = np.maximum(1.0 + rho[:, None] * np.arange(self.k), _LEAST_COMPANY)
        return np.where(there, mean * company + kappa[:, None] * drawn.further, -np.inf)

    def promised(self, drawn: Drawn, sizes: Places, scores: Floats | None = None) -> Floats:
        """What the first `sizes` cases of each slate are promised to add to nothing, by the mean of what is
        believed or by other scores, shape (draws,).
        """
        count = len(sizes)
        if scores is None:
            scores = np.broadcast_to(self.belief.mean, (count, len(self.belief.mean)))
        rho, kappa = np.full(count, self.hyper.rho), np.full(count, self.belief.company)
        return np.asarray(self.values(drawn, scores, rho, kappa)[np.arange(count), sizes - 1])

    def common_std(self, drawn: Drawn, sizes: Places) -> Floats:
        """The standard deviation of what the first cases of each slate share with all cases, times the
        company they are in; shape (draws,).
        """
        rows = np.arange(len(sizes))
        held = self.features[np.maximum(drawn.places, 0)]
        mean = np.matmul(drawn.shares[rows, sizes - 1][:, None, :], held)[:, 0]
        variance = ((mean @ self.belief.common) * mean).sum(axis=1)
        company = np.maximum(1.0 + self.hyper.rho * (sizes - 1), _LEAST_COMPANY)
        more = self.belief.company_std * drawn.further[rows, sizes - 1]
        return np.asarray(np.sqrt(np.maximum(variance, 0.0) * company**2 + more**2))

    def _with_shares(self, picked: Places) -> Drawn:
        there, held = picked >= 0, np.maximum(picked, 0)
        further = np.maximum(np.cumsum((self.did[held] != 0) & there, axis=1) - 1.0, 0.0)
        if self.told:
            shares = shares_by_size(self.did[held], self.features[held, 1], self.hyper.sharpness)
        else:
            sizes = np.arange(1, self.k + 1)
            alike = np.tri(self.k) / sizes[:, None]
            shares = np.broadcast_to(alike, (len(picked), self.k, self.k))
        return Drawn(picked, shares, np.asarray(further))


def slates_of(
    candidates: Sequence[Candidate], nearest: int, believed: Believed, hyper: Hyper, k: int
) -> Slates:
    """What is open among the candidates, of which the first `nearest` are the nearest, in that order."""
    vectors = np.stack([candidate.vector for candidate in candidates])
    cosines = (vectors @ vectors.T).astype(np.float64)
    kinds: dict[Any, int] = {}
    did = np.asarray([kinds.setdefault((c.tools, c.outcome), len(kinds)) for c in candidates])
    same = did[:, None] == did[None, :]
    duplicates = same & (cosines >= NEAR_DUPLICATE)
    np.fill_diagonal(duplicates, val=True)
    leads = np.asarray([bool(c.tools) and c.outcome == "success" for c in candidates])
    agreement = np.where(same & leads[:, None], AGREEMENT * np.maximum(cosines, 0.0), 0.0)
    return Slates(
        belief=believed.belief,
        features=believed.features,
        did=believed.did,
        agreement=agreement,
        duplicates=duplicates,
        nearest=nearest,
        hyper=hyper,
        k=k,
    )
