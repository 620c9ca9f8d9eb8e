"""How a cell is run: held-out tasks teach nothing, and attempts have luck of their own."""

from typing import Any

import numpy as np
import pytest

from memento.bench import simulation
from memento.bench.arms import MeanArm, PolicyArm
from memento.bench.simulation import run_cell
from memento.bench.split import held_out
from memento.bench.worlds import World, make_world

STEPS = 80


@pytest.fixture
def met(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """What an arm that learns case means was asked and told."""
    met: dict[str, list[Any]] = {"asked": [], "told": []}
    choose, learn = MeanArm.choose, MeanArm.learn

    def chooses(self: MeanArm, step: int) -> list[int]:
        met["asked"].append(step)
        return choose(self, step)

    def learns(self: MeanArm, step: int, shown: list[int], reward: float, cited: list[int] | None) -> None:
        met["told"].append((step, reward))
        learn(self, step, shown, reward, cited)

    monkeypatch.setattr(MeanArm, "choose", chooses)
    monkeypatch.setattr(MeanArm, "learn", learns)
    return met


def test_held_out_tasks_come_last_are_unlike_the_others_and_teach_nothing(met: dict[str, list[Any]]) -> None:
    cell = run_cell("quality", "case-mean", 0, STEPS, "held-out")
    sources = make_world("quality", 0, STEPS).sources
    teach, test = held_out(sources.tolist())
    assert met["asked"] == [*teach, *test]
    assert [step for step, _ in met["told"]] == teach
    assert cell.taught == len(teach)
    assert len(cell.success) == STEPS
    assert not set(sources[teach]) & set(sources[test])


def test_a_world_says_which_tasks_are_near_duplicates() -> None:
    world = make_world("quality", 0, 300)
    cosines = world.tasks @ world.tasks.T
    same = world.sources[:, None] == world.sources[None, :]
    np.fill_diagonal(same, val=False)
    assert same.any()
    assert cosines[same].min() > 0.8


def test_on_held_out_tasks_a_policy_does_not_explore_nor_record(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    known, choose = PolicyArm.choose_known, PolicyArm.choose
    recorded: list[int] = []
    learn = PolicyArm.learn
    monkeypatch.setattr(PolicyArm, "choose", lambda self, step: asked.append(True) or choose(self, step))
    monkeypatch.setattr(
        PolicyArm, "choose_known", lambda self, step: asked.append(False) or known(self, step)
    )
    monkeypatch.setattr(
        PolicyArm, "learn", lambda self, step, *rest: recorded.append(step) or learn(self, step, *rest)
    )
    cell = run_cell("quality", "kernel", 0, STEPS, "held-out")
    assert asked == [True] * cell.taught + [False] * (STEPS - cell.taught)
    assert len(recorded) == cell.taught
    assert not any(cell.floor[cell.taught :])


def test_each_attempt_has_luck_of_its_own_that_all_arms_share(met: dict[str, list[Any]]) -> None:
    cell = run_cell("quality", "case-mean", 0, STEPS, attempts=3)
    assert met["asked"] == [step for step in range(STEPS) for _ in range(3)]
    rewards = np.asarray([reward for _, reward in met["told"]]).reshape(STEPS, 3)
    assert (rewards[:, 0] != rewards[:, 1]).any()
    assert (rewards[:, 1] != rewards[:, 2]).any()
    lucks = [simulation._other_luck(make_world("quality", 0, STEPS), 1).luck for _ in range(2)]
    assert np.array_equal(*lucks)
    assert run_cell("quality", "case-mean", 0, STEPS, attempts=3) == cell


def test_without_memory_the_best_of_n_is_that_of_n_draws() -> None:
    one = run_cell("quality", "none", 0, STEPS)
    three = run_cell("quality", "none", 0, STEPS, attempts=3)
    assert three.success == one.success == one.best_of
    assert three.best_of == pytest.approx([1 - (1 - p) ** 3 for p in one.success], abs=1e-3)


def test_what_the_first_attempt_taught_the_second_one_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(World, "reward", lambda *_: 0.0)
    world = make_world("quality", 0, 1)
    cell = run_cell("quality", "case-mean", 0, 1, attempts=2)
    repeated = 1 - (1 - world.success(0, [int(case) for case in world.nearest(0, 4)[0]])) ** 2
    assert cell.best_of[0] == pytest.approx(repeated, abs=1e-3)  # all failed alike: nothing to choose by
    monkeypatch.setattr(MeanArm, "choose", lambda self, _: [0] if self._counts.sum() else [1])
    cell = run_cell("quality", "case-mean", 0, 1, attempts=2)
    first, second = world.success(0, [1]), world.success(0, [0])
    assert cell.best_of[0] == pytest.approx(1 - (1 - first) * (1 - second), abs=1e-3)
