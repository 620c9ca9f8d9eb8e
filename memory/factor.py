"""The Cholesky factor of a covariance that grows by a row at a time, kept as its inverse.

A product with the inverse takes as long as solving with the factor, and is NumPy's: SciPy has a BLAS of its
own, and where both have threads they wait for each other, which makes a choice three times as slow.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, lapack

Singles = NDArray[np.float32]

quiet = np.errstate(invalid="ignore")
"""OpenBLAS reads beyond the end of short rows and raises the flag of what it finds there, though that does
not count (https://github.com/numpy/numpy/issues/24067)."""
_STRIP = 256
"""Rows that are multiplied at once: what is above the diagonal beyond them is left out."""
_LEAST_VARIANCE = 1e-3
"""Of what a row has beside those before it: less is what single precision cannot tell from nothing."""


@dataclass(frozen=True)
class Factor:
    """L⁻¹ of a covariance L Lᵀ of n rows: those of `base`, shape (first, first), which stay what they are as
    rows are added, so that they need not be copied; and those added, shape (n − first, n).
    """

    base: Singles
    added: Singles

    @classmethod
    def of(cls, covariance: Singles) -> Self:
        """That of a covariance, shape (n, n)."""
        first = len(covariance)
        inverse = np.zeros((first, first))
        if first:
            # Transposed it is the same, and as LAPACK reads it.
            lower = cholesky(np.asarray(covariance.T, np.float64), lower=True, check_finite=False)
            inverse, _ = lapack.dtrtri(lower, lower=1)
        return cls(np.ascontiguousarray(inverse, np.float32), np.zeros((0, first), np.float32))

    def __len__(self) -> int:
        return len(self.base) + len(self.added)

    @quiet
    def whitened(self, columns: Singles) -> Singles:
        """L⁻¹ of columns, shape (n, columns), or of one, shape (n,)."""
        ends = [min(start + _STRIP, len(self.base)) for start in range(0, len(self.base), _STRIP)]
        strips = pairwise([0, *ends])
        first = [self.base[start:end, :end] @ columns[:end] for start, end in strips]
        return np.concatenate([*first, self.added @ columns])

    @quiet
    def weights(self, whitened: Singles) -> Singles:
        """L⁻ᵀ of one whitened column, shape (n,): the weights of the rows in what is expected of another."""
        first = len(self.base)
        found = whitened[first:] @ self.added
        found[:first] += whitened[:first] @ self.base
        return found

    @quiet
    def followed_by(self, row: Singles, own: float) -> tuple[Self, Singles, float]:
        """The factor of one row more, whose covariance with the others is `row`, shape (n,), and its own
        variance `own`; and that row of L: what it has in common with each, shape (n,), and what is its own.
        """
        along = self.whitened(row)
        left = float(np.sqrt(max(own - float(along @ along), _LEAST_VARIANCE)))
        more = np.append(-self.weights(along), np.float32(1.0)) / np.float32(left)
        padded = np.pad(self.added, ((0, 0), (0, 1)))
        return type(self)(self.base, np.vstack([padded, more])), along, left
