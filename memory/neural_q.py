"""NeuralQ: Q(s, c) from a network that is trained on the ledger's outcomes."""

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from operator import is_
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memento.memory import credit
from memento.memory.case import Outcome
from memento.memory.case_bank import Candidate, CaseBank
from memento.memory.embeddings import unit
from memento.memory.ledger import OutcomeRow
from memento.memory.lessons import USUAL_COSINE
from memento.memory.neural_net import Network, Pairs, load, logit, save, sigmoid
from memento.memory.neural_training import VERSION, train
from memento.memory.outcomes import Outcomes
from memento.memory.q_function import LEVEL, NOISE, PENALTY, SLOPE, QValues

Vector = NDArray[np.float32]
Floats = NDArray[np.float64]

FIRST_TRAINING = 25
"""Rewarded runs before the first training: fewer say less than the prior."""
GROWTH = 1.1
"""From one training to the next, so that no more than a tenth of what is known waits, and all trainings up
to n runs are some 10·ln(n/25): 46 up to 2,000."""

_USUAL_STRENGTH = 10.0
_STRENGTH = 2.0
"""What the prior is worth, in outcomes."""
_PENALTIES: dict[Outcome, float] = {"failure": PENALTY, "unknown": PENALTY / 6, "success": 0.0}


@dataclass(frozen=True)
class _Trained:
    """A network and what it was made from, kept to tell cheaply that nothing has changed."""

    rows: list[OutcomeRow]
    shown: list[str]
    ended: dict[str, Outcome]
    usual: float
    network: Network


class NeuralQ:
    """Parametric: a two-layer network on frozen embeddings (Memento, eq. 14-15). It starts at the prior of
    KernelQ, b + level + .6·(cos(s,c) − usual cosine) − penalty of c, with b = .5.

    The network is a function of the seed, the outcomes and the cases: with n rewarded runs, it is trained
    from scratch on the first N of them in run order, N the greatest number up to n in 25, 28, 31, ... (a
    tenth more each time). A reward that comes late or is corrected changes which runs these are, or what they
    say, and so the network becomes what it would have been at once. Deleted cases are no part of it. It is
    kept in `folder`, one file a namespace, which counts as long as a hash of all that stays the same.
    """

    name = "neural"

    def __init__(self, bank: CaseBank, folder: Path, seed: int) -> None:
        self._bank = bank
        self._folder = folder
        self._seed = seed
        self._trained: dict[str, _Trained] = {}
        self._lock = threading.Lock()

    def evaluate(self, task: Vector, candidates: Sequence[Candidate], outcomes: Outcomes) -> QValues:
        with self._lock:
            trained = self._up_to_date(outcomes)
        usual = _usual_cosine([]) if trained is None else trained.usual
        pairs = _asked(task, candidates, usual)
        if trained is None:
            q, std = (
                sigmoid(pairs.prior),
                np.full(len(candidates) + 1, np.sqrt(NOISE / _STRENGTH)),
            )
            counts = [0.0 for _ in candidates]
        else:
            q, std = trained.network.predict(pairs)
            counts = [
                float(found.weights @ found.shares) for found in outcomes.of([c.case_id for c in candidates])
            ]
        return QValues(q[:-1], std[:-1], float(q[-1]), float(std[-1]), np.asarray(counts, dtype=np.float64))

    def _up_to_date(self, outcomes: Outcomes) -> _Trained | None:
        """What the outcomes make of the network; None while they are too few."""
        rewarded = outcomes.rewarded()
        rows = list(rewarded[: _training_size(len(rewarded))])
        if not rows:
            return None
        space = outcomes.namespace
        known = self._trained.get(space)
        if known and _same(known.rows, rows) and self._bank.outcomes(known.shown, space) == known.ended:
            return known
        made = self._load_or_train(rows, space)
        if made is not None:
            self._trained[space] = made
        return made

    def _load_or_train(self, rows: list[OutcomeRow], namespace: str) -> _Trained | None:
        shown = sorted({slot.case_id for row in rows for slot in row.shown})
        cases = self._bank.vectors(shown, namespace)
        usual = _usual_cosine(rows)
        pairs, rewards, weights = _taught(rows, cases, usual)
        if not len(rewards):
            return None
        key = _key(self._seed, pairs, rewards, weights)
        file = self._folder / f"{hashlib.sha256(namespace.encode()).hexdigest()[:32]}.safetensors"
        network = load(file, key)
        if network is None:
            network = train(pairs, rewards, weights, self._seed)
            save(network, file, key)
        return _Trained(rows, shown, {name: outcome for name, (_, outcome) in cases.items()}, usual, network)


def _training_size(rewarded: int) -> int:
    """How many of so many rewarded runs the network is trained on."""
    size, following = 0, FIRST_TRAINING
    while following <= rewarded:
        size, following = following, ceil(following * GROWTH)
    return size


def _same(known: list[OutcomeRow], rows: list[OutcomeRow]) -> bool:
    """A run about which something new was written has a new row."""
    return len(known) == len(rows) and all(map(is_, known, rows))


def _usual_cosine(rows: Sequence[OutcomeRow]) -> float:
    """The mean cosine of these runs' tasks to their candidates, drawn to that of unrelated tasks."""
    cosines = [row.candidate_cosine for row in rows if row.candidate_cosine is not None]
    return (sum(cosines) + USUAL_COSINE * _USUAL_STRENGTH) / (len(cosines) + _USUAL_STRENGTH)


def _prior(shown: NDArray[np.bool_], cosines: Floats, penalties: Floats, usual: float) -> Floats:
    """The prior's logits; shape (pairs,)."""
    advantage = LEVEL + SLOPE * (cosines - usual) - penalties
    return logit(np.clip(0.5 + np.where(shown, advantage, 0.0), 0.05, 0.95))


def _asked(task: Vector, candidates: Sequence[Candidate], usual: float) -> Pairs:
    """The task with each of the candidates, and last with nothing."""
    shown = np.asarray([*(True for _ in candidates), False])
    cosines = np.asarray([*(c.similarity for c in candidates), 0.0], dtype=np.float64)
    penalties = np.asarray([*(_PENALTIES[c.outcome] for c in candidates), 0.0])
    return Pairs(
        states=np.broadcast_to(task, (len(shown), len(task))),
        cases=np.stack([*(c.vector for c in candidates), np.zeros_like(task)]),
        shown=shown,
        names=np.arange(len(shown)),
        cosines=cosines,
        prior=_prior(shown, cosines, penalties, usual),
    )


def _taught(
    rows: Sequence[OutcomeRow], cases: Mapping[str, tuple[Vector, Outcome]], usual: float
) -> tuple[Pairs, Floats, Floats]:
    """What runs teach, in run order: the pairs, each with its run's reward, and its case's share of the
    credit times the reward's weight. All that were shown share it where what planners said they used follows
    success.
    """
    guarded = credit.citations_follow_success(
        (row.use_is, row.reward, [slot.used for slot in row.shown]) for row in rows
    )
    numbers = {case_id: number for number, case_id in enumerate(sorted(cases))}
    states, places, names, table = [], [], [], []
    for row in rows:
        if row.reward is None:
            continue
        doubted = guarded and row.use_is == credit.SAID
        shares = credit.shares({slot.case_id: slot.used for slot in row.shown}, doubted=doubted)
        taught = [slot for slot in row.shown if slot.case_id in cases and shares[slot.case_id]]
        for slot in taught:
            vector, outcome = cases[slot.case_id]
            states.append(unit(row.vector))
            places.append(unit(vector))
            names.append(numbers[slot.case_id])
            weight = shares[slot.case_id] * row.weight
            table.append((1.0, slot.similarity, _PENALTIES[outcome], row.reward, weight))
        if not row.shown:
            states.append(unit(row.vector))
            places.append(np.zeros_like(row.vector))
            names.append(0)
            table.append((0.0, 0.0, 0.0, row.reward, row.weight))
    flags, cosines, penalties, rewards, weights = np.asarray(table, dtype=np.float64).reshape(-1, 5).T
    shown = flags > 0
    pairs = Pairs(
        states=np.asarray(states, dtype=np.float32),
        cases=np.asarray(places, dtype=np.float32),
        shown=shown,
        names=np.asarray(names, dtype=np.intp),
        cosines=cosines,
        prior=_prior(shown, cosines, penalties, usual),
    )
    return pairs, rewards, weights


def _key(seed: int, pairs: Pairs, rewards: Floats, weights: Floats) -> str:
    """A hash of all that a network is a function of."""
    digest = hashlib.sha256(f"{VERSION} {seed} {pairs.states.shape}".encode())
    columns = (
        pairs.states,
        pairs.cases,
        pairs.shown,
        pairs.names,
        pairs.cosines,
        pairs.prior,
        rewards,
        weights,
    )
    for column in columns:
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()
