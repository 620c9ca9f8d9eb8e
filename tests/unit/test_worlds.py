"""The simulated worlds: deterministic, the same luck for all arms, and what each kind says of itself."""

from contextlib import ExitStack
from itertools import permutations

import numpy as np
import pytest

from memento.bench.arms import ARMS, make_arm
from memento.bench.worlds import KINDS, World, make_world
from memento.errors import UsageError

STEPS = 120


def nearest(world: World, step: int, count: int = 4) -> list[int]:
    return [int(case) for case in world.nearest(step, count)[0]]


@pytest.mark.parametrize("kind", KINDS)
def test_a_world_is_a_function_of_its_kind_and_seed(kind: str) -> None:
    one, same, other = make_world(kind, 1, STEPS), make_world(kind, 1, STEPS), make_world(kind, 2, STEPS)
    for name in ("tasks", "cases", "base", "effects", "luck", "poison"):
        assert np.array_equal(getattr(one, name), getattr(same, name))
    assert not np.array_equal(one.luck, other.luck)


@pytest.mark.parametrize("kind", KINDS)
def test_more_expected_success_is_never_worse_luck(kind: str) -> None:
    world = make_world(kind, 3, STEPS)
    for step in range(STEPS):
        best = world.best(step)
        orders = [list(order) for order in permutations(best)]
        for shown in ([], nearest(world, step), *orders):
            assert world.success(step, best) >= world.success(step, shown) - 1e-9
        assert world.reward(step, best) >= world.reward(step, nearest(world, step))


def test_where_every_case_hurts_the_best_is_to_show_none() -> None:
    world = make_world("harmful", 1, STEPS)
    assert (world.effects < 0).all()
    assert all(world.best(step) == [] for step in range(STEPS))


def test_poison_is_shown_by_similarity_more_than_its_share() -> None:
    world = make_world("misleading", 1, STEPS)
    shown = sum(world.poisoned(step, nearest(world, step)) for step in range(STEPS)) / STEPS
    assert shown > 4 * 0.15


def test_half_way_through_a_changing_world_other_cases_help_and_fewer() -> None:
    world = make_world("change", 1, STEPS)
    before, after = world.effects[: STEPS // 2].mean(axis=0), world.effects[STEPS // 2 :].mean(axis=0)
    assert abs(np.corrcoef(before, after)[0, 1]) < 0.5
    assert not np.array_equal(*world.poison)
    assert 2 * world.poison[0].sum() == world.poison[1].sum()
    assert (after > 0).mean() < (before > 0).mean()
    for steps in (range(STEPS // 2), range(STEPS // 2, STEPS)):
        shown = sum(world.poisoned(step, nearest(world, step)) for step in steps) / len(steps)
        assert shown > 4 * 0.15


def test_a_planner_cites_more_after_success_and_only_what_was_shown() -> None:
    world = make_world("cited", 1, STEPS)
    shown = nearest(world, 0)
    cited = {reward: [world.cited(step, shown, reward) for step in range(STEPS)] for reward in (0.0, 1.0)}
    assert all(set(cases or []) <= set(shown) for rows in cited.values() for cases in rows)
    counts = {reward: sum(len(cases or []) for cases in rows) for reward, rows in cited.items()}
    assert counts[1.0] > 3 * counts[0.0]
    assert make_world("misleading", 1, STEPS).cited(0, shown, 1.0) is None


@pytest.mark.parametrize("name", [name for name in ARMS if name != "none"])
def test_every_arm_shows_at_most_four_different_cases(name: str) -> None:
    world = make_world("similar", 1, 12)
    with ExitStack() as stack:
        arm = make_arm(name, world, stack)
        for step in range(12):
            shown = arm.choose(step)
            assert len(shown) == len(set(shown)) <= 4
            assert all(0 <= case < len(world.cases) for case in shown)
            reward = world.reward(step, shown)
            arm.learn(step, shown, reward, world.cited(step, shown, reward))


def test_a_world_or_an_arm_that_is_not_there_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="no world 'nowhere': use one of misleading"):
        make_world("nowhere", 0)
    with ExitStack() as stack, pytest.raises(UsageError, match="no arm 'magic'"):
        make_arm("magic", make_world("similar", 1, 2), stack)


def test_the_released_recipe_starts_as_similarity_and_turns_to_the_cases_that_went_with_success() -> None:
    world = make_world("quality", 1, 450)
    chosen = []
    for _ in range(2):
        with ExitStack() as stack:
            arm = make_arm("released", world, stack)
            slates = []
            for step in range(450):
                slates.append(arm.choose(step))
                good = world.effects[step, slates[-1]].mean() > world.effects[step].mean()
                arm.learn(step, slates[-1], float(good), None)
        chosen.append(slates)
    assert chosen[0] == chosen[1]
    assert all(chosen[0][step] == nearest(world, step) for step in range(200))

    def worth(slate: list[int], step: int) -> float:
        return float(world.effects[step, slate].mean())

    gains = [worth(chosen[0][step], step) - worth(nearest(world, step), step) for step in range(200, 450)]
    assert np.mean(gains) > 0.03
