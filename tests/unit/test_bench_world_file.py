"""A world of one's own: read as it is written, and told what is wrong by the array's name."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memento.bench.simulation import run_cell
from memento.bench.world_file import read_world
from memento.errors import UsageError

STEPS, CASES = 12, 6


def arrays() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "tasks": rng.standard_normal((STEPS, 384)),
        "cases": rng.standard_normal((CASES, 384)),
        "base": np.full(STEPS, 0.5),
        "effects": rng.uniform(-0.3, 0.3, (STEPS, CASES)),
        "luck": rng.random(STEPS),
    }


def write(folder: Path, **changed: Any) -> Path:
    stored = {name: array for name, array in (arrays() | changed).items() if array is not None}
    np.savez(folder / "mine.npz", **stored)
    return folder / "mine.npz"


def test_a_world_is_what_its_file_says(tmp_path: Path) -> None:
    given = arrays()
    attention = np.asarray([2.0, 1.0, 1.0, 1.0])
    file = write(tmp_path, poison=np.arange(CASES) == 3, attention=attention)
    world = read_world(file, seed=0, steps=10)
    assert world.tasks.shape == (10, 384)
    assert np.allclose(np.linalg.norm(world.tasks, axis=1), 1)
    assert world.success(2, []) == 0.5
    assert world.success(2, [1, 4]) == pytest.approx(
        0.5 + (2 * given["effects"][2, 1] + given["effects"][2, 4]) / 3
    )
    assert world.reward(2, []) == float(given["luck"][2] < 0.5)
    assert world.poisoned(5, [2, 3]) == 1
    assert world.best(0)[0] == given["effects"][0].argmax()


def test_another_seed_is_other_luck_in_the_same_world(tmp_path: Path) -> None:
    file = write(tmp_path)
    first, other = read_world(file, 0, STEPS), read_world(file, 1, STEPS)
    assert np.array_equal(first.effects, other.effects)
    assert not np.array_equal(first.luck, other.luck)
    assert sorted(first.luck) == sorted(other.luck)


def test_equal_tasks_are_near_duplicates_unless_the_file_says_which_are(tmp_path: Path) -> None:
    tasks = arrays()["tasks"]
    tasks[7] = 2 * tasks[3]
    sources = read_world(write(tmp_path, tasks=tasks), 0, STEPS).sources
    assert sources[7] == sources[3]
    assert len(set(sources)) == STEPS - 1
    said = read_world(write(tmp_path, sources=np.arange(STEPS) // 4), 0, STEPS).sources
    assert said.tolist() == [step // 4 for step in range(STEPS)]


def test_arms_run_in_it(tmp_path: Path) -> None:
    cells = {arm: run_cell(str(write(tmp_path)), arm, 0, STEPS) for arm in ("kernel", "random", "oracle")}
    assert cells["oracle"].success == cells["random"].oracle
    assert np.mean(cells["oracle"].success) > np.mean(cells["random"].success)
    assert cells["kernel"].code == cells["oracle"].code
    assert run_cell(str(write(tmp_path, base=np.full(STEPS, 0.4))), "none", 0, 2).code != cells["oracle"].code


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"effects": None}, "array 'effects' is missing"),
        ({"extra": np.zeros(3)}, "array 'extra' is unknown"),
        ({"tasks": np.zeros((STEPS, 3))}, r"array 'tasks' has shape \(12, 3\), not \(tasks, 384\)"),
        ({"tasks": np.zeros((STEPS, 384))}, "array 'tasks' has a row of zeros: 0"),
        ({"cases": np.ones((2, 384))}, "array 'cases' has 2 cases"),
        ({"effects": np.zeros((CASES, STEPS))}, r"array 'effects' has shape \(6, 12\), not \(12, 6\)"),
        ({"base": np.full(STEPS, 1.5)}, "array 'base' goes from 1.5 to 1.5: it should stay within 0 and 1"),
        ({"luck": np.full(STEPS, np.nan)}, "array 'luck' holds a number that is not finite"),
        ({"luck": np.full(STEPS, "a")}, "array 'luck' holds no numbers"),
        ({"poison": np.zeros(3)}, r"array 'poison' has shape \(3,\)"),
        ({"attention": np.zeros(4)}, "array 'attention' goes from 0 to 0"),
        ({"sources": np.zeros(STEPS)}, "array 'sources' should be 12 whole numbers"),
    ],
)
def test_what_is_wrong_is_said_by_the_array_s_name(
    changed: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=said):
        read_world(write(tmp_path, **changed), 0, STEPS)


def test_what_is_no_such_file_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_world(tmp_path / "none.npz", 0, STEPS)
    for content in (b"", b"hello", b"PK\x03\x04nonsense"):
        (tmp_path / "other.npz").write_bytes(content)
        with pytest.raises(UsageError, match=r"no \.npz of numbers"):
            read_world(tmp_path / "other.npz", 0, STEPS)
    np.savez(tmp_path / "objects.npz", tasks=np.asarray([{}], dtype=object))
    with pytest.raises(UsageError, match=r"no \.npz of numbers"):
        read_world(tmp_path / "objects.npz", 0, STEPS)
