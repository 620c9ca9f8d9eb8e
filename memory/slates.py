"""Slates that are open to a choice, and what the model promises of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from memento.memory.advantage import Belief
from memento.memory.advantage_q import Believed
from memento.memory.advantage_terms import Hyper
from memento.memory.case_bank import Candidate
from memento.memory.following import shares_by_size
from memento.memory.likeness import Likeness, likeness_of

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

    @cached_property
    def lengths(self) -> Places:
        return np.asarray((self.places >= 0).sum(axis=1))

    @cached_property
    def held(self) -> Places:
        """The places, and 0 beyond a slate's end."""
        return np.maximum(self.places, 0)

    def rows(self, which: slice) -> Self:
        """Some of them."""
        return replace(
            self, places=self.places[which], shares=self.shares[which], further=self.further[which]
        )

    def times(self, count: int) -> Self:
        """One slate, so often."""
        same = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return replace(self, **{name: np.broadcast_to(a, (count, *a.shape[1:])) for name, a in same.items()})


@dataclass(frozen=True)
class Slates:
    """What is open to a choice: the model's belief of the candidates and its φ, the form of what each did (0
    where that is not known), how much each would add beside each other, shape (candidates, candidates), which
    are near-duplicates of which, and how many of the first are the nearest ones.
    """

    belief: Belief
    features: Floats
    form: Places
    likeness: Likeness
    nearest: int
    hyper: Hyper
    k: int

    @property
    def told(self) -> bool:
        """Whether any candidate tells what it did."""
        return bool(self.form.any())

    def pick(self, scores: Floats) -> Places:
        """Those of the slates of the greatest scores, which have shape (draws, candidates); shape
        (draws, k), -1 where none is open any more.
        """
        draws, count = scores.shape
        rows = np.arange(draws)
        picked = np.full((draws, self.k), -1, np.int64)
        left, bonus = scores.copy(), np.zeros((draws, count))
        agree = self.likeness.agreement.any()
        for rank in range(min(self.k, count)):
            worth = left + bonus if agree else left
            best = worth.argmax(axis=1)
            picked[:, rank] = np.where(np.isfinite(left[rows, best]), best, -1)
            np.copyto(left, -np.inf, where=self.likeness.duplicates[best])
            if agree:
                np.maximum(bonus, self.likeness.agreement[best], out=bonus)
        return picked

    def pick_singles(self, scores: Floats) -> Places:
        """That of the case of the greatest score, by itself, of each row of scores, as slates."""
        picked = np.full((len(scores), self.k), -1, np.int64)
        picked[:, 0] = scores.argmax(axis=1)
        return picked

    def pick_nearest(self) -> Places:
        """Those of the slate of the K nearest, shape (1, k)."""
        picked: list[int] = []
        for place in range(self.nearest):
            if len(picked) < self.k and not self.likeness.duplicates[picked, place].any():
                picked.append(place)
        return np.asarray([picked + [-1] * (self.k - len(picked))], np.int64)

    def with_shares(self, picked: Places) -> Drawn:
        """These slates, with what share of the credit each case is expected to get."""
        there, held = picked >= 0, np.maximum(picked, 0)
        further = np.maximum(np.cumsum((self.form[held] != 0) & there, axis=1) - 1.0, 0.0)
        if self.told:
            shares = shares_by_size(self.form[held], self.features[held, 1], self.hyper.sharpness)
        else:
            sizes = np.arange(1, self.k + 1)
            alike = np.tri(self.k) / sizes[:, None]
            shares = np.broadcast_to(alike, (len(picked), self.k, self.k))
        return Drawn(picked, shares, np.asarray(further))

    def values(self, drawn: Drawn, held: Floats, rho: Floats, kappa: Floats) -> Floats:
        """(1 + ρ(m−1))·Σ share·score of the first m of each slate + κ·further, shape (draws, k); -inf beyond
        its end. The scores of the cases that each slate holds have shape (draws, k), ρ and κ (draws,).
        """
        mean = np.matmul(drawn.shares, held[:, :, None])[:, :, 0]
        company = np.maximum(1.0 + rho[:, None] * np.arange(self.k), _LEAST_COMPANY)
        return np.where(drawn.places >= 0, mean * company + kappa[:, None] * drawn.further, -np.inf)

    def promised(self, drawn: Drawn, sizes: Places, held: Floats | None = None) -> Floats:
        """What the first `sizes` cases of each slate, at least one, are promised to add to nothing, by the
        mean of what is believed or by other scores of the cases held, shape (draws, k); shape (draws,).
        """
        scores = self.belief.mean[drawn.held] if held is None else held
        last = np.arange(len(sizes)), sizes - 1
        mean = (drawn.shares[last] * scores).sum(axis=1)
        return np.asarray(mean * self._company(sizes) + self.belief.company * drawn.further[last])

    def common_std(self, drawn: Drawn, sizes: Places) -> Floats:
        """The standard deviation of what the first cases of each slate share with all cases, times the
        company they are in; shape (draws,).
        """
        last = np.arange(len(sizes)), sizes - 1
        mean = np.matmul(drawn.shares[last][:, None, :], self.features[drawn.held])[:, 0]
        variance = ((mean @ self.belief.common) * mean).sum(axis=1)
        more = self.belief.company_std * drawn.further[last]
        return np.asarray(np.sqrt(np.maximum(variance, 0.0) * self._company(sizes) ** 2 + more**2))

    def _company(self, sizes: Places) -> Floats:
        return np.asarray(np.maximum(1.0 + self.hyper.rho * (sizes - 1), _LEAST_COMPANY))


def slates_of(
    candidates: Sequence[Candidate], nearest: int, believed: Believed, hyper: Hyper, k: int
) -> Slates:
    """What is open among the candidates, of which the first `nearest` are the nearest, in that order."""
    return Slates(
        belief=believed.belief,
        features=believed.features,
        form=believed.form,
        likeness=likeness_of(candidates),
        nearest=nearest,
        hyper=hyper,
        k=k,
    )
