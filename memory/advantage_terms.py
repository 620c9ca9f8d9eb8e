"""What the model of advantage reads, its prior, and the covariances: memory/advantage.py has the formulas."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from memento.memory.following import USUAL_SHARPNESS
from memento.memory.form import SAME_TOOLS

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Codes = NDArray[np.int64]
Flags = NDArray[np.bool_]

TASK_PARTS = 24
FEATURES = 7
DISSENT = 6
"""Its place among the features."""
NOISE = 0.21
BASE = 1 + TASK_PARTS
OF_SHOWN = slice(BASE, BASE + FEATURES)
OF_COMPANY = BASE + FEATURES
"""Where the weights of the linear part are: first those of b(s), then w and κ."""
PRIOR_MEAN = np.r_[0.5, np.zeros(TASK_PARTS), 0.0, 0.6, 0.0, -0.6, 0.0, 0.7, -0.3, 0.08]
_PRIOR_STD = np.r_[0.5, np.full(TASK_PARTS, 0.06), 0.15, 0.35, 0.1, 0.3, 0.15, 0.4, 0.3, 0.08]
PRIOR_VARIANCE = _PRIOR_STD**2
RHO_MEAN, RHO_STD = 0.1, 0.3
_TASK_WIDTH, _CASE_WIDTH = 0.7, 0.12


@dataclass(frozen=True)
class Hyper:
    """The five variances, in the order own, family, task, match, place, ρ with its standard deviation, and
    how sharply a planner follows the pattern that is nearest its task (memory/following.py).
    """

    variances: tuple[float, float, float, float, float] = (0.008, 0.003, 0.001, 0.008, 0.003)
    rho: float = RHO_MEAN
    rho_std: float = RHO_STD
    sharpness: float = USUAL_SHARPNESS


@dataclass(frozen=True)
class Cases:
    """Cases as the model sees them. `codes` tells one from another, `did` which tools they called and `form`
    how (0 where they called none), shape (cases,); `directions` has shape (cases, 48), `features` (cases, 7):
    φ for the task in question.
    """

    codes: Codes
    did: Codes
    form: Codes
    directions: Singles
    features: Floats

    def at(self, places: Codes | Sequence[int]) -> Self:
        """Those at some places."""
        return type(self)(*(getattr(self, name)[places] for name in self.__dataclass_fields__))


class Shown(NamedTuple):
    """The cases that some runs showed, each once, by code, as they were at first; and which share each run
    gave to which, shape (runs, cases).
    """

    cases: Cases
    shares: "csr_array[Singles]"


@dataclass(frozen=True)
class Trials:
    """Runs with a reward, in run order. `tasks` are directions, shape (runs, 48), `parts` components, shape
    (runs, 24); `sizes`, `rewards` and `weights` have shape (runs,). The slots of all runs stand one after
    another in `slots`, with the run each belongs to and its share of the credit.
    """

    tasks: Singles
    parts: Floats
    sizes: Codes
    rewards: Floats
    weights: Floats
    slots: Cases
    slot_runs: Codes
    slot_shares: Floats

    def __len__(self) -> int:
        return len(self.rewards)

    def followed_by(self, more: Self) -> Self:
        """These runs and then those."""
        slots = {
            name: np.concatenate([getattr(self.slots, name), getattr(more.slots, name)])
            for name in Cases.__dataclass_fields__
        }
        runs = {
            name: np.concatenate([getattr(self, name), getattr(more, name)])
            for name in ("tasks", "parts", "sizes", "rewards", "weights", "slot_shares")
        }
        places = np.concatenate([self.slot_runs, more.slot_runs + len(self)])
        return replace(self, **runs, slots=Cases(**slots), slot_runs=places)

    @cached_property
    def shown(self) -> Shown:
        """The cases that the runs showed."""
        codes, first, columns = np.unique(self.slots.codes, return_index=True, return_inverse=True)
        ends = np.concatenate([[0], np.cumsum(self.sizes)])
        size = len(self), len(codes)
        shares = csr_array((self.slot_shares.astype(np.float32), columns, ends), shape=size)
        return Shown(self.slots.at(first), shares)

    def company(self, rho: float) -> Floats:
        """1 + ρ(m−1), shape (runs,)."""
        return np.asarray(1.0 + rho * np.maximum(self.sizes - 1, 0))

    def design(self, rho: float) -> Floats:
        """The regressors of the linear part, shape (runs, 33)."""
        ones = np.ones((len(self), 1))
        shown = np.zeros((len(self), FEATURES))
        np.add.at(shown, self.slot_runs, self.slot_shares[:, None] * self.slots.features)
        return np.hstack([ones, self.parts, shown * self.company(rho)[:, None], self._further()[:, None]])

    def _further(self) -> Floats:
        """How many slots of each run tell what their case did, beside one, shape (runs,)."""
        counts = np.bincount(self.slot_runs, weights=self.slots.did != 0, minlength=len(self))
        return np.asarray(np.maximum(counts - 1.0, 0.0))


class Terms:
    """The five terms of the covariance between the trials, each of shape (trials, trials)."""

    def __init__(self, trials: Trials) -> None:
        cases, shares = trials.shown
        table = case_kernel(cases, cases)
        same = np.asarray((shares @ shares.T).todense(), np.float32)
        alike = np.asarray((shares @ (shares @ table).T).T, np.float32)
        near = task_kernel(trials.tasks @ trials.tasks.T)
        shown = (trials.sizes > 0).astype(np.float32)
        self.all = np.stack([same, alike, near * np.outer(shown, shown), near * alike, near * same])


def gram(terms: Terms, design: Floats, trials: Trials, hyper: Hyper) -> Singles:
    """The covariance of the rewards, shape (trials, trials)."""
    company = trials.company(hyper.rho).astype(np.float32)
    found = np.tensordot(np.asarray(hyper.variances, np.float32), terms.all, 1)
    found *= np.outer(company, company)
    regressors = design.astype(np.float32)
    found += (regressors * PRIOR_VARIANCE.astype(np.float32)) @ regressors.T
    found[np.diag_indices(len(trials))] += NOISE / trials.weights
    return np.asarray(found, np.float32)


def prior_covariance(cases: Cases, hyper: Hyper) -> Floats:
    """The prior covariance of g for cases on one and the same task, shape (cases, cases)."""
    own, family, everywhere, match, place = hyper.variances
    alike = case_kernel(cases, cases)
    same = cases.codes[:, None] == cases.codes[None, :]
    return np.asarray((own + place) * same + (family + match) * alike + everywhere)


def task_kernel(cosines: Singles) -> Singles:
    """k(s,s') of tasks with these cosines between their directions, of the same shape."""
    grown = np.expm1(np.asarray(cosines, np.float32) / np.float32(_TASK_WIDTH))
    return np.asarray(grown / np.float32(np.expm1(1.0 / _TASK_WIDTH)))


def case_kernel(cases: Cases, others: Cases) -> Singles:
    """k(c,c') between the cases and the others, shape (cases, others)."""
    alike = cases.directions @ others.directions.T
    alike -= np.float32(1.0)
    alike /= np.float32(_CASE_WIDTH)
    np.exp(alike, out=alike)
    same_tools = cases.did[:, None] == others.did
    same_form = cases.form[:, None] == others.form
    alike *= in_common_of(same_tools, same_form)
    return alike


def in_common_of(same_tools: Flags, same_form: Flags) -> Singles:
    """What cases have in common in what they did: half by whether they called the same tools, half by whether
    in the same form, which has the same tools. As the sum of two block matrices it is a covariance.
    """
    return np.add(same_tools, same_form, dtype=np.int8) * np.float32(SAME_TOOLS)


def same_places(codes: Codes, others: Codes) -> tuple[Codes, Codes]:
    """The places of those codes that are among the others, which are all different, and where there."""
    order = np.argsort(others)
    where = order[np.searchsorted(others, codes, sorter=order) % max(len(others), 1)]
    found = np.flatnonzero(codes == others[where])
    return found, where[found]
