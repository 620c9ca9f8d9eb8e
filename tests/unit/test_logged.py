"""What the ledger's runs say of the effect of memory."""

from __future__ import annotations

import numpy as np
import pytest

from memento.memory import CaseBank, Reward, RunRecord, Shown, build_policy
from memento.memory.effect import describe
from memento.memory.logged import effect_of_memory, logged_runs
from tests.memory_tools import axis, demonstration

TASK = axis(0)


def play(bank: CaseBank, runs: int, name: str) -> None:
    """Runs on one task, where success is .3 without cases."""
    bank.add(demonstration("a task", "tool"), axis(0, 0.5, 3))
    policy, rng = build_policy(name, bank=bank, k=1), np.random.default_rng(0)
    for _ in range(runs):
        selection = policy.select(TASK)
        chance = 0.3 + 0.4 * bool(selection.cases)
        policy.record(selection, reward=float(rng.random() < chance))


def test_before_any_run_nothing_is_known(quick_bank: CaseBank) -> None:
    found = effect_of_memory(quick_bank.ledger, quick_bank.namespace)
    assert found
    assert not any(effect.known for effect in found)
    assert all("not known yet" in describe(effect) for effect in found)


@pytest.mark.parametrize("name", ["auto", "kernel"])
def test_every_run_that_could_have_gone_without_is_read(quick_bank: CaseBank, name: str) -> None:
    play(quick_bank, 60, name)
    runs = logged_runs(quick_bank.ledger, quick_bank.namespace)
    assert len(runs.reward) == 60
    assert runs.showed.any()
    assert (runs.chance >= runs.floor).all()
    assert not (runs.floored & runs.showed).any()


def test_choices_that_were_not_drawn_say_nothing_of_doing_without(quick_bank: CaseBank) -> None:
    quick_bank.add(demonstration("a task", "tool"), axis(0, 0.5, 3))
    policy = build_policy("similarity", bank=quick_bank, k=1)
    for _ in range(5):
        policy.record(policy.select(TASK), reward=1.0)
    assert len(logged_runs(quick_bank.ledger, quick_bank.namespace).reward) == 0


def test_where_memory_helps_the_logs_say_so(quick_bank: CaseBank) -> None:
    rng, ledger = np.random.default_rng(1), quick_bank.ledger
    slot = Shown(case_id="c", rank=0, similarity=0.5, q=0.7, q_std=0.1, propensity=0.7)
    for number in range(400):
        empty = bool(rng.random() < 0.3)
        record = RunRecord(
            run_id=f"{quick_bank.namespace}-{number}",
            namespace=quick_bank.namespace,
            number=number + 1,
            vector=TASK,
            arm="none" if empty and rng.random() < 0.1 else "learned",
            empty_propensity=0.3,
            expected=0.3 if empty else 0.7,
            without=0.3,
            without_std=0.05,
            shown=[] if empty else [slot],
        )
        reward = float(rng.random() < (0.3 if empty else 0.7))
        ledger.commit_run(record, Reward(reward=reward, source="environment"))
    found = {effect.name: effect for effect in effect_of_memory(ledger, quick_bank.namespace)}
    assert set(found) == {"floor", "SNIPS", "doubly robust", "model"}
    for name in ("SNIPS", "doubly robust"):
        assert found[name].known
        assert found[name].low < 28 < found[name].high  # of all runs, 70 % with cases that add 40 points
    assert not found["floor"].known
    model = found["model"]  # of the newest of the 280 with cases
    assert model.known
    assert model.low < 40 < model.high
