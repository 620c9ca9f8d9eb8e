"""The hyperparameters of the model of advantage, from the runs: memory/advantage.py has the formulas."""

from dataclasses import replace

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from threadpoolctl import threadpool_limits

from memento.memory.advantage_terms import (
    PRIOR_MEAN,
    RHO_MEAN,
    RHO_STD,
    Hyper,
    Terms,
    Trials,
    gram,
)
from memento.memory.following import sharpness

_RHO_LEAST, _RHO_MOST = -0.1, 1.4
_RHO_STEP = 0.15
_LOG_STD = 1.5
"""Of the prior on the logarithm of each variance."""
_WORTH_A_STEP = 0.02


def fitted(trials: Trials) -> Hyper:
    """The variances of the greatest posterior density given the trials, by coordinate search from the prior's
    so that they depend on these trials alone, and ρ's posterior mean.
    """
    if not trials.sizes.any():
        return Hyper()
    # NumPy and SciPy have a BLAS each, and where both have threads they wait for each other: twice as slow.
    with threadpool_limits(limits=1, user_api="blas"):
        return _found(trials)


def _found(trials: Trials) -> Hyper:
    terms, hyper = Terms(trials), Hyper()
    for factor in (3.0, 1.7):
        hyper = _with_rho(terms, trials, hyper)
        best = log_density(terms, trials, hyper), hyper
        for place in range(len(hyper.variances)):
            for power in (factor, 1.0 / factor):
                best = _climb(terms, trials, best, place, power)
        hyper = best[1]
    followed = sharpness(trials.slot_runs, trials.slots.form, trials.slots.features[:, 1], trials.slot_shares)
    return replace(_with_rho(terms, trials, hyper), sharpness=followed)


def _with_rho(terms: Terms, trials: Trials, hyper: Hyper) -> Hyper:
    """The posterior mean and standard deviation of ρ, given the variances, on a grid."""
    grid = np.arange(_RHO_LEAST, _RHO_MOST, _RHO_STEP)
    densities = np.asarray([log_density(terms, trials, replace(hyper, rho=float(rho))) for rho in grid])
    weights = np.exp(densities - densities.max())
    weights /= weights.sum()
    mean = float(weights @ grid)
    spread = float(weights @ (grid - mean) ** 2) + _RHO_STEP**2 / 12.0
    return replace(hyper, rho=mean, rho_std=float(np.sqrt(spread)))


def _climb(
    terms: Terms, trials: Trials, start: tuple[float, Hyper], place: int, factor: float
) -> tuple[float, Hyper]:
    """Go on multiplying one variance while the density grows."""
    best = start
    while True:
        variances = list(best[1].variances)
        variances[place] *= factor
        tried = replace(best[1], variances=tuple(variances))  # type: ignore[arg-type]
        density = log_density(terms, trials, tried)
        if density <= best[0] + _WORTH_A_STEP:
            return best
        best = density, tried


def log_density(terms: Terms, trials: Trials, hyper: Hyper) -> float:
    """The logarithm of the posterior density of the hyperparameters, up to a constant."""
    design = trials.design(hyper.rho)
    # In single precision, which is right to a thousandth here, and transposed, as LAPACK reads it.
    lower = cholesky(gram(terms, design, trials, hyper).T, lower=True, overwrite_a=True, check_finite=False)
    surplus = (trials.rewards - design @ PRIOR_MEAN).astype(np.float32)
    scaled = solve_triangular(lower, surplus, lower=True, check_finite=False).astype(np.float64)
    far = np.log(np.asarray(hyper.variances) / np.asarray(Hyper().variances)) / _LOG_STD
    company = (hyper.rho - RHO_MEAN) / RHO_STD
    half_log_determinant = np.log(np.diag(lower).astype(np.float64)).sum()
    return float(-0.5 * (scaled @ scaled + far @ far + company**2) - half_log_determinant)
