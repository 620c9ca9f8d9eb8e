"""The neural Q: what it learns from a ledger, what it is a function of, and its checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from memento.bench.worlds import make_world
from memento.memory import CaseBank, Home, Ledger, Policy, Reward, RunRecord, Selection, Shown, build_policy
from memento.memory.case_bank import Candidate
from memento.memory.neural_net import Pairs, load, logit, sigmoid
from memento.memory.neural_q import NeuralQ
from memento.memory.neural_training import calibration_of, case_variance, train
from memento.memory.outcomes import Outcomes
from tests.memory_tools import DIMENSIONS, axis, demonstration, open_bank, python

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from memento.memory.q_function import QValues

TASK = axis(0)
GOOD, BAD = 1, 2


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CaseBank]:
    with open_bank(tmp_path_factory.mktemp("shared") / "home") as opened:
        add_cases(opened)
        yield opened


@pytest.fixture(scope="module")
def taught(bank: CaseBank, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """A ledger with 300 rewarded runs."""
    with Ledger(tmp_path_factory.mktemp("shared") / "taught") as opened:
        write(opened, history(bank, 300))
        yield opened


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger") as opened:
        yield opened


def case_vector(side: int, number: int) -> NDArray[np.float32]:
    """Cases of both sides have the same cosine to TASK, and .68 to each other; those of one side .92."""
    vector = 0.6 * axis(0) + 0.566 * axis(3) + 0.4 * axis(side)
    vector[10 + number] += 0.4
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def add_cases(bank: CaseBank) -> list[str]:
    """Three cases of the good side, then three of the bad one."""
    cases = [demonstration(f"case {number}", f"tool{number}") for number in range(6)]
    return bank.add_many(cases, [case_vector(GOOD if n < 3 else BAD, n) for n in range(6)])


def a_task(rng: np.random.Generator) -> NDArray[np.float32]:
    vector = axis(0) + 0.1 * rng.standard_normal(DIMENSIONS)
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def truth(case: int | None) -> float:
    """The chance of success with this case: both sides look the same from a task."""
    return 0.5 if case is None else 0.85 if case < 3 else 0.15


def history(bank: CaseBank, count: int, seed: int = 0) -> list[tuple[RunRecord, float]]:
    """Runs that showed one case at random, or none, and their rewards."""
    rng = np.random.default_rng(seed)
    ids = [case.id for case in bank.all()]
    runs = []
    for number in range(1, count + 1):
        task = a_task(rng)
        case = None if rng.random() < 0.3 else int(rng.integers(6))
        shown = [] if case is None else [slot(ids[case], float(task @ case_vector(GOOD, case)))]
        run = RunRecord(
            run_id=f"run-{number}",
            namespace=bank.namespace,
            number=number,
            vector=task,
            arm="learned",
            shown=shown,
            candidates=[(ids[0], 0.5, 0.5)],
        )
        runs.append((run, float(rng.random() < truth(case))))
    return runs


def slot(case_id: str, similarity: float, rank: int = 0, used: bool | None = None) -> Shown:
    return Shown(
        case_id=case_id, rank=rank, similarity=similarity, q=0.5, q_std=0.1, propensity=0.5, used=used
    )


def write(ledger: Ledger, runs: list[tuple[RunRecord, float]]) -> None:
    for run, reward in runs:
        ledger.commit_run(run, Reward(reward=reward))


def neural(bank: CaseBank, ledger: Ledger, k: int = 2, seed: int = 0) -> Policy:
    return build_policy("neural", bank=bank, ledger=ledger, k=k, seed=seed)


def chosen(selection: Selection) -> tuple[Any, ...]:
    """All of a selection but the run's id and number."""
    return selection.arm, selection.stop_propensity, selection.candidates, selection.cases


def next_choices(policy: Policy) -> list[tuple[Any, ...]]:
    """What it chooses for a task, with and without exploring, in the runs after those that were recorded."""
    policy.ledger.home._numbers.clear()
    return [chosen(policy.select(TASK, explore=explore)) for explore in (True, False)]


def choices(bank: CaseBank, ledger: Ledger, seed: int = 0) -> list[tuple[Any, ...]]:
    """The next choices of a policy that starts now."""
    return next_choices(neural(bank, ledger, seed=seed))


def checkpoint(ledger: Ledger) -> Path:
    (file,) = (ledger.home.path / "neural").iterdir()
    return file


def values(bank: CaseBank, ledger: Ledger, task: NDArray[np.float32] = TASK) -> QValues:
    """Q of the six cases, and of nothing."""
    outcomes = Outcomes(ledger, bank.namespace)
    outcomes.refresh()
    candidates = [
        Candidate(case.id, float(task @ case_vector(GOOD if n < 3 else BAD, n)), vector, "success", ())
        for n, case in enumerate(bank.all())
        for vector in [case_vector(GOOD if n < 3 else BAD, n)]
    ]
    return NeuralQ(bank, ledger.home.path / "neural", 0).evaluate(task, candidates, outcomes)


# -- what it learns


def test_of_cases_that_look_alike_it_learns_which_help(
    bank: CaseBank, ledger: Ledger, taught: Ledger
) -> None:
    rng = np.random.default_rng(9)
    tasks = [a_task(rng) for _ in range(10)]
    right = np.asarray([truth(case) for case in range(6)])
    before = [np.abs(values(bank, ledger, task).q - right).mean() for task in tasks]
    found = [values(bank, taught, task) for task in tasks]
    after = [np.abs(value.q - right).mean() for value in found]
    assert np.mean(after) < 0.6 * np.mean(before)
    assert all(value.q[:3].min() > value.void > value.q[3:].max() for value in found)


def test_before_any_outcome_it_is_the_prior_and_nothing_is_trained(bank: CaseBank, ledger: Ledger) -> None:
    prior = values(bank, ledger)
    write(ledger, history(bank, 24))
    still = values(bank, ledger)
    assert prior.void == 0.5
    assert prior.q == pytest.approx([0.55 + 0.6 * (TASK @ case_vector(GOOD, 0) - 0.15)] * 6, abs=1e-6)
    assert list(still.q) == list(prior.q)
    assert [*prior.outcomes, *still.outcomes] == [0.0] * 12
    assert not (ledger.home.path / "neural").exists()


def test_what_it_is_sure_of_grows_with_what_it_saw(bank: CaseBank, ledger: Ledger, taught: Ledger) -> None:
    before, after = values(bank, ledger), values(bank, taught)
    assert after.std.mean() < before.std.mean()
    assert after.void_std < before.void_std
    assert after.outcomes.sum() == sum(bool(run.shown) for run, _ in history(bank, 300))


@pytest.mark.parametrize("kind", ["misleading", "similar"])
def test_on_later_tasks_of_a_simulated_world_its_promises_are_kept(kind: str) -> None:
    world = make_world(kind, 0, 700)
    rng = np.random.default_rng(0)

    def pairs(steps: range, each: int) -> tuple[Pairs, list[int], list[int]]:
        """Each step with nothing, and with some of its 64 nearest cases."""
        places = [
            (step, case)
            for step in steps
            for case in [-1, *(int(c) for c in rng.choice(world.nearest(step, 64)[0], each))]
        ]
        rows, cases = (list(column) for column in zip(*places, strict=True))
        shown = np.asarray(cases) >= 0
        vectors = np.where(shown[:, None], world.cases[cases], 0.0).astype(np.float32)
        cosines = np.einsum("ij,ij->i", world.tasks[rows], vectors).astype(np.float64)
        prior = logit(0.5 + np.where(shown, 0.05 + 0.6 * (cosines - 0.3), 0.0))
        return Pairs(world.tasks[rows], vectors, shown, np.maximum(cases, 0), cosines, prior), rows, cases

    def chances(rows: list[int], cases: list[int]) -> NDArray[np.float64]:
        return np.asarray(
            [world.success(step, [case][: case >= 0]) for step, case in zip(rows, cases, strict=True)]
        )

    def error(promised: NDArray[np.float64], kept: NDArray[np.float64]) -> float:
        """The expected calibration error over ten bins, without the luck of single rewards."""
        bins = np.minimum((promised * 10).astype(int), 9)
        return sum(abs((promised - kept)[bins == b].sum()) for b in range(10)) / len(kept)

    seen, rows, cases = pairs(range(500), 1)
    rewards = (rng.random(len(rows)) < chances(rows, cases)).astype(float)
    network = train(seen, rewards, np.ones(len(rows)), 0)
    later, rows, cases = pairs(range(500, 700), 8)
    q, std = network.predict(later)
    kept = chances(rows, cases)
    assert error(q, kept) < 0.06
    assert error(q, kept) < 0.5 * error(sigmoid(later.prior), kept)
    assert 0.2 < np.mean(((q - kept) / std) ** 2) < 5


def test_what_repeats_of_a_task_say_of_each_other_is_no_promise_for_new_tasks() -> None:
    rng = np.random.default_rng(0)
    states = np.repeat(rng.standard_normal((40, DIMENSIONS)), 6, axis=0)
    states /= np.linalg.norm(states, axis=1, keepdims=True)
    luck = np.repeat(rng.integers(0, 2, 40), 6).astype(float)  # one draw a task, and nothing to learn

    def asked(vectors: NDArray[np.float64]) -> Pairs:
        size = len(vectors)
        tasks = vectors.astype(np.float32)
        nothing = np.zeros(size)
        return Pairs(tasks, 0 * tasks, nothing > 0, nothing.astype(np.intp), nothing, nothing)

    network = train(asked(states), luck, np.ones(240), 0)
    q, _ = network.predict(asked(rng.permutation(states.T).T))
    assert np.abs(q - luck.mean()).mean() < 0.1


outcome = st.tuples(st.floats(-4, 4), st.floats(-2, 2), st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 2))


@given(rows=st.lists(outcome, min_size=1))
def test_what_was_held_out_calibrates_it_as_the_textbook_says(
    rows: list[tuple[float, float, float, float]],
) -> None:
    learned, prior, rewards, weights = np.asarray(rows).T

    def surprise(found: NDArray[np.float64]) -> float:
        chances = sigmoid(prior + found[0] * learned + found[1])
        likely = rewards * np.log(chances) + (1 - rewards) * np.log(1 - chances)
        return float(((found - [0.5, 0.0]) ** 2).sum() / (2 * 0.5**2) - weights @ likely)

    best = minimize(surprise, [0.5, 0.0], method="BFGS").x
    mean, *covariance = calibration_of(learned, prior, rewards, weights)
    assert mean == pytest.approx(np.clip(best, [0.0, -10.0], [1.5, 10.0]), abs=1e-3)
    chances = sigmoid(prior + best[0] * learned + best[1])
    curve = 4.0 * np.eye(2)
    for row, weight, chance in zip(learned, weights, chances, strict=True):
        curve += weight * chance * (1 - chance) * np.outer([row, 1.0], [row, 1.0])
    assert np.asarray(covariance) == pytest.approx(np.linalg.inv(curve), abs=1e-3)


@given(rows=st.lists(st.tuples(st.integers(-1, 3), st.floats(-1, 1), st.floats(0, 2)), min_size=1))
def test_how_much_cases_differ_is_the_least_squares_of_the_products_of_their_residuals(
    rows: list[tuple[int, float, float]],
) -> None:
    names, residuals, weights = np.asarray(rows).T
    shown = names >= 0
    nothing = np.zeros((len(rows), DIMENSIONS), np.float32)
    pairs = Pairs(nothing, nothing, shown, np.maximum(names, 0).astype(np.intp), 0 * weights, 0 * weights)
    above, below = 100 * 0.15**2, 100.0
    for i, one in enumerate(rows):
        for j, other in enumerate(rows):
            if i != j and one[0] == other[0] >= 0:
                above += one[1] * other[1] * one[2] * other[2]
                below += (one[2] * other[2]) ** 2
    expected = np.clip(above / below, 0.25 * 0.15**2, 0.25)
    assert case_variance(residuals, weights, pairs) == pytest.approx(expected)


# -- what it is a function of


def test_the_same_ledger_and_seed_give_the_same_checkpoint_and_the_same_choice(
    bank: CaseBank, tmp_path: Path
) -> None:
    made = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        with Ledger(tmp_path / name) as ledger:
            write(ledger, history(bank, 60))
            made.append((choices(bank, ledger, seed), checkpoint(ledger).read_bytes()))
    assert made[0] == made[1]
    assert made[0][1] != made[2][1]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_late_and_corrected_rewards_teach_what_rewards_at_once_teach(
    bank: CaseBank, ledger: Ledger, tmp_path: Path, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    runs = history(bank, 40, seed)
    write(ledger, runs)
    with Ledger(tmp_path / "late") as late:
        for index in rng.permutation(40):
            run, reward = runs[index]
            wrong = Reward(reward=1.0 - reward) if rng.random() < 0.4 else None
            late.commit_run(run, wrong)
        policy = neural(bank, late)
        for count, index in enumerate(rng.permutation(40)):
            run, reward = runs[index]
            late.feedback(run.run_id, reward, source="environment")
            if count % 13 == 0:  # it learns from what is not yet right
                policy.select(TASK)
        assert next_choices(policy) == choices(bank, ledger)
        assert checkpoint(late).read_bytes() == checkpoint(ledger).read_bytes()


def test_it_is_trained_when_a_tenth_more_is_known(bank: CaseBank, ledger: Ledger) -> None:
    runs = history(bank, 31)
    seen = []
    policy = neural(bank, ledger)
    for run, reward in runs:
        ledger.commit_run(run, Reward(reward=reward))
        policy.select(TASK)
        folder = ledger.home.path / "neural"
        seen.append(checkpoint(ledger).read_bytes() if folder.exists() else b"")
    assert [n for n in range(1, 32) if seen[n - 1] != ([b"", *seen])[n - 1]] == [25, 28, 31]


def test_a_deleted_case_is_no_part_of_it_at_once(home: Path) -> None:
    with open_bank(home) as bank:
        ids = add_cases(bank)
        write(bank.ledger, history(bank, 40))
        policy = neural(bank, bank.ledger)
        policy.select(TASK)
        before = checkpoint(bank.ledger).read_bytes()
        bank.delete(ids[0])
        assert next_choices(policy) == choices(bank, bank.ledger)
        assert checkpoint(bank.ledger).read_bytes() != before
        for case_id in ids[1:]:
            bank.delete(case_id)
        assert policy.select(TASK).cases == []


@given(data=st.data())
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_happened_q_is_a_chance(
    bank: CaseBank, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    ids = [case.id for case in bank.all()]
    reward = data.draw(st.sampled_from([0.0, 0.3, 1.0]), label="every reward")
    weight = data.draw(st.sampled_from([1e-6, 1.0, 1e6]), label="weight")
    used = data.draw(st.sampled_from([None, True, False]), label="used")
    spread = data.draw(st.sampled_from([0, 3, 40]), label="different tasks")
    size = data.draw(st.integers(0, 4), label="cases shown")
    with Ledger(tmp_path_factory.mktemp("any") / "home") as ledger:
        for number in range(1, 27):
            shown = [slot(ids[rank], 1.0, rank, used if rank == 0 else None) for rank in range(size)]
            run = RunRecord(
                run_id=f"r{number}",
                namespace=bank.namespace,
                number=number,
                vector=axis(number % (spread + 1)),
                arm="learned",
                shown=shown,
            )
            ledger.commit_run(run, Reward(reward=reward, weight=weight))
        found = values(bank, ledger)
    everything = np.asarray([*found.q, found.void])
    deviations = np.asarray([*found.std, found.void_std])
    assert ((everything >= 0) & (everything <= 1)).all()
    assert np.isfinite(deviations).all()
    assert (deviations > 0).all()


# -- its checkpoint


def damaged(file: Path, place: int) -> None:
    data = bytearray(file.read_bytes())
    data[place] ^= 0xFF
    file.write_bytes(bytes(data))


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "missing": Path.unlink,
    "empty": lambda file: file.write_bytes(b""),
    "no checkpoint": lambda file: file.write_bytes(b"{}" * 1000),
    "cut off": lambda file: file.write_bytes(file.read_bytes()[:-1000]),
    "a wrong weight": lambda file: damaged(file, -100),
    "a wrong header": lambda file: damaged(file, 40),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_checkpoint_is_made_again(
    bank: CaseBank, ledger: Ledger, damage: Callable[[Path], Any]
) -> None:
    write(ledger, history(bank, 30))
    before = choices(bank, ledger)
    file = checkpoint(ledger)
    data = file.read_bytes()
    damage(file)
    assert choices(bank, ledger) == before
    assert checkpoint(ledger).read_bytes() == data


def test_a_checkpoint_of_another_history_or_seed_is_made_again(
    bank: CaseBank, ledger: Ledger, tmp_path: Path
) -> None:
    write(ledger, history(bank, 30))
    choices(bank, ledger, seed=5)
    other_seed = checkpoint(ledger).read_bytes()
    with Ledger(tmp_path / "other") as other:
        write(other, history(bank, 30, seed=8))
        choices(bank, other)
        other_history = checkpoint(other).read_bytes()
    file = checkpoint(ledger)
    file.unlink()
    right = choices(bank, ledger)
    data = file.read_bytes()
    for stale in (other_seed, other_history):
        file.write_bytes(stale)
        assert choices(bank, ledger) == right
        assert file.read_bytes() == data


def test_a_network_without_its_key_is_not_loaded(bank: CaseBank, ledger: Ledger) -> None:
    write(ledger, history(bank, 30))
    choices(bank, ledger)
    assert load(checkpoint(ledger), "another key") is None


def test_a_checkpoint_that_fits_is_asked_without_training_and_without_torch(
    bank: CaseBank, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    code = (
        "import sys; sys.path.insert(0, '.')\n"
        "from tests.unit.test_neural_q import TASK, add_cases, history, neural, write, open_bank\n"
        "with open_bank(sys.argv[1]) as bank:\n"
        "    add_cases(bank)\n"
        "    policy = neural(bank, bank.ledger)\n"
        "    policy.select(TASK)\n"
        "    print('torch' in sys.modules)\n"
        "    write(bank.ledger, history(bank, 30))\n"
        "    policy.select(TASK)\n"
        "    print('torch' in sys.modules)\n"
    )
    lines = [python(code, home, cwd=tmp_path, timeout=200).stdout.split() for _ in range(2)]
    # The first process trains, and the second finds the checkpoint.
    assert lines == [["False", "True"], ["False", "False"]]


# -- the ends of its range


def test_no_cases_are_asked_for(bank: CaseBank, ledger: Ledger) -> None:
    write(ledger, history(bank, 30))
    policy = neural(bank, ledger, k=0)
    assert [policy.select(TASK, explore=explore).cases for explore in (True, False)] == [[], []]


def test_an_empty_bank_with_a_history_shows_nothing(tmp_path: Path) -> None:
    with Home.open(tmp_path / "home") as home, open_bank(home) as bank:
        write(bank.ledger, [(run, reward) for run, reward in with_nothing(30)])
        policy = neural(bank, bank.ledger)
        assert [policy.select(TASK, explore=explore).cases for explore in (True, False)] == [[], []]


def with_nothing(count: int) -> list[tuple[RunRecord, float]]:
    return [
        (RunRecord(run_id=f"r{n}", namespace="default", number=n, vector=TASK, arm="none"), float(n % 2))
        for n in range(1, count + 1)
    ]
