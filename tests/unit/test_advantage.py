"""The model of advantage: the same as a slow textbook version, and what it shares between cases."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal, norm

from memento.memory.advantage import Posterior
from memento.memory.advantage_fit import fitted, log_density
from memento.memory.advantage_terms import NOISE, Cases, Hyper, Terms, Trials

if TYPE_CHECKING:
    from numpy.typing import NDArray

PRIOR_MEAN = np.r_[0.5, np.zeros(24), 0.0, 0.6, 0.0, -0.6, 0.0, 0.7, -0.3, 0.08]
PRIOR_VARIANCE = np.r_[0.5, np.full(24, 0.06), 0.15, 0.35, 0.1, 0.3, 0.15, 0.4, 0.3, 0.08] ** 2
HYPER = Hyper((0.03, 0.02, 0.01, 0.04, 0.015), 0.25)


def unit_rows(rng: np.random.Generator, count: int) -> NDArray[np.float32]:
    rows = rng.standard_normal((count, 48))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def some_cases(rng: np.random.Generator, count: int) -> Cases:
    looks = unit_rows(rng, count)
    looks[count // 2 :] = looks[: count - count // 2] * 0.9 + 0.1 * looks[count // 2 :]
    looks /= np.linalg.norm(looks, axis=1, keepdims=True)
    some = rng.normal(0, 0.2, (count, 2)), rng.integers(0, 2, count), rng.normal(0, 0.4, (count, 3))
    phi = np.column_stack([np.ones(count), *some])
    codes = np.arange(count, dtype=np.int64)
    did = rng.integers(0, 2, count)
    return Cases(codes, did, did * rng.integers(1, 3, count), looks, phi)


def at(cases: Cases, places: NDArray[np.int64]) -> Cases:
    return cases.at(places)


def some_trials(rng: np.random.Generator, cases: Cases, sizes: list[int]) -> Trials:
    slots = [rng.choice(len(cases.codes), size, replace=False) for size in sizes]
    shares = [rng.dirichlet(np.ones(size)) if size else np.zeros(0) for size in sizes]
    runs = np.repeat(np.arange(len(sizes)), np.asarray(sizes, np.int64))
    return Trials(
        tasks=unit_rows(rng, len(sizes)),
        parts=rng.standard_normal((len(sizes), 24)),
        sizes=np.asarray(sizes, np.int64),
        rewards=rng.integers(0, 2, len(sizes)).astype(float),
        weights=rng.uniform(0.5, 2.0, len(sizes)),
        slots=at(cases, np.concatenate([np.zeros(0), *slots]).astype(np.int64)),
        slot_runs=runs,
        slot_shares=np.concatenate([np.zeros(0), *shares]),
    )


def alike(one: Cases, i: int, other: Cases, j: int) -> float:
    if one.did[i] != other.did[j]:
        return 0.0
    in_common = 1.0 if one.form[i] == other.form[j] else 0.5
    return in_common * float(np.exp((one.directions[i] @ other.directions[j] - 1) / 0.12))


def covariance_of_g(
    one: Cases, i: int, s: NDArray[np.float32], other: Cases, j: int, t: NDArray[np.float32], hyper: Hyper
) -> float:
    """cov(g(s,c_i), g(t,c_j)), term by term."""
    own, family, everywhere, match, place = hyper.variances
    near, like = float(np.expm1(s @ t / 0.7) / np.expm1(1 / 0.7)), alike(one, i, other, j)
    same = float(one.codes[i] == other.codes[j])
    return own * same + family * like + everywhere * near + match * near * like + place * near * same


def company(trials: Trials, hyper: Hyper) -> NDArray[np.float64]:
    return np.asarray(1 + hyper.rho * np.maximum(trials.sizes - 1, 0))


def slots_of(trials: Trials) -> list[NDArray[np.int64]]:
    return [np.flatnonzero(trials.slot_runs == run) for run in range(len(trials))]


def textbook_runs(trials: Trials, hyper: Hyper) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The regressors of the runs and the covariance of what g adds to their rewards, with loops."""
    count, times, slots = len(trials), company(trials, hyper), slots_of(trials)
    design = np.zeros((count, 33))
    gram = np.zeros((count, count))
    for i in range(count):
        shown = sum((trials.slot_shares[a] * trials.slots.features[a] for a in slots[i]), np.zeros(7))
        did = [int(trials.slots.did[a]) for a in slots[i]]
        further = max(sum(one != 0 for one in did) - 1, 0)
        design[i] = np.r_[1.0, trials.parts[i], times[i] * shown, further]
        for j in range(count):
            tasks = trials.tasks[i], trials.tasks[j]
            for a in slots[i]:
                for b in slots[j]:
                    g = covariance_of_g(trials.slots, a, tasks[0], trials.slots, b, tasks[1], hyper)
                    gram[i, j] += times[i] * times[j] * trials.slot_shares[a] * trials.slot_shares[b] * g
    return design, gram


def textbook_gram(
    trials: Trials, design: NDArray[np.float64], of_g: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The covariance of the rewards."""
    return of_g + design @ np.diag(PRIOR_VARIANCE) @ design.T + np.diag(NOISE / trials.weights)


def textbook(
    trials: Trials, task: NDArray[np.float32], parts: NDArray[np.float64], cases: Cases
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Mean and covariance of f, and b(s), by the formulas for Gaussian processes, with loops."""
    times, slots = company(trials, HYPER), slots_of(trials)
    design, of_g = textbook_runs(trials, HYPER)
    gram = textbook_gram(trials, design, of_g)
    asked = len(cases.codes)
    along = np.zeros((asked, len(trials)))
    prior = np.zeros((asked, asked))
    for c in range(asked):
        along[c] = (cases.features[c] * PRIOR_VARIANCE[25:32]) @ design[:, 25:32].T
        for i in range(len(trials)):
            for a in slots[i]:
                g = covariance_of_g(cases, c, task, trials.slots, a, trials.tasks[i], HYPER)
                along[c, i] += times[i] * trials.slot_shares[a] * g
        for d in range(asked):
            prior[c, d] = cases.features[c] @ np.diag(PRIOR_VARIANCE[25:32]) @ cases.features[d]
            prior[c, d] += covariance_of_g(cases, c, task, cases, d, task, HYPER)
    surplus = np.linalg.solve(gram, trials.rewards - design @ PRIOR_MEAN)
    base = np.r_[1.0, parts]
    baseline = base @ PRIOR_MEAN[:25] + (base * PRIOR_VARIANCE[:25]) @ design[:, :25].T @ surplus
    mean = cases.features @ PRIOR_MEAN[25:32] + along @ surplus
    return mean, prior - along @ np.linalg.solve(gram, along.T), float(baseline)


def textbook_density(trials: Trials, hyper: Hyper) -> float:
    """The logarithm of the density of the rewards and of the hyperparameters, whole."""
    design, of_g = textbook_runs(trials, hyper)
    gram = textbook_gram(trials, design, of_g)
    density = multivariate_normal.logpdf(trials.rewards, design @ PRIOR_MEAN, gram)
    density += norm.logpdf(np.log(hyper.variances), np.log(Hyper().variances), 1.5).sum()
    return float(density + norm.logpdf(hyper.rho, 0.1, 0.3))


@given(seed=st.integers(0, 10_000), sizes=st.lists(st.integers(0, 4), min_size=1, max_size=9))
@settings(max_examples=25, deadline=None)
def test_the_posterior_is_the_textbooks(seed: int, sizes: list[int]) -> None:
    rng = np.random.default_rng(seed)
    cases = some_cases(rng, 6)
    trials = some_trials(rng, cases, sizes)
    task, parts, asked = unit_rows(rng, 1)[0], rng.standard_normal(24), some_cases(rng, 6)
    belief = Posterior(trials, HYPER).belief(task, parts, asked)
    mean, covariance, baseline = textbook(trials, task, parts, asked)
    assert belief.mean == pytest.approx(mean, abs=2e-4)
    assert belief.covariance == pytest.approx(covariance, abs=2e-4)
    assert belief.baseline == pytest.approx(baseline, abs=2e-4)


@given(seed=st.integers(0, 10_000), sizes=st.lists(st.integers(0, 4), min_size=1, max_size=9))
@settings(max_examples=25, deadline=None)
def test_what_the_shown_cases_added_on_average_is_the_textbooks(seed: int, sizes: list[int]) -> None:
    rng = np.random.default_rng(seed)
    trials = some_trials(rng, some_cases(rng, 6), sizes)
    found = Posterior(trials, HYPER).added()
    weights = trials.weights * (trials.sizes > 0)
    if not any(sizes):
        assert found.effective == 0
        return
    weights /= weights.sum()
    design, of_g = textbook_runs(trials, HYPER)
    gram = textbook_gram(trials, design, of_g)
    linear = np.where(np.arange(33) < 25, 0.0, design)
    effects = of_g + linear @ np.diag(PRIOR_VARIANCE) @ linear.T
    along = effects @ np.linalg.inv(gram)
    mean = linear @ PRIOR_MEAN + along @ (trials.rewards - design @ PRIOR_MEAN)
    variance = weights @ (effects - along @ effects) @ weights
    assert found.added == pytest.approx(weights @ mean, abs=2e-4)
    assert found.std == pytest.approx(np.sqrt(variance), abs=1e-3)
    assert found.effective == pytest.approx(weights.sum() ** 2 / (weights @ weights))


@given(seed=st.integers(0, 10_000), sizes=st.lists(st.integers(0, 4), min_size=2, max_size=12))
@settings(max_examples=25, deadline=None)
def test_one_trial_after_another_is_as_all_at_once(seed: int, sizes: list[int]) -> None:
    rng = np.random.default_rng(seed)
    cases = some_cases(rng, 6)
    singles = [some_trials(rng, cases, [size]) for size in sizes]
    posterior, together = Posterior(singles[0], HYPER), singles[0]
    for trial in singles[1:]:
        posterior, together = posterior.followed_by(trial), together.followed_by(trial)
    task, parts = unit_rows(rng, 1)[0], rng.standard_normal(24)
    one, other = (p.belief(task, parts, cases) for p in (posterior, Posterior(together, HYPER)))
    assert one.mean == pytest.approx(other.mean, abs=1e-3)
    assert one.variance == pytest.approx(other.variance, abs=1e-3)
    assert one.baseline == pytest.approx(other.baseline, abs=1e-3)


@given(
    seed=st.integers(0, 10_000),
    sizes=st.lists(st.integers(0, 4), min_size=1, max_size=8),
    factors=st.tuples(*[st.floats(0.05, 20.0)] * 5),
    rho=st.floats(-0.1, 1.4),
)
@settings(max_examples=25, deadline=None)
def test_the_density_of_the_hyperparameters_is_the_textbooks(
    seed: int, sizes: list[int], factors: tuple[float, ...], rho: float
) -> None:
    rng = np.random.default_rng(seed)
    trials = some_trials(rng, some_cases(rng, 6), sizes)
    own, family, everywhere, match, place = (v * f for v, f in zip(Hyper().variances, factors, strict=True))
    hyper, terms = Hyper((own, family, everywhere, match, place), rho), Terms(trials)
    against_the_prior = log_density(terms, trials, hyper) - log_density(terms, trials, Hyper())
    expected = textbook_density(trials, hyper) - textbook_density(trials, Hyper())
    assert against_the_prior == pytest.approx(expected, abs=2e-3)


@given(seed=st.integers(0, 10_000), sizes=st.lists(st.integers(1, 4), min_size=1, max_size=6))
@settings(max_examples=8, deadline=None)
def test_what_a_further_case_adds_is_its_posterior_mean_given_the_fitted_variances(
    seed: int, sizes: list[int]
) -> None:
    rng = np.random.default_rng(seed)
    trials = some_trials(rng, some_cases(rng, 6), sizes)
    hyper = fitted(trials)
    grid = -0.1 + 0.15 * np.arange(10)
    densities = np.asarray([textbook_density(trials, replace(hyper, rho=float(rho))) for rho in grid])
    chances = np.exp(densities - densities.max())
    chances /= chances.sum()
    assert hyper.rho == pytest.approx(float(chances @ grid), abs=1e-3)
    spread = float(chances @ (grid - hyper.rho) ** 2) + 0.15**2 / 12
    assert hyper.rho_std == pytest.approx(spread**0.5, abs=1e-3)


def test_what_is_learned_of_a_case_says_most_of_those_that_did_the_same_and_nothing_of_others() -> None:
    rng = np.random.default_rng(1)
    look, phi = unit_rows(rng, 1), np.array([[1.0, 0.2, 0.0, 0.0, 0.0, 0.0, 0.0]])

    def one(code: int, tools: int, form: int) -> Cases:
        return Cases(np.array([code]), np.array([tools]), np.array([form]), look, phi)

    shown, same, otherwise, other = one(1, 7, 70), one(2, 7, 70), one(3, 7, 71), one(4, 8, 80)
    runs = 30
    tasks = np.repeat(unit_rows(rng, 1), runs, axis=0)
    trials = Trials(
        tasks=tasks,
        parts=np.zeros((runs, 24)),
        sizes=np.tile([0, 1], runs // 2),
        rewards=np.tile([0.0, 1.0], runs // 2),
        weights=np.ones(runs),
        slots=at(shown, np.zeros(runs // 2, np.int64)),
        slot_runs=np.arange(1, runs, 2),
        slot_shares=np.ones(runs // 2),
    )
    hyper = Hyper((0.02, 0.05, 0.0, 0.05, 0.02), 0.0)
    posterior = Posterior(trials, hyper)
    means = [
        posterior.belief(tasks[0], np.zeros(24), cases).mean[0] for cases in (shown, same, otherwise, other)
    ]
    assert means[0] > means[1] > means[2] + 0.02 > means[3] + 0.04
    assert posterior.promising(tasks[0], 5).tolist() == [1]


def test_the_fit_finds_that_cases_add_up() -> None:
    rng = np.random.default_rng(3)
    cases = some_cases(rng, 8)
    sizes = [0, 1, 4] * 50
    trials = some_trials(rng, cases, sizes)
    even = np.concatenate([np.full(size, 1 / max(size, 1)) for size in sizes])
    noise = rng.normal(0, 0.1, len(sizes))
    adding = replace(trials, slot_shares=even, rewards=np.clip(0.2 + 0.17 * trials.sizes + noise, 0, 1))
    averaging = replace(
        trials, slot_shares=even, rewards=np.clip(0.2 + 0.3 * (trials.sizes > 0) + noise, 0, 1)
    )

    def gained(trials: Trials) -> float:
        """What a fourth case adds to three whose effect is .17 alone."""
        hyper = fitted(trials)
        asked = unit_rows(rng, 1)[0], np.zeros(24), cases
        return hyper.rho * 0.17 + Posterior(trials, hyper).belief(*asked).company

    assert gained(adding) > 0.1
    assert gained(averaging) < gained(adding) / 2
    assert fitted(adding) == fitted(adding)


def test_before_any_run_the_prior_speaks_for_similar_cases_and_against_failed_ones() -> None:
    rng = np.random.default_rng(2)
    phi = np.array([[1, 0.4, 0, 0, 0, 0, 0], [1, -0.1, 0, 0, 0, 0, 0], [1, 0.4, 0, 1, 0, 0, 0]])
    cases = Cases(np.arange(3), *np.zeros((2, 3), np.int64), unit_rows(rng, 3), phi)
    belief = Posterior(some_trials(rng, cases, []), Hyper()).belief(unit_rows(rng, 1)[0], np.zeros(24), cases)
    assert belief.mean[0] > 0.2
    assert belief.mean[1] < 0.0
    assert belief.mean[2] < belief.mean[1]
    assert belief.baseline == pytest.approx(0.5)
