"""Does memory help: estimates from logged runs, against slow textbook versions and against known truths."""

import math
import statistics
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import t as student

from memento.memory.effect import (
    LEAST,
    Effect,
    Modelled,
    Runs,
    describe,
    doubly_robust_effect,
    effects,
    floor_effect,
    model_effect,
    snips_effect,
)
from memento.memory.errors import UsageError

Floats = NDArray[np.float64]

FLOOR = 0.03


def simulated(rng: np.random.Generator, count: int, *, floor: float = FLOOR, weighted: bool = False) -> Runs:
    """A log of a policy that shows nothing on easy tasks, where cases do harm, and cases on hard ones.

    Easiness u is uniform: without cases .1 + .7u succeed, cases add .25 − .3u, and nothing is shown with
    probability q = .02 + .75u² off the floor.
    """
    easy = rng.random(count)
    without, adds, silent = 0.1 + 0.7 * easy, 0.25 - 0.3 * easy, 0.02 + 0.75 * easy**2
    floored = rng.random(count) < floor
    showed = ~floored & (rng.random(count) >= silent)
    return Runs(
        reward=(rng.random(count) < without + adds * showed).astype(np.float64),
        showed=showed,
        chance=floor + (1 - floor) * silent,
        floor=np.full(count, floor),
        floored=floored,
        weight=rng.uniform(0.2, 3.0, count) if weighted else None,
        baseline=np.clip(without + 0.2 * rng.standard_normal(count), 0, 1),
    )


TRUTH = (
    100
    * (1 - FLOOR)
    * float(np.mean([(1 - 0.02 - 0.75 * u * u) * (0.25 - 0.3 * u) for u in np.linspace(0, 1, 10_001)]))
)
"""The effect, in points, of the policy of `simulated`."""

LOGS = st.builds(
    lambda seed, count, floor, weighted: simulated(
        np.random.default_rng(seed), count, floor=floor, weighted=weighted
    ),
    st.integers(0, 2**32),
    st.integers(150, 400),
    st.sampled_from([0.2, 0.4]),
    st.booleans(),
)


# -- the textbook, slowly


def each(runs: Runs) -> list[tuple[float, bool, float, float, float]]:
    """(reward, empty, P, weight, baseline) of each run."""
    weights = runs.weight if runs.weight is not None else np.ones(len(runs.reward))
    baseline = runs.baseline if runs.baseline is not None else np.zeros(len(runs.reward))
    rows = zip(runs.reward, ~runs.showed, runs.chance, weights, baseline, strict=True)
    return [(float(r), bool(e), float(p), float(w), float(b)) for r, e, p, w, b in rows]


def effective(weights: list[float]) -> float:
    return sum(weights) ** 2 / sum(w * w for w in weights)


def interval(value: float, squares: float, runs: Runs) -> tuple[float, float]:
    size = effective([w * (1 - p) / p for _, empty, p, w, _ in each(runs) if empty])
    half = student.ppf(0.975, size - 1) * math.sqrt(squares * size / (size - 1))
    return 100 * (value - half), 100 * (value + half)


@given(LOGS)
def test_snips_is_the_textbooks(runs: Runs) -> None:
    rows = each(runs)
    total = sum(w for *_, w, _ in rows)
    inverse = sum(w / p for _, empty, p, w, _ in rows if empty)
    policy = sum(w * r for r, _, _, w, _ in rows) / total
    none = sum(w / p * r for r, empty, p, w, _ in rows if empty) / inverse
    squares = sum(
        (w * (r - policy) / total - (w / p * (r - none) / inverse if empty else 0.0)) ** 2
        for r, empty, p, w, _ in rows
    )
    found = snips_effect(runs)
    assert found.effective == pytest.approx(effective([w / p for _, empty, p, w, _ in rows if empty]))
    agrees(found, 100 * (policy - none), interval(policy - none, squares, runs))


@given(LOGS)
def test_doubly_robust_is_the_textbooks(runs: Runs) -> None:
    rows = each(runs)
    total = sum(w for *_, w, _ in rows)
    policy = sum(w * r for r, _, _, w, _ in rows) / total
    none = [b + ((r - b) / p if empty else 0.0) for r, empty, p, _, b in rows]
    value = policy - sum(w * v for (*_, w, _), v in zip(rows, none, strict=True)) / total
    squares = sum((w * (r - v - value) / total) ** 2 for (r, _, _, w, _), v in zip(rows, none, strict=True))
    agrees(doubly_robust_effect(runs), 100 * value, interval(value, squares, runs))


@given(LOGS)
def test_the_floor_is_newcombes(runs: Runs) -> None:
    runs = replace(runs, weight=None)
    sides = [[float(r) for r in runs.reward[runs.floored == side]] for side in (False, True)]
    ends = []
    for side in sides:
        n, p, z = len(side), statistics.fmean(side), statistics.NormalDist().inv_cdf(0.975)
        root = z * math.sqrt(z * z + 4 * n * p * (1 - p))
        ends.append(
            (
                p,
                (2 * n * p + z * z - root) / (2 * (n + z * z)),
                (2 * n * p + z * z + root) / (2 * (n + z * z)),
            )
        )
    (a, a_low, a_high), (b, b_low, b_high) = ends
    low = a - b - math.sqrt((a - a_low) ** 2 + (b_high - b) ** 2)
    high = a - b + math.sqrt((a_high - a) ** 2 + (b - b_low) ** 2)
    found = floor_effect(runs)
    assert found.effective == pytest.approx(len(sides[1]))
    agrees(found, 100 * (a - b), (100 * low, 100 * high))


def agrees(found: Effect, points: float, ends: tuple[float, float]) -> None:
    """The estimate is the textbook's, where that is narrow enough to be known."""
    if found.known:
        assert found.points == pytest.approx(points, abs=1e-6)
        assert (found.low, found.high) == pytest.approx(ends, abs=0.02)
        assert ends[1] - ends[0] <= 50.02
    else:
        assert found.effective < 2 * LEAST or ends[1] - ends[0] > 49.98


# -- against the truth


def test_the_intervals_cover_the_truth_where_a_comparison_of_means_is_wrong() -> None:
    rng = np.random.default_rng(11)
    covered: dict[str, list[bool]] = {"floor": [], "SNIPS": [], "doubly robust": []}
    naive = []
    for _ in range(400):
        runs = simulated(rng, 1200)
        naive.append(100 * float(runs.reward[runs.showed].mean() - runs.reward[~runs.showed].mean()))
        for found in effects(runs):
            truth = TRUTH / (1 - FLOOR) if found.name == "floor" else TRUTH
            if found.known:
                covered[found.name].append(found.low <= truth <= found.high)
    assert statistics.fmean(naive) < 0
    assert TRUTH > 5
    for name, hits in covered.items():
        assert len(hits) > 300, name
        assert 0.92 <= statistics.fmean(hits) <= 0.99, name


def test_a_good_baseline_narrows_the_interval_and_a_bad_one_moves_nothing() -> None:
    rng = np.random.default_rng(12)
    found = []
    for _ in range(100):
        runs = simulated(rng, 1200)
        wrong = replace(runs, baseline=1 - runs.reward.mean() - 0.5 * (runs.chance - 0.3))
        found.append((snips_effect(runs), doubly_robust_effect(runs), doubly_robust_effect(wrong)))
    means = [statistics.fmean(effect.points for effect in column) for column in zip(*found, strict=True)]
    assert means == pytest.approx([TRUTH] * 3, abs=1.5)
    snips, good, _ = ([e.high - e.low for e in column] for column in zip(*found, strict=True))
    assert statistics.fmean(good) < statistics.fmean(snips)


# -- invariants


@given(LOGS, st.integers(0, 1000))
def test_the_order_of_runs_and_the_unit_of_weights_are_nothing(runs: Runs, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(runs.reward))
    weight = runs.weight if runs.weight is not None else np.ones(len(order))
    names = ("reward", "showed", "chance", "floor", "floored", "baseline")
    moved = replace(runs, **{name: getattr(runs, name)[order] for name in names}, weight=7 * weight[order])
    for one, other in zip(effects(runs), effects(moved), strict=True):
        numbers = (other.points, other.low, other.high, other.effective)
        assert (one.points, one.low, one.high, one.effective) == pytest.approx(numbers)
        assert (one.name, one.known) == (other.name, other.known)


@st.composite
def any_runs(draw: st.DrawFn) -> Runs:
    """Logs with every peculiarity that `Runs` lets through."""
    count = draw(st.integers(0, 80))
    unit = st.sampled_from([0.0, 1.0]) | st.floats(0, 1)

    def column(values: st.SearchStrategy[float]) -> Floats:
        alike = draw(st.booleans())
        found = [draw(values)] * count if alike else draw(st.lists(values, min_size=count, max_size=count))
        return np.asarray(found, dtype=np.float64)

    floor = column(st.sampled_from([0.0, 0.03, 0.5, 1.0]))
    floored = (column(unit) < 0.5) & (floor > 0)
    return Runs(
        reward=column(unit),
        showed=(column(unit) < 0.5) & ~floored & (floor < 1),
        chance=np.maximum(column(st.floats(1e-6, 1)), floor),
        floor=floor,
        floored=floored,
        weight=column(st.floats(1e-3, 1e3)),
        baseline=column(st.floats(-1, 2)),
    )


MODELLED = st.builds(Modelled, st.floats(-1, 1), st.floats(0, 1), st.floats(0, 600))


@given(any_runs(), MODELLED)
def test_whatever_the_log_an_effect_is_a_number_in_its_interval_or_not_known(
    runs: Runs, modelled: Modelled
) -> None:
    found = effects(runs, modelled)
    assert [effect.name for effect in found] == ["floor", "SNIPS", "doubly robust", "model"]
    for effect in found:
        assert math.isfinite(effect.effective)
        assert -100 <= effect.low <= effect.points <= effect.high <= 100
        assert bool(effect.why) is not effect.known
        if effect.known:
            assert effect.high - effect.low <= 50.001
        else:
            assert (effect.low, effect.high) == (-100, 100)
            assert "not known yet" in describe(effect)
        assert "nan" not in describe(effect)


# -- what is not known yet


def runs_of(
    rewards_without: list[float], rewards_with: list[float], *, chance: float = 0.5, floor: float = 0.5
) -> Runs:
    """Runs without cases, on the floor, and then runs with cases."""
    showed = np.asarray([False] * len(rewards_without) + [True] * len(rewards_with))
    return Runs(
        reward=np.asarray(rewards_without + rewards_with),
        showed=showed,
        chance=np.full(len(showed), chance),
        floor=np.full(len(showed), floor),
        floored=~showed,
    )


def test_fewer_than_twenty_runs_without_cases_are_too_few() -> None:
    few, enough = (
        runs_of([0.0, 1.0] * 9, [1.0, 1.0, 0.0] * 90),
        runs_of([0.0, 1.0] * 30, [1.0, 1.0, 0.0] * 90),
    )
    assert [effect.known for effect in effects(few)] == [False, False]
    assert [effect.known for effect in effects(enough)] == [True, True]
    assert describe(effects(few)[0]) == (
        "floor: not known yet (18.0 effective runs on one side of the floor, fewer than 20)"
    )


def test_many_runs_that_had_to_be_empty_do_not_stand_for_the_others() -> None:
    """A thousand runs without cases are many effectively, but only five of them say what the others would
    have done without.
    """
    known = runs_of([0.0, 1.0] * 30, [1.0, 1.0, 0.0] * 90, chance=0.03, floor=0.03)
    sure = runs_of([0.0, 1.0] * 500, [], chance=0.999, floor=0.03)
    few = runs_of([0.0, 1.0, 0.0, 1.0, 0.0], [1.0, 1.0, 0.0] * 50, chance=0.03, floor=0.03)

    def both(a: Runs, b: Runs) -> Runs:
        names = ("reward", "showed", "chance", "floor", "floored")
        return Runs(**{name: np.concatenate([getattr(a, name), getattr(b, name)]) for name in names})

    assert snips_effect(both(sure, known)).known
    found = snips_effect(both(sure, few))
    assert found.effective > 100
    assert not found.known
    assert "where cases were likely" in found.why


def test_a_log_in_which_nothing_varies_says_nothing() -> None:
    never = runs_of([0.0] * 100, [0.0] * 100)
    assert [effect.why for effect in effects(never)] == [
        "all rewards are the same",
        "all rewards without cases are the same",
    ]


def test_where_nothing_succeeds_without_cases_the_floor_still_answers() -> None:
    found, snips = effects(runs_of([0.0] * 60, [1.0, 1.0, 0.0] * 90))
    assert found.known
    assert 50 < found.low < found.points < found.high < 75
    assert not snips.known


def test_where_no_cases_were_shown_there_is_no_effect_to_know() -> None:
    assert snips_effect(runs_of([0.0, 1.0] * 50, [])).why == "no cases were shown"


def test_an_interval_too_wide_is_no_answer() -> None:
    found = floor_effect(runs_of([0.0, 1.0] * 10, [0.0, 1.0] * 10))
    assert not found.known
    assert found.why.startswith("the interval is ±")


def test_runs_for_which_the_floor_was_not_drawn_are_not_compared_with_it() -> None:
    runs = runs_of([0.0, 1.0] * 30, [1.0, 1.0, 0.0] * 90)
    late = Runs(
        reward=np.r_[runs.reward, np.zeros(500)],
        showed=np.r_[runs.showed, np.zeros(500, bool)],
        chance=np.r_[runs.chance, np.ones(500)],
        floor=np.r_[runs.floor, np.zeros(500)],
        floored=np.r_[runs.floored, np.zeros(500, bool)],
    )
    assert floor_effect(late) == floor_effect(runs)
    alike = replace(late, reward=np.where(late.floor > 0, 1.0, 0.0))
    assert not floor_effect(alike).known


def test_a_floor_that_changed_with_the_tasks_does_not_pass_for_an_effect() -> None:
    """Hard tasks under a floor of one half and easy ones under a tenth; cases change nothing."""
    floored = [[True] * 100 + [False] * 100, [True] * 100 + [False] * 900]
    rewards = [[0.0, 0.0, 0.0, 1.0] * 50, [0.0, 1.0, 1.0, 1.0] * 250]
    on = np.concatenate([np.asarray(part) for part in floored])
    floor = np.r_[np.full(200, 0.5), np.full(1000, 0.1)]
    found = floor_effect(
        Runs(reward=np.concatenate(rewards), showed=~on, chance=floor, floor=floor, floored=on)
    )
    assert found.known
    assert found.points == pytest.approx(0.0)


# -- the model, and what is said


def test_the_model_speaks_of_the_newest_runs_that_showed_cases() -> None:
    assert describe(model_effect(Modelled(0.15, 0.05, 30.0))) == (
        "model: where cases are shown, memory is worth +15.0 points of success "
        "(95 % interval +5.2 to +24.8; the newest 30 runs with cases)"
    )
    assert not model_effect(Modelled(0.15, 0.2, 30.0)).known
    assert not model_effect(Modelled(0.15, 0.05, 19.0)).known


def test_models_that_were_not_given_are_not_asked() -> None:
    runs = runs_of([0.0, 1.0] * 30, [1.0, 1.0, 0.0] * 90)
    assert [effect.name for effect in effects(runs)] == ["floor", "SNIPS"]
    with pytest.raises(UsageError, match="baseline"):
        doubly_robust_effect(runs)


def test_an_effect_is_one_line() -> None:
    effect = Effect(name="SNIPS", effective=84.4, points=12.34, low=-3.1, high=21.5, known=True)
    assert describe(effect) == (
        "SNIPS: memory is worth +12.3 points of success "
        "(95 % interval -3.1 to +21.5; 84 effective runs without cases)"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reward": np.asarray([0.5, np.nan])}, "reward holds one finite number"),
        ({"reward": np.asarray([0.5, 1.5])}, "leave out runs that have none yet"),
        ({"showed": np.asarray([True])}, "one truth value a run"),
        ({"chance": np.asarray([0.5, 0.0])}, "leave out runs that had to show cases"),
        ({"chance": np.asarray([0.5, 0.01])}, "at least the floor's"),
        ({"floored": np.asarray([True, True])}, "check `floored`"),
        ({"floor": np.asarray([0.0, 0.0])}, "check `floor`"),
        ({"floor": np.asarray([0.03, 3.0])}, "from 0 to 1"),
        ({"weight": np.asarray([1.0, 0.0])}, "positive"),
    ],
)
def test_what_cannot_be_meant_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        replace(runs_of([1.0], [0.0]), **change)  # type: ignore[arg-type]
