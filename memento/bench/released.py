"""The recipe of Memento's released code: a classifier of (task, case) pairs in place of Q-learning.

Taken over from the parametric memory of that code: a binary classifier with cross-entropy on the vectors of
task and case side by side; every shown case has its run's label, whether it was used or not; the K cases with
the greatest P(success) are shown, without exploring and without the choice to show nothing.

Other than there: it is trained again from the start after every 200 tasks on all pairs so far, where theirs
is trained once, offline, and never learns online, which is a kindness; it ranks the 64 nearest, as other arms
do, in place of the whole bank; and the size of its one hidden layer, with which what a case is worth can
depend on the task, and of its training are chosen here. Until it is first trained: the K nearest.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from memento.bench.worlds import MOST_SHOWN, World
from memento.memory.slate import CANDIDATES

Vectors = NDArray[np.float32]
Floats = NDArray[np.float64]

_RETRAINED = 200  # tasks between two trainings
_HIDDEN = 64
_EPOCHS = 4
_BATCH = 128


class ReleasedArm:
    """The K cases of greatest P(success) under a classifier that is trained anew now and then."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._pairs: list[tuple[int, int]] = []
        self._labels: list[float] = []
        self._runs = 0
        self._chance: Callable[[Vectors], Floats] | None = None

    def choose(self, step: int) -> list[int]:
        near, scores = self._world.nearest(step, CANDIDATES)
        if self._chance is not None:
            scores = self._chance(self._inputs([(step, int(case)) for case in near]))
        return [int(case) for case in near[np.argsort(-scores, kind="stable")[:MOST_SHOWN]]]

    def learn(self, step: int, shown: Sequence[int], reward: float, cited: list[int] | None) -> None:
        del cited
        self._pairs += [(step, case) for case in shown]
        self._labels += [reward] * len(shown)
        self._runs += 1
        if self._runs % _RETRAINED == 0 and len(set(self._labels)) > 1:
            labels = np.asarray(self._labels, dtype=np.float32)
            self._chance = _train(self._inputs(self._pairs), labels, self._world.seed)

    def _inputs(self, pairs: Sequence[tuple[int, int]]) -> Vectors:
        """Task and case side by side, shape (pairs, 2·dimensions)."""
        steps, cases = np.asarray(pairs).T
        return np.concatenate([self._world.tasks[steps], self._world.cases[cases]], axis=1)


def _train(inputs: Vectors, labels: Vectors, seed: int) -> Callable[[Vectors], Floats]:
    """A classifier of these pairs: from inputs, shape (pairs, features), to P(success), shape (pairs,).

    The same pairs and seed give the same classifier.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = torch.nn.Sequential(
            torch.nn.Linear(inputs.shape[1], _HIDDEN), torch.nn.ReLU(), torch.nn.Linear(_HIDDEN, 1)
        )
        # Unit vectors have entries of about .05: scaled, so that Adam's usual rate learns from them.
        given = torch.from_numpy(inputs) * inputs.shape[1] ** 0.5
        wanted = torch.from_numpy(labels)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        for _ in range(_EPOCHS):
            order = torch.randperm(len(given))
            for first in range(0, len(order), _BATCH):
                rows = order[first : first + _BATCH]
                loss = torch.nn.functional.binary_cross_entropy_with_logits(
                    model(given[rows])[:, 0], wanted[rows]
                )
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()

    def chance(rows: Vectors) -> Floats:
        with torch.no_grad():
            logits = model(torch.from_numpy(rows) * rows.shape[1] ** 0.5)[:, 0]
        return np.asarray(torch.sigmoid(logits).numpy(), dtype=np.float64)

    return chance
