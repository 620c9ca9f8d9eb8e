"""The Cholesky factor of a covariance that grows by a row at a time."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, cholesky

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

_LEAST_VARIANCE = 1e-3
"""Of what a row has beside those before it: less is what single precision cannot tell from nothing."""


@dataclass(frozen=True)
class Factor:
    """L of a covariance L Lᵀ of n rows: [[base, 0], [rows, corner]]. `base`, shape (first, first), stays what
    it is as rows are added, so that it need not be copied; it is in Fortran's order, as BLAS reads it.
    """

    base: Singles
    rows: Singles
    corner: Singles

    @classmethod
    def of(cls, covariance: Floats) -> Self:
        """That of a covariance, shape (n, n)."""
        first = len(covariance)
        lower = cholesky(covariance, lower=True, check_finite=False) if first else covariance
        nothing = np.zeros((0, first), np.float32), np.zeros((0, 0), np.float32)
        return cls(np.asarray(lower, np.float32, order="F"), *nothing)

    def __len__(self) -> int:
        return len(self.base) + len(self.rows)

    def whitened(self, columns: Singles) -> Singles:
        """L⁻¹ of columns, shape (n, columns), or of one, shape (n,)."""
        first = _solved(self.base, columns[: len(self.base)])
        rest = columns[len(self.base) :] - self.rows @ first
        return np.concatenate([first, _solved(self.corner, rest)])

    def weights(self, whitened: Singles) -> Singles:
        """L⁻ᵀ of one whitened column, shape (n,): the weights of the rows in what is expected of another."""
        first, rest = np.split(whitened, [len(self.base)])
        last = _solved(self.corner, rest, transposed=True)
        return np.concatenate([_solved(self.base, first - last @ self.rows, transposed=True), last])

    def followed_by(self, row: Singles, own: float) -> tuple[Self, Singles, float]:
        """The factor of one row more, whose covariance with the others is `row`, shape (n,), and its own
        variance `own`; and that row of it: what it has in common with each, shape (n,), and what is its own.
        """
        along = self.whitened(row)
        left = float(np.sqrt(max(own - float(along @ along), _LEAST_VARIANCE)))
        first, size = len(self.base), len(self.rows)
        corner = np.zeros((size + 1, size + 1), np.float32, order="F")
        corner[:size, :size], corner[size, :size], corner[size, size] = self.corner, along[first:], left
        rows = np.concatenate([self.rows, along[None, :first]])
        return type(self)(self.base, rows, corner), along, left


def _solved(lower: Singles, columns: Singles, *, transposed: bool = False) -> Singles:
    """L⁻¹ or L⁻ᵀ of columns."""
    if not len(lower):
        return columns
    if columns.ndim == 1:
        return np.asarray(blas.strsv(lower, columns, lower=1, trans=int(transposed)))
    return np.asarray(blas.strsm(1.0, lower, columns, lower=1, trans_a=int(transposed)))
