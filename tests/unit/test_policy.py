"""The choice of cases: what it is a function of, its probabilities, and what it learns."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from memento.memory import Case, CaseBank, Ledger, Policy, Selection, auto, build_policy, credit, soft
from memento.memory.advantage_q import AdvantageQ
from memento.memory.draws import REDRAWS
from memento.memory.errors import UsageError
from memento.memory.q_function import QValues
from memento.memory.slate import FLOOR
from memento.memory.slates import Slates, slates_of
from memento.memory.why import Explanation, explain
from tests.memory_tools import DIMENSIONS, axis, demonstration, open_bank

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from memento.memory.fold import State

TASK = axis(0)


def at_cosine(cosine: float, other: int) -> NDArray[np.float32]:
    """A unit vector with this cosine to TASK, at right angles to those of other numbers otherwise."""
    vector = np.zeros(DIMENSIONS, dtype=np.float32)
    vector[0], vector[other] = cosine, np.sqrt(1 - cosine**2)
    return vector


def silent(bank: CaseBank, count: int) -> list[str]:
    """Cases that are equally near TASK and do not tell what they did."""
    cases = [Case.from_demonstration(task=f"task {number}") for number in range(count)]
    return bank.add_many(cases, [at_cosine(0.5, 1 + number) for number in range(count)])


def fill(bank: CaseBank, cosines: Sequence[float]) -> list[str]:
    """Cases that each do something else, with these cosines to TASK."""
    cases = [demonstration(f"task {number}", f"tool{number}") for number in range(len(cosines))]
    return bank.add_many(cases, [at_cosine(cosine, 1 + number) for number, cosine in enumerate(cosines)])


def chosen(selection: Selection) -> tuple[Any, ...]:
    """All of a selection but the run's id."""
    rest = (selection.number, selection.arm, selection.arm_propensity, selection.stop_propensity)
    return (
        *rest,
        tuple(map(tuple, selection.candidates)),
        tuple(tuple(slot.items()) for slot in selection.cases),
    )


def ids(selection: Selection) -> list[str]:
    return [shown.case_id for shown in selection.cases]


def play(policy: Policy, rounds: int, reward: Callable[[list[str]], float], **record: Any) -> list[list[str]]:
    """Run after run on the same task; what was shown in each."""
    shown = []
    for _ in range(rounds):
        selection = policy.select(TASK)
        shown.append(ids(selection))
        policy.record(selection, reward=reward(ids(selection)), **record)
    return shown


def shown_runs(policy: Policy, rounds: int) -> list[Selection]:
    """Selections for the same task, of runs whose reward stays unknown."""
    selections = []
    for _ in range(rounds):
        selections.append(policy.select(TASK))
        policy.record(selections[-1])
    return selections


# -- what the choice is a function of


def test_the_same_seed_runs_and_outcomes_give_the_same_selections(
    quick_bank: CaseBank, tmp_path: Path
) -> None:
    fill(quick_bank, [0.3, 0.28, 0.26, 0.24, 0.22])

    def world(name: str, seed: int) -> list[Selection]:
        with Ledger(tmp_path / name) as ledger:
            policy = build_policy("kernel", bank=quick_bank, ledger=ledger, k=3, seed=seed)
            made = []
            for number in range(25):
                selection = policy.select(at_cosine(0.9, 1 + number % 3))
                policy.record(selection, reward=float(number % 4 > 0))
                made.append(selection)
            return made

    first, second, other = world("a", 7), world("b", 7), world("c", 8)
    assert [chosen(s) for s in first] == [chosen(s) for s in second]
    assert [ids(s) for s in first] != [ids(s) for s in other]
    assert len({s.run_id for s in [*first, *second, *other]}) == 75


@pytest.mark.parametrize("name", ["kernel", "auto"])
def test_a_namespace_has_draws_and_numbers_of_its_own(quick_bank: CaseBank, name: str) -> None:
    policy = build_policy(name, bank=quick_bank)
    numbers = [policy.select(TASK, namespace=f"{quick_bank.namespace}-{name}").number for name in "aabab"]
    assert numbers == [1, 2, 1, 3, 2]


@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_late_repeated_and_corrected_rewards_teach_what_rewards_at_once_teach(
    quick_bank: CaseBank, data: st.DataObject
) -> None:
    fill(quick_bank, [0.35, 0.3, 0.25, 0.2])
    name = data.draw(st.sampled_from(["kernel", "auto"]), label="policy")
    count = data.draw(st.integers(1, 10), label="runs")
    rewards = data.draw(
        st.lists(st.sampled_from([0.0, 0.25, 1.0]), min_size=count, max_size=count), label="rewards"
    )
    order = data.draw(st.permutations(range(count)), label="order of writing")
    said = [
        (run, wrong)
        for run in range(count)
        for wrong in data.draw(st.lists(st.sampled_from([0.0, 1.0]), max_size=2))
    ]
    said = data.draw(st.permutations(said), label="corrected rewards")
    last = data.draw(st.permutations(range(count)), label="order of the last word")
    looks = data.draw(st.integers(0, 2), label="looks between")

    with (
        tempfile.TemporaryDirectory() as folder,
        Ledger(f"{folder}/a") as at_once,
        Ledger(f"{folder}/b") as late,
    ):
        first = build_policy(name, bank=quick_bank, ledger=at_once, k=2)
        second = build_policy(name, bank=quick_bank, ledger=late, k=2)
        runs = []
        for number, reward in enumerate(rewards):
            runs.append(first.select(at_cosine(0.95, 1 + number % 4)))
            first.record(runs[-1], reward=reward)
        for index in order:
            second.record(runs[index])
        for index, wrong in said:
            late.feedback(runs[index].run_id, wrong, source="environment")
        for _ in range(looks):
            second.select(TASK)
            first.select(TASK)
        for index in last:
            late.feedback(runs[index].run_id, rewards[index], source="environment")
            second.record(runs[index], reward=rewards[index])
        assert chosen(first.select(TASK)) == chosen(second.select(TASK))


def test_rewards_that_come_weeks_late_lead_to_the_same_choice(quick_bank: CaseBank, tmp_path: Path) -> None:
    fill(quick_bank, [0.4, 0.35, 0.3, 0.25, 0.2])
    with Ledger(tmp_path / "a") as at_once, Ledger(tmp_path / "b") as late:
        first = build_policy("auto", bank=quick_bank, ledger=at_once, k=3)
        second = build_policy("auto", bank=quick_bank, ledger=late, k=3)
        runs = []
        for number in range(140):
            runs.append(first.select(at_cosine(0.95, 1 + number % 5)))
            first.record(runs[-1], reward=float(number % 3 > 0))
        for run in runs:
            second.record(run)
        for number in np.random.default_rng(0).permutation(140):
            if number % 20 == 0:
                late.feedback(runs[number].run_id, 0.5, source="environment")
                explain(second, TASK)
        for number in np.random.default_rng(1).permutation(140):
            late.feedback(runs[number].run_id, float(number % 3 > 0), source="environment")
        assert chosen(first.select(TASK)) == chosen(second.select(TASK))


@pytest.mark.parametrize("name", ["auto", "kernel", "neural"])
def test_replaying_the_ledger_rebuilds_the_same_next_selection(tmp_path: Path, name: str) -> None:
    def opened(play: bool) -> tuple[Selection, Explanation]:
        with open_bank(tmp_path / "home") as bank:
            policy = build_policy(name, bank=bank, k=3)
            if play:
                fill(bank, [0.4, 0.35, 0.3, 0.25, 0.2])
                for number in range(70):
                    selection = policy.select(at_cosine(0.95, 1 + number % 5))
                    policy.record(selection, reward=float(number % 3 > 0))
            return policy.select(TASK), explain(policy, TASK)

    (first, told), (again, told_again) = opened(play=True), opened(play=False)
    assert chosen(first) == chosen(again)
    assert first.number == 71
    assert told == told_again


def test_a_selection_that_is_never_recorded_changes_no_other(quick_bank: CaseBank, tmp_path: Path) -> None:
    fill(quick_bank, [0.3, 0.25, 0.2])

    def world(name: str, unrecorded: dict[int, NDArray[np.float32]]) -> list[tuple[Any, ...]]:
        with Ledger(tmp_path / name) as ledger:
            policy = build_policy("kernel", bank=quick_bank, ledger=ledger, k=2)
            made = []
            for number in range(12):
                selection = policy.select(unrecorded.get(number, TASK))
                if number not in unrecorded:
                    policy.record(selection, reward=1.0)
                    made.append(chosen(selection))
            return made

    lost = (2, 3, 7)
    made = world("a", dict.fromkeys(lost, TASK))
    assert made == world("b", dict.fromkeys(lost, at_cosine(0.9, 60)))
    assert [row[0] for row in made] == [number + 1 for number in range(12) if number not in lost]


def test_select_writes_nothing(quick_bank: CaseBank, tmp_path: Path) -> None:
    fill(quick_bank, [0.5])
    with Ledger(tmp_path / "home") as ledger:
        build_policy("kernel", bank=quick_bank, ledger=ledger).select(TASK)
        assert ledger.runs() == []
        assert ledger.fact("dimensions") is None


@pytest.mark.parametrize("name", ["kernel", "auto"])
def test_vectors_of_any_length_mean_their_direction(quick_bank: CaseBank, name: str) -> None:
    vectors = [at_cosine(0.6, 1) * 50, at_cosine(0.5, 2) * 0.01]
    quick_bank.add_many([demonstration("a", "x"), demonstration("b", "y")], vectors)
    policy = build_policy(name, bank=quick_bank, k=2)
    for length in (1.0, 300.0, 1e-3):
        selection = policy.select(TASK * np.float32(length))
        policy.record(selection, reward=1.0)
        assert all(0 <= shown.q <= 2 and 0 < shown.propensity <= 1 for shown in selection.cases)
        assert [round(cosine, 4) for _, cosine, _ in selection.candidates] == [0.6, 0.5]


# -- probabilities


def test_stored_propensities_are_the_frequencies(
    quick_bank: CaseBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = fill(quick_bank, [0.2, 0.17, 0.14])
    found = quick_bank.search(TASK, 64)
    monkeypatch.setattr(quick_bank, "search", lambda *_: found)
    policy = build_policy("kernel", bank=quick_bank, k=2)
    draws = [policy.select(TASK) for _ in range(2500)]

    def assert_near(happened: int, of: int, propensity: float) -> None:
        bound = 4.5 * np.sqrt(propensity * (1 - propensity) / of) + 1 / of
        assert abs(happened / of - propensity) < bound

    floor = [s for s in draws if s.arm == "none"]
    learned = [s for s in draws if s.arm == "learned"]
    assert_near(len(floor), len(draws), FLOOR)
    assert {s.arm_propensity for s in floor} == {FLOOR}
    assert {s.arm_propensity for s in learned} == {1 - FLOOR}
    assert all(not s.cases for s in floor)
    # What the learned arm would have done is known on the floor too: the slate's probability over both arms.
    assert {s.stop_propensity for s in floor} == {s.stop_propensity for s in learned if not s.cases}

    # Every slate, whole: what is stored sums to one, and is how often it comes.
    slates = {tuple(ids(s)): s.slate_propensity or 0.0 for s in draws}
    assert len(slates) == 1 + 3 + 3 * 2
    assert sum(slates.values()) == pytest.approx(1)
    expected = np.asarray([2500 * chance for chance in slates.values()])
    counts = np.asarray([sum(tuple(ids(s)) == slate for s in draws) for slate in slates])
    assert ((counts - expected) ** 2 / expected).sum() < chi2.ppf(0.9999, len(slates) - 1)

    for before in [(), *((case_id,) for case_id in cases)]:
        here = [s for s in learned if ids(s)[: len(before)] == list(before)]
        stopped = [s for s in here if len(s.cases) == len(before)]
        stop = {s.stop_propensity for s in stopped}
        assert len(stop) == 1
        total = next(iter(stop)) or 0.0
        assert_near(len(stopped), len(here), total)
        for case_id in set(cases) - set(before):
            drawn = [s.cases[len(before)] for s in here if len(s.cases) > len(before)]
            same = [slot for slot in drawn if slot.case_id == case_id]
            assert len({slot.propensity for slot in same}) == 1
            assert_near(len(same), len(here), same[0].propensity)
            total += same[0].propensity
        assert total == pytest.approx(1)


@given(st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=8))
def test_the_shares_of_the_credit_sum_to_one(used: list[bool | None]) -> None:
    shares = credit.shares({f"c{number}": value for number, value in enumerate(used)})
    assert sum(shares.values()) == pytest.approx(1)
    assert set(shares) == {f"c{number}" for number in range(len(used))}
    if True in used:
        assert all((share > 0) == (value is True) for share, value in zip(shares.values(), used, strict=True))


def drawn_often(bank: CaseBank) -> tuple[Slates, State, list[auto.Choice]]:
    """What is open to `auto` after some runs, and 1,500 of its choices there."""
    cases = fill(bank, [0.5, 0.45, 0.4, 0.3])
    policy = build_policy("auto", bank=bank, k=2)
    for number in range(40):
        selection = policy.select(TASK)
        policy.record(selection, reward=float(number % 3 == 0 and cases[0] in ids(selection)))
    before = AdvantageQ(bank.ledger).before(bank.namespace, 41, TASK)
    found = bank.search(TASK, 64)
    slates = slates_of(found, 4, before.belief(found, 0.2), before.hyper, 2)
    rng = np.random.default_rng(2)
    return slates, before.state, [auto.choose(slates, before.state, rng) for _ in range(1500)]


def test_what_auto_says_of_its_chances_is_what_it_does(quick_bank: CaseBank) -> None:
    slates, state, draws = drawn_often(quick_bank)
    told, shown = auto.chances(slates, state, np.random.default_rng(1))
    assert sum(told.values()) == pytest.approx(1)

    def chi_squared(expected: NDArray[np.float64], counts: NDArray[np.float64]) -> float:
        """Of counts in 1,500 draws against chances that are themselves from 129."""
        variance = np.maximum(expected * (1 - expected), 1e-3) * (1 / 1500 + 1 / (1 + REDRAWS))
        return float(((counts / 1500 - expected) ** 2 / variance).sum())

    kinds = np.asarray([sum(draw.kind == kind for draw in draws) for kind in told], np.float64)
    assert chi_squared(np.asarray(list(told.values())), kinds) < chi2.ppf(0.9999, len(told))
    held = np.asarray([sum(place in draw.places for draw in draws) for place in range(4)], np.float64)
    assert chi_squared(shown, held) < chi2.ppf(0.9999, 4)
    empty = float(np.mean([draw.empty_propensity for draw in draws]))
    assert abs(np.mean([not draw.places for draw in draws]) - empty) < 4.5 * np.sqrt(0.25 / 1500)
    assert all(draw.slate_propensity == draw.empty_propensity for draw in draws if not draw.places)
    assert all(draw.arm_propensity == FLOOR for draw in draws if draw.kind == "floor")


def test_the_propensities_of_autos_slots_and_slates_are_their_frequencies(quick_bank: CaseBank) -> None:
    """A propensity is a frequency in n draws, of which that of the choice itself is one: what it is told to
    be where the true one is q has the mean (1 + (n - 1) q) / n; of a second slot, which counts only the draws
    with the same first, q + (1 - q) (1 - (1 - p)^n) / (n p), p being that of the first.
    """
    n, learning = 1 + REDRAWS, [draw for draw in drawn_often(quick_bank)[2] if draw.kind != "floor"]

    def squared(told: list[float], of: int, mean: Callable[[float], float], spread: float) -> float:
        """How far the mean of what is told is from what it should be, in deviations, squared."""
        q = len(told) / of
        slope = (mean(q + 1e-6) - mean(q)) / 1e-6
        error = (slope**2 / of + spread / len(told)) * q * (1 - q)
        return float((np.mean(told) - mean(q)) ** 2 / error)

    def whole(told: list[float]) -> float:
        return squared(told, len(learning), lambda q: (1 + REDRAWS * q) / n, REDRAWS / n**2)

    found = []
    for first in {draw.places[0] for draw in learning if draw.places}:
        same = [draw for draw in learning if draw.places[:1] == [first]]
        found.append(whole([draw.propensities[0] for draw in same]))
        p = len(same) / len(learning)
        again = (1 - (1 - p) ** n) / (n * p)
        for second in {draw.places[1] for draw in same if len(draw.places) > 1}:
            told = [draw.propensities[1] for draw in same if draw.places == [first, second]]
            if len(told) > 30:
                found.append(squared(told, len(same), lambda q: q + (1 - q) * again, 2 / (REDRAWS * p)))  # noqa: B023
    slates = {tuple(draw.places) for draw in learning if draw.places}
    by_slate = [
        [draw.slate_propensity for draw in learning if draw.places == list(slate)] for slate in slates
    ]
    found += [whole([one / (1 - FLOOR) for one in told]) for told in by_slate if len(told) > 30]
    assert len(found) > 5
    assert sum(found) < chi2.ppf(0.9999, len(found))


def test_the_nearest_cases_gain_nothing_on_themselves(quick_bank: CaseBank) -> None:
    fill(quick_bank, [0.9, 0.8, 0.7, 0.6])
    policy, seen = build_policy("auto", bank=quick_bank), 0
    assert isinstance(policy.q_function, AdvantageQ)
    for _ in range(60):
        selection = policy.select(TASK)
        if selection.arm == "similarity":
            kept = policy.q_function.before(quick_bank.namespace, selection.number, TASK).state.kept
            assert selection.expected is not None
            assert selection.without is not None
            promised = selection.expected - selection.without
            worth = max(0.0, float(kept["similarity"].worth(promised)))
            assert selection.gained == pytest.approx(promised - worth, abs=1e-9)
            seen += 1
        policy.record(selection, reward=0.9 if selection.arm == "similarity" else 0.3)
    assert seen


def test_exploring_that_does_best_costs_the_fund_nothing(quick_bank: CaseBank) -> None:
    tasks = [Case.from_demonstration(task=f"task {number}") for number in range(6)]
    quick_bank.add_many(tasks, [at_cosine(0.9 - number / 10, 1 + number) for number in range(6)])
    policy, late = build_policy("auto", bank=quick_bank), []
    for number in range(150):
        selection = policy.select(TASK)
        policy.record(selection, reward=0.9 if selection.explored else 0.2)
        late += [selection] if number >= 100 else []
    explored = [selection for selection in late if selection.explored]
    assert len(explored) > len(late) / 3
    assert all(len(selection.cases) == 1 for selection in explored)
    assert sum(selection.forgone == 0 for selection in explored) > len(explored) / 3


def test_nothing_is_shown_for_as_likely_as_it_is_that_cases_do_not_help(quick_bank: CaseBank) -> None:
    tasks = [Case.from_demonstration(task=f"task {number}") for number in range(6)]
    quick_bank.add_many(tasks, [at_cosine(0.9 - number / 10, 1 + number) for number in range(6)])
    policy = build_policy("auto", bank=quick_bank)
    assert isinstance(policy.q_function, AdvantageQ)
    for number in range(40):
        policy.record(policy.select(TASK), reward=float(number % 2))
    number = policy.ledger.last_number(quick_bank.namespace) + 1
    doubt = policy.q_function.before(quick_bank.namespace, number, TASK).state.doubt
    assert 0.1 < doubt < 0.9
    chances = [explain(build_policy("auto", bank=quick_bank, seed=n), TASK).chances for n in range(20)]
    empty = sum(one["nothing"] for one in chances)
    known = sum(one["similarity"] + one["learned"] for one in chances)
    assert empty / (empty + known) > min(0.5, doubt) - 0.04


def test_what_the_best_known_would_have_gained_is_what_exploring_it_is_charged(quick_bank: CaseBank) -> None:
    good = silent(quick_bank, 12)[7]
    policy, explored = build_policy("auto", bank=quick_bank), []
    for _ in range(200):
        selection = policy.select(TASK)
        policy.record(selection, reward=0.6 if good in ids(selection) else 0.35)
        explored += [selection] if selection.explored else []
    forgone = sum(selection.forgone or 0.0 for selection in explored)
    assert forgone > 0.2
    spent = AdvantageQ(quick_bank.ledger).before(quick_bank.namespace, 201, TASK).state.spent
    assert spent > 0.1  # and would be nothing, were it only counted against the nearest cases


def test_a_full_fund_looks_for_cases_that_may_be_better_than_the_best_known(quick_bank: CaseBank) -> None:
    good = silent(quick_bank, 12)[7]
    policy = build_policy("auto", bank=quick_bank)
    for _ in range(80):
        selection = policy.select(TASK)
        policy.record(selection, reward=0.6 if good in ids(selection) else 0.35)
    before = AdvantageQ(quick_bank.ledger).before(quick_bank.namespace, 81, TASK)
    found = quick_bank.search(TASK, 64)
    slates = slates_of(found, len(found), before.belief(found, 0.5), before.hyper, 4)
    place = [candidate.case_id for candidate in found].index(good)

    def chance(gained: float) -> float:
        state = replace(before.state, gained=gained, spent=0.0)
        return float(auto.chances(slates, state, np.random.default_rng(1))[1][place])

    assert chance(0.0) > 0.5
    assert chance(40.0) < chance(0.0) - 0.1


def test_however_well_exploring_does_other_choices_are_still_compared_with_it(quick_bank: CaseBank) -> None:
    silent(quick_bank, 12)
    policy = build_policy("auto", bank=quick_bank)
    for _ in range(100):
        selection = policy.select(TASK)
        policy.record(selection, reward=0.9 if selection.explored else 0.2)
    before = AdvantageQ(quick_bank.ledger).before(quick_bank.namespace, 101, TASK)
    found = quick_bank.search(TASK, 64)
    slates = slates_of(found, len(found), before.belief(found, 0.5), before.hyper, 4)
    kinds, _ = auto.chances(slates, before.state, np.random.default_rng(1))
    assert kinds["explored"] > 0.5
    assert kinds["nothing"] + kinds["similarity"] + kinds["learned"] > 0.1


def test_the_nearest_cases_are_shown_in_any_number_while_little_is_known(quick_bank: CaseBank) -> None:
    silent(quick_bank, 8)
    policy, sizes = build_policy("auto", bank=quick_bank), []
    for _ in range(100):
        selection = policy.select(TASK)
        sizes += [len(selection.cases)] * (selection.arm == "similarity")
        policy.record(selection, reward=0.9 if selection.arm == "similarity" else 0.2)
    assert set(sizes) == {1, 2, 3, 4}
    assert sizes.count(4) > len(sizes) / 2


@given(seed=st.integers(0, 1000), draws=st.integers(1, 30))
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_slates_propensity_is_that_of_its_slots(quick_bank: CaseBank, seed: int, draws: int) -> None:
    if not quick_bank.count():
        fill(quick_bank, [0.5, 0.45, 0.4, 0.3])
    policy = build_policy("auto", bank=quick_bank, k=2, seed=seed)
    for _ in range(draws):
        selection = policy.select(TASK)
        if selection.cases:
            slots = float(np.prod([slot.propensity for slot in selection.cases]))
            slots *= 1.0 if selection.stop_propensity is None else selection.stop_propensity
            assert selection.slate_propensity == pytest.approx((1 - FLOOR) * slots)


def test_the_more_is_known_of_the_candidates_the_surer_the_draw(quick_bank: CaseBank) -> None:
    """Q says the same of both cases each time; only how many outcomes it rests on differs."""
    fill(quick_bank, [0.5, 0.5])
    candidates = quick_bank.search(TASK, 64)

    def of_the_better(outcomes: float) -> float:
        known = np.full(2, outcomes / 2)
        values = QValues(np.asarray([0.6, 0.55]), np.full(2, 0.1), 0.5, 0.1, known)
        rng = np.random.default_rng(0)
        slots = [soft.SoftDraw(candidates, values, 1, rng).slate()["cases"] for _ in range(300)]
        better = [slate[0].propensity for slate in slots if slate and slate[0].q == 0.6]
        assert len(set(better)) == 1
        return float(better[0])

    chances = [of_the_better(outcomes) for outcomes in (0, 100, 1000, 100_000)]
    assert chances == sorted(chances)
    assert chances[0] + 0.05 < chances[-1] < 1
    assert soft.temperature(100) == pytest.approx(soft.temperature(0) / np.sqrt(2))


# -- the best known choice


def test_without_exploring_the_nearest_are_shown_while_nothing_is_known_and_the_best_afterwards(
    quick_bank: CaseBank,
) -> None:
    near, middle, far = fill(quick_bank, [0.6, 0.5, 0.4])
    policy = build_policy("kernel", bank=quick_bank, k=2)
    before = [policy.select(TASK, explore=False) for _ in range(5)]
    assert [(s.arm, ids(s)) for s in before] == [("similarity", [near, middle])] * 5
    assert all(shown.propensity == 1 for s in before for shown in s.cases)

    for _ in range(15):
        policy.record(policy.select(TASK, explore=False, exclude={far}), reward=0.0)
        policy.record(policy.select(TASK, explore=False, exclude={near, middle}), reward=1.0)
    after = [
        build_policy("kernel", bank=quick_bank, k=1, seed=seed).select(TASK, explore=False)
        for seed in range(5)
    ]
    assert [(s.arm, ids(s)) for s in after] == [("learned", [far])] * 5


@pytest.mark.parametrize("name", ["kernel", "auto"])
def test_without_exploring_nothing_is_shown_where_every_case_is_known_to_hurt(
    quick_bank: CaseBank, name: str
) -> None:
    fill(quick_bank, [0.4, 0.35])
    policy = build_policy(name, bank=quick_bank, k=2)
    play(policy, 80, lambda shown: float(not shown))
    assert ids(policy.select(TASK, explore=False)) == []


# -- learning


@pytest.mark.parametrize("name", ["kernel", "auto"])
def test_a_case_that_helps_is_shown_more_and_one_that_fails_less(quick_bank: CaseBank, name: str) -> None:
    good, bad = fill(quick_bank, [0.4, 0.42])
    policy = build_policy(name, bank=quick_bank, k=1)
    shown = play(policy, 90, lambda shown: float(good in shown))
    assert sum(good in row for row in shown[-30:]) >= 25
    assert sum(bad in row for row in shown[-30:]) <= 3
    assert sum(bad in row for row in shown[-30:]) <= 2


@pytest.mark.parametrize("name", ["kernel", "auto"])
def test_showing_nothing_wins_when_every_case_hurts(quick_bank: CaseBank, name: str) -> None:
    fill(quick_bank, [0.5, 0.48, 0.46])
    policy = build_policy(name, bank=quick_bank, k=2)
    shown = play(policy, 120, lambda shown: float(not shown))
    assert shown[0]
    assert sum(not row for row in shown[-30:]) >= 27


@pytest.mark.parametrize("name", ["kernel", "auto"])
def test_an_unknown_reward_teaches_nothing(quick_bank: CaseBank, name: str) -> None:
    fill(quick_bank, [0.3, 0.25])
    policy = build_policy(name, bank=quick_bank)
    before = policy.select(TASK, explore=False)
    for _ in range(10):
        policy.record(policy.select(TASK))
    after = policy.select(TASK, explore=False)
    assert (ids(after), after.arm) == (ids(before), "similarity")


@pytest.mark.parametrize("name", ["kernel", "auto"])
def test_uncertainty_falls_with_outcomes(quick_bank: CaseBank, name: str) -> None:
    fill(quick_bank, [0.6])
    policy = build_policy(name, bank=quick_bank)
    widths = []
    for _ in range(6):
        widths.append(policy.select(TASK, explore=False).cases[0].q_std)
        selection = policy.select(TASK, explore=False)
        policy.record(selection, reward=1.0)
    assert widths == sorted(widths, reverse=True)
    assert len(set(widths)) == len(widths)


@pytest.mark.parametrize("name", ["kernel", "auto"])
def test_credit_goes_to_what_was_used(quick_bank: CaseBank, name: str) -> None:
    used, idle = fill(quick_bank, [0.6, 0.58])
    policy = build_policy(name, bank=quick_bank, k=2)
    for _ in range(10):
        selection = policy.select(TASK, explore=False)
        policy.record(selection, reward=1.0, used=[used])
    values = {case_id: q for case_id, _, q in policy.select(TASK, explore=False).candidates}
    assert values[used] > values[idle]
    stored = (quick_bank.ledger.run(selection.run_id) or {})["retrieved"]
    assert {row["case_id"]: row["used"] for row in stored} == {used: True, idle: False}


@pytest.mark.parametrize("name", ["kernel", "neural", "auto"])
def test_citations_that_follow_success_do_not_decide_who_gets_the_credit(
    quick_bank: CaseBank, tmp_path: Path, name: str
) -> None:
    first = fill(quick_bank, [0.8, 0.7, 0.6])[0]

    def values(home: str, cited: Callable[[int], list[str] | None]) -> list[float]:
        with Ledger(tmp_path / home) as ledger:
            policy = build_policy("similarity", bank=quick_bank, ledger=ledger)
            for number in range(64):
                policy.record(policy.select(TASK), reward=float(number % 2), used=cited(number))
            asked = build_policy(name, bank=quick_bank, ledger=ledger).select(TASK)
            return [q for _, _, q in asked.candidates]

    unknown = values("unknown", lambda _: None)
    assert values("after success", lambda number: [first] * (number % 2)) == unknown
    assert values("after failure", lambda number: [first] * (1 - number % 2)) == unknown
    assert values("whatever came", lambda _: [first]) != unknown


def test_a_greater_weight_moves_the_choice_more(quick_bank: CaseBank, tmp_path: Path) -> None:
    fill(quick_bank, [0.6])

    def value(name: str, weight: float) -> float:
        with Ledger(tmp_path / name) as ledger:
            policy = build_policy("kernel", bank=quick_bank, ledger=ledger)
            policy.record(policy.select(TASK, explore=False), reward=0.0, weight=weight)
            return policy.select(TASK).candidates[0][2]

    assert value("full", 1.0) < value("half", 0.5) < value("hardly", 0.01)


# -- what may be chosen from


@pytest.mark.parametrize("name", ["kernel", "auto"])
def test_near_duplicates_take_one_slot(quick_bank: CaseBank, name: str) -> None:
    copies = [demonstration(f"copy {number}", "same") for number in range(6)]
    quick_bank.add_many(copies, [at_cosine(0.8, 1)] * 6)
    other = quick_bank.add(demonstration("another", "other"), at_cosine(0.79, 2))
    policy = build_policy(name, bank=quick_bank, k=4)
    for _ in range(20):
        selection = policy.select(TASK)
        assert sum(case_id != other for case_id in ids(selection)) <= 1
        policy.record(selection, reward=1.0)
    assert sum(case_id != other for case_id in ids(policy.select(TASK, explore=False))) <= 1


@pytest.mark.parametrize("name", ["kernel", "auto"])
def test_cases_that_called_a_tool_in_two_ways_are_no_duplicates(quick_bank: CaseBank, name: str) -> None:
    calls = [{"name": "convert", "args": {"to": unit}, "result": "1"} for unit in ("celsius", "fahrenheit")]
    cases = [
        Case.from_demonstration(task="convert it", trajectory=[{"tool_calls": [call]}]) for call in calls
    ]
    both = set(quick_bank.add_many(cases, [at_cosine(0.8, 1)] * 2))
    policy = build_policy(name, bank=quick_bank, k=4)
    assert any(set(ids(selection)) == both for selection in shown_runs(policy, 40))


def test_beside_a_case_one_that_did_the_same_is_chosen_sooner(quick_bank: CaseBank) -> None:
    """The second and the third case are as near to the task, and only the second did what the first did."""
    first = at_cosine(0.9, 1)
    beside = 0.9 * first + np.sqrt(1 - 0.9**2) * at_cosine(0.0, 2)
    apart = at_cosine(float(beside @ TASK), 3)
    cases = [demonstration(f"task {n}", tool) for n, tool in enumerate(["add", "add", "sort"])]
    same, other = quick_bank.add_many(cases, [first, beside, apart])[1:]
    policy = build_policy("kernel", bank=quick_bank, k=2)
    slates = [ids(s) for s in shown_runs(policy, 60) if len(s.cases) == 2]
    assert sum(same in slate for slate in slates) > 2 * sum(other in slate for slate in slates)


def test_what_is_excluded_deleted_or_quarantined_is_not_chosen(quick_bank: CaseBank) -> None:
    kept, excluded, deleted, quarantined = fill(quick_bank, [0.5, 0.6, 0.7, 0.8])
    quick_bank.delete(deleted)
    quick_bank.set_status(quarantined, "quarantined")
    for name in ("similarity", "kernel", "auto"):
        policy = build_policy(name, bank=quick_bank)
        for _ in range(10):
            selection = policy.select(TASK, exclude={excluded})
            assert set(ids(selection)) <= {kept}
            assert [case_id for case_id, _, _ in selection.candidates] == [kept]


def test_no_more_cases_than_k(quick_bank: CaseBank) -> None:
    fill(quick_bank, [0.9, 0.8, 0.7, 0.6, 0.5])
    for name in ("similarity", "kernel", "neural", "auto"):
        for k in (0, 1, 3):
            policy = build_policy(name, bank=quick_bank, k=k)
            assert all(len(policy.select(TASK).cases) <= k for _ in range(5))
            assert len(policy.select(TASK, explore=False).cases) == k


def test_similarity_shows_the_nearest_whatever_happened(quick_bank: CaseBank) -> None:
    near, middle, _ = fill(quick_bank, [0.6, 0.5, 0.4])
    policy = build_policy("similarity", bank=quick_bank, k=2)
    assert play(policy, 20, lambda _: 0.0) == [[near, middle]] * 20
    assert policy.select(TASK).arm == "similarity"


def test_none_shows_nothing(quick_bank: CaseBank) -> None:
    fill(quick_bank, [0.9])
    selection = build_policy("none", bank=quick_bank).select(TASK)
    assert (selection.arm, selection.arm_propensity, selection.cases, selection.candidates) == (
        "none",
        1.0,
        [],
        [],
    )


@pytest.mark.parametrize("name", ["none", "similarity", "kernel", "neural", "auto"])
def test_an_empty_bank_shows_nothing(quick_bank: CaseBank, name: str) -> None:
    policy = build_policy(name, bank=quick_bank)
    for explore in (True, False):
        selection = policy.select(TASK, explore=explore)
        policy.record(selection, reward=1.0)
        assert selection.cases == []


@pytest.mark.parametrize("name", ["nonsense", "", "Kernel"])
def test_a_policy_that_is_not_available_is_wrong_usage(quick_bank: CaseBank, name: str) -> None:
    with pytest.raises(UsageError, match="not available"):
        build_policy(name, bank=quick_bank)


@pytest.mark.parametrize("k", [-1, 65, 1.5, True, None, "4"])
def test_a_k_that_is_no_number_of_cases_is_wrong_usage(quick_bank: CaseBank, k: Any) -> None:
    with pytest.raises(UsageError):
        build_policy("kernel", bank=quick_bank, k=k)


@pytest.mark.parametrize(
    "vector", [np.ones(3), np.full(DIMENSIONS, np.nan), np.ones((2, DIMENSIONS)), np.zeros(0)], ids=str
)
def test_a_task_vector_that_cannot_be_meant_is_wrong_usage(
    quick_bank: CaseBank, vector: NDArray[Any]
) -> None:
    fill(quick_bank, [0.5])
    with pytest.raises(UsageError):
        build_policy("kernel", bank=quick_bank).select(vector)


@pytest.mark.parametrize("reward", [1.1, -0.1, float("nan"), True, "1"])
def test_a_reward_that_is_none_is_refused_and_the_run_is_not_written(
    quick_bank: CaseBank, reward: Any
) -> None:
    policy = build_policy("kernel", bank=quick_bank)
    selection = policy.select(TASK)
    with pytest.raises(UsageError):
        policy.record(selection, reward=reward)
    assert quick_bank.ledger.run(selection.run_id) is None


@pytest.mark.parametrize("name", ["kernel", "auto"])
def test_recording_twice_is_recording_once(quick_bank: CaseBank, name: str) -> None:
    fill(quick_bank, [0.5])
    policy = build_policy(name, bank=quick_bank)
    selection = policy.select(TASK)
    for _ in range(3):
        policy.record(selection, reward=np.float32(1))  # type: ignore[arg-type]
    run = quick_bank.ledger.run(selection.run_id) or {}
    assert (len(run["rewards"]), run["number"]) == (1, selection.number)
    assert len(quick_bank.ledger.runs(quick_bank.namespace)) == 1
