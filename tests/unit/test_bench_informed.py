"""The arm that is told how its world works: what it believes is exact, and it reaches what can be learned."""

from contextlib import ExitStack

import numpy as np
import pytest

from memento.bench.arms import Exploring, make_arm
from memento.bench.informed import InformedArm
from memento.bench.simulation import run_cell
from memento.bench.worlds import KINDS, World, make_world

ARMS = ("informed", "informed-texts")


def arm_in(world: World, name: str = "informed") -> InformedArm:
    with ExitStack() as stack:
        arm = make_arm(name, world, stack)
    assert isinstance(arm, InformedArm)
    assert isinstance(arm, Exploring)
    return arm


def last(world: str, arm: str, seed: int, steps: int) -> float:
    return float(np.mean(run_cell(world, arm, seed, steps).success[-steps // 4 :]))


@pytest.mark.parametrize("name", ARMS)
def test_before_any_outcome_it_knows_what_likeness_is_worth(name: str) -> None:
    world = make_world("similar", 1, 20)
    for step in range(20):
        near = int(world.nearest(step, 1)[0][0])
        helps = world.effects[step, near] > 0
        assert arm_in(world, name).choose_known(step) == ([near] if helps else [])


@pytest.mark.parametrize("name", ARMS)
def test_where_every_case_hurts_it_shows_none(name: str) -> None:
    assert not any(run_cell("harmful", name, 0, 60).shown)


def test_what_it_believes_after_some_outcomes_is_the_exact_posterior() -> None:
    world, told = make_world("additive", 2, 60), []
    arm = arm_in(world)
    for step in range(40):
        shown = arm.choose(step)
        reward = world.reward(step, shown)
        arm.learn(step, shown, reward, None)
        told += [(step, shown, reward)] if shown else []
    cosines = (world.tasks @ world.cases.T).astype(np.float64)
    slope, intercept = np.polyfit(cosines.ravel(), world.effects.ravel().astype(np.float64), 1)
    expected = intercept + slope * cosines
    rest = world.effects - expected
    likeness = rest @ rest.T / len(world.cases)
    given = np.zeros((len(told), len(world.cases)))
    for row, (_, shown, _) in enumerate(told):
        given[row, shown] = world.attention[: len(shown)]
    steps = [step for step, _, _ in told]
    covariance = (given @ given.T) * likeness[np.ix_(steps, steps)] + 0.21 * np.eye(len(told))
    came = [reward - world.success(step, []) for step, _, reward in told]
    surplus = np.asarray(came) - (given * expected[steps]).sum(axis=1)
    weights = np.linalg.solve(covariance, surplus)
    for step in range(40, 60):
        means = expected[step] + given.T @ (weights * likeness[step, steps])
        chosen = arm.choose_known(step)
        assert len(chosen) == 4
        assert means[chosen] == pytest.approx(sorted(means, reverse=True)[:4], abs=1e-4)


def test_it_finds_good_cases_much_sooner_than_outcomes_alone_teach() -> None:
    gains = [
        last("quality", "informed", seed, 400) - last("quality", "similarity", seed, 400) for seed in range(3)
    ]
    assert np.mean(gains) > 0.15


def test_it_learns_from_every_attempt_at_a_task() -> None:
    once, thrice = (run_cell("quality", "informed", 0, 30, attempts=attempts) for attempts in (1, 3))
    assert len(thrice.success) == 30
    assert thrice.success[0] == once.success[0]
    assert thrice.success != once.success


def test_where_texts_do_not_tell_which_tasks_are_alike_it_matters_to_know() -> None:
    gains = [last("rare", "informed", s, 800) - last("rare", "informed-texts", s, 800) for s in range(3)]
    assert np.mean(gains) > 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_choices(kind: str) -> None:
    one, same = (run_cell(kind, "informed", 3, 40) for _ in range(2))
    assert one == same
