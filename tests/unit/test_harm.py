"""Does a case harm: bounds that hold however often they are looked at."""

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.integrate import quad

from memento.memory import harm
from memento.memory.errors import UsageError
from memento.memory.harm import Sums, bounds, helps_near, is_harmful, radius, region

Floats = NDArray[np.float64]

SURPLUS = st.floats(-1.0, 1.0)
WEIGHT = st.sampled_from([1.0, 1 / 2, 1 / 3, 1 / 4]) | st.floats(0.01, 1.0)
OUTCOMES = st.lists(st.tuples(SURPLUS, WEIGHT), min_size=1, max_size=40)


def columns(outcomes: list[tuple[float, float]]) -> tuple[Floats, Floats]:
    table = np.asarray(outcomes, dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def mixture(excess: float, variance: float) -> float:
    """Robbins' ∫ exp(λS − λ²V/2) dN(λ; 0, 1/ρ), by quadrature."""
    spread = variance + harm.RHO
    peak, width = excess / spread, 1 / math.sqrt(spread)

    def value(rate: float) -> float:
        density = math.sqrt(harm.RHO / (2 * math.pi)) * math.exp(-harm.RHO * rate**2 / 2)
        return math.exp(rate * excess - rate**2 * variance / 2) * density

    return float(quad(value, peak - 12 * width, peak + 12 * width)[0])


@given(OUTCOMES, st.sampled_from([0.01, 0.02, 0.05]))
def test_a_bound_is_where_the_mixture_over_effects_reaches_one_over_alpha(
    outcomes: list[tuple[float, float]], alpha: float
) -> None:
    variance = sum(a * a for _, a in outcomes) / 4
    total, weight = sum(a * x for x, a in outcomes), sum(a for _, a in outcomes)
    for bound in bounds(*columns(outcomes), alpha):
        reached = mixture(total - bound * weight, variance)
        if abs(bound) < 1:
            assert reached == pytest.approx(1 / alpha, rel=1e-6)
        else:  # an effect is within -1 and 1 whatever the mixture says
            assert reached <= (1 + 1e-6) / alpha


@given(OUTCOMES)
def test_outcomes_added_one_by_one_are_those_added_at_once(outcomes: list[tuple[float, float]]) -> None:
    sums = Sums()
    for surplus, weight in outcomes:
        sums = sums.add(surplus, weight)
    assert sums.bounds() == pytest.approx(bounds(*columns(outcomes)), abs=1e-9)
    assert Sums.of(*columns(outcomes)).bounds() == bounds(*columns(outcomes))


@given(OUTCOMES, st.data())
def test_a_corrected_reward_takes_the_place_of_the_old_one(
    outcomes: list[tuple[float, float]], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(outcomes) - 1))
    surplus, weight = outcomes[place]
    corrected = [*outcomes[:place], (data.draw(SURPLUS), weight), *outcomes[place + 1 :]]
    sums = Sums.of(*columns(outcomes)).remove(surplus, weight).add(corrected[place][0], weight)
    assert sums.bounds() == pytest.approx(bounds(*columns(corrected)), abs=1e-6)


@given(OUTCOMES)
def test_taking_every_outcome_back_leaves_nothing_known(outcomes: list[tuple[float, float]]) -> None:
    sums = Sums.of(*columns(outcomes))
    for surplus, weight in outcomes:
        sums = sums.remove(surplus, weight)
    assert sums.bounds() == pytest.approx((-1, 1))


@given(OUTCOMES, st.randoms(use_true_random=False))
def test_the_bounds_are_around_the_weighted_mean_and_know_no_order(
    outcomes: list[tuple[float, float]], random: Random
) -> None:
    surplus, weights = columns(outcomes)
    low, high = bounds(surplus, weights)
    assert -1 <= low <= np.average(surplus, weights=weights) <= high <= 1
    random.shuffle(outcomes)
    assert bounds(*columns(outcomes)) == pytest.approx((low, high), abs=1e-9)


def test_before_any_outcome_an_effect_may_be_anything() -> None:
    assert bounds(np.zeros(0), np.zeros(0)) == (-1, 1)
    assert Sums().bounds() == (-1, 1)


def test_no_other_scale_has_narrower_bounds_when_harm_begins_to_show(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = radius(np.asarray(27.0))
    for scale in np.geomspace(0.05, 10, 60):
        monkeypatch.setattr(harm, "RHO", float(scale))
        assert radius(np.asarray(27.0)) >= chosen * (1 - 1e-5)


def looks(rng: np.random.Generator, cases: int, count: int, weight: float, chance: float, b: float) -> Floats:
    """The upper bound, times Σ a, of many cases after each of their outcomes, shape (cases, count)."""
    surplus = (rng.random((cases, count)) < chance) - b
    return np.asarray(np.cumsum(weight * surplus, axis=1) + radius(np.arange(1, count + 1) * weight**2))


@pytest.mark.parametrize("weight", [1.0, 0.25])
@pytest.mark.parametrize("chance", [0.1, 0.5, 0.8])
def test_in_a_thousand_looks_hardly_any_case_without_effect_is_condemned(
    chance: float, weight: float
) -> None:
    upper = looks(np.random.default_rng(7), 3000, 1000, weight, chance, chance)
    assert (upper < 0).any(axis=1).mean() < 0.01


def test_looking_often_is_what_a_fixed_interval_does_not_bear() -> None:
    """What the bounds are for: the same cases, and the usual 99 % interval one-sided."""
    surplus = (np.random.default_rng(7).random((3000, 1000)) < 0.5) - 0.5
    usual = np.cumsum(surplus, axis=1) + 2.326 * np.sqrt(np.arange(1, 1001) / 4)
    assert (usual[:, 10:] < 0).any(axis=1).mean() > 0.05


@pytest.mark.parametrize("chance", [0.4, 0.5, 0.6, 0.8])
def test_a_case_that_costs_thirty_points_alone_is_caught_after_about_thirty_outcomes(chance: float) -> None:
    caught = looks(np.random.default_rng(8), 3000, 400, 1.0, chance - 0.3, chance) < 0
    assert caught.any(axis=1).all()
    times = caught.argmax(axis=1) + 1
    assert 25 <= np.median(times) <= 31
    assert times.mean() < 32


def test_in_slates_of_four_a_quarter_of_the_harm_takes_sixteen_times_as_many_outcomes() -> None:
    caught = looks(np.random.default_rng(9), 1000, 3000, 0.25, 0.5 - 0.3 / 4, 0.5) < 0
    assert caught.any(axis=1).all()
    assert 25 * 16 <= np.median(caught.argmax(axis=1) + 1) <= 31 * 16


def test_many_looks_agree_with_one_case_looked_at() -> None:
    upper = looks(np.random.default_rng(3), 1, 50, 0.5, 0.2, 0.5)[0]
    surplus = (np.random.default_rng(3).random(50) < 0.2) - 0.5
    found = [bounds(surplus[:n], np.full(n, 0.5))[1] for n in range(1, 51)]
    expected = np.minimum(upper / (0.5 * np.arange(1, 51)), 1.0)
    assert found == pytest.approx(list(expected))


# -- regions


def axis(place: int) -> Floats:
    return np.eye(4)[place]


@given(OUTCOMES, st.integers(0, 1000), st.floats(0.05, 1.0))
def test_a_region_is_the_shrunk_kernel_mean(
    outcomes: list[tuple[float, float]], seed: int, width: float
) -> None:
    rng = np.random.default_rng(seed)
    states = rng.standard_normal((len(outcomes), 5))
    states /= np.linalg.norm(states, axis=1, keepdims=True)
    task = states[0]
    above = evidence = 0.0
    for (surplus, weight), state in zip(outcomes, states, strict=True):
        near = math.exp((float(np.dot(task, state)) - 1) / width)
        above += near * weight * surplus
        evidence += near * weight
    expected = (above / (evidence + harm.PSEUDO_COUNT), evidence)
    assert region(task, states, *columns(outcomes), width) == pytest.approx(expected, abs=1e-9)


def test_a_case_that_harms_on_every_task_is_harmful_on_each() -> None:
    states = np.stack([axis(n % 4) for n in range(80)])
    surplus, weights = np.full(80, -0.3), np.ones(80)
    assert all(is_harmful(axis(place), states, surplus, weights) for place in range(4))


def test_a_case_that_harms_on_most_tasks_is_spared_where_it_helps() -> None:
    states = np.stack([axis(0)] * 10 + [axis(1)] * 80)
    surplus, weights = np.r_[np.full(10, 0.4), np.full(80, -0.4)], np.ones(90)
    assert bounds(surplus, weights)[1] < 0
    assert not is_harmful(axis(0), states, surplus, weights)
    assert is_harmful(axis(1), states, surplus, weights)
    assert is_harmful(axis(2), states, surplus, weights)  # of which nothing is known


@pytest.mark.parametrize(("count", "weight", "spared"), [(3, 1.0, False), (4, 1.0, True), (15, 0.25, False)])
def test_a_few_lucky_outcomes_are_no_region(count: int, weight: float, spared: bool) -> None:
    states = np.stack([axis(0)] * count + [-axis(0)] * 80)
    surplus = np.r_[np.full(count, 0.5), np.full(80, -0.4)]
    weights = np.r_[np.full(count, weight), np.ones(80)]
    assert helps_near(axis(0), states, surplus, weights) is spared
    assert is_harmful(axis(0), states, surplus, weights) is not spared


@given(OUTCOMES)
def test_a_case_is_harmful_only_below_an_upper_bound_of_nothing(outcomes: list[tuple[float, float]]) -> None:
    states = np.tile(axis(0), (len(outcomes), 1))
    surplus, weights = columns(outcomes)
    if is_harmful(axis(0), states, surplus, weights):
        assert bounds(surplus, weights)[1] < 0
        assert not helps_near(axis(0), states, surplus, weights)


def test_what_cannot_be_meant_is_refused() -> None:
    one = np.ones(1)
    for surplus, weights in (
        (one * 1.5, one),
        (one * np.nan, one),
        (one, one * 0),
        (one, one * 2),
        (one, np.ones(2)),
    ):
        with pytest.raises(UsageError):
            bounds(surplus, weights)
    with pytest.raises(UsageError, match="alpha"):
        bounds(one, one, alpha=1.0)
    with pytest.raises(UsageError, match="remove only what was added"):
        Sums().add(0.5, 0.5).remove(0.5, 1.0)
    with pytest.raises(UsageError, match="one state an outcome"):
        region(axis(0), np.zeros((2, 4)), one, one)
    with pytest.raises(UsageError, match="width"):
        region(axis(0), axis(0)[None], one, one, width=0.0)
